"""Two ways to do the same work, measured in turn on a run's own data, and how they compare."""
