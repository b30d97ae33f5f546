"""Servers that belong to one test."""

from tests.served_work import own_folder

__all__ = ["own_folder"]
