"""Fitting with l0-python, in an interpreter of its own."""
