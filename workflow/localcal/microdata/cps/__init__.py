"""Households from the raw files of the Census Bureau's CPS ASEC."""
