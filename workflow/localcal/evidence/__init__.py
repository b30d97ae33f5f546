"""Where a run's time and memory go, read off what its jobs say they took."""
