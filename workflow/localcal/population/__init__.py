"""Households with their persons and units, and PolicyEngine's file of them."""
