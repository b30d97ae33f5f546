"""Calibrate survey microdata to national, state and district totals at once."""
