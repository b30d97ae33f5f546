"""Runs Snakemake jobs inside a Modal container.

Imports nothing but the standard library and modal, so that an image without Snakemake can still
say what it lacks.
"""
