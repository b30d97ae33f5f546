"""The calibrated datasets, one per area."""
