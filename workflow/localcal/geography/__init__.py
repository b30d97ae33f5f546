"""Places: their codes, the areas there are, and where every clone lives."""
