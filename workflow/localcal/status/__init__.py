"""What became of runs: how far they are, how two of them differ, and which can go."""
