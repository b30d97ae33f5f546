"""From a matrix and its targets to weights."""
