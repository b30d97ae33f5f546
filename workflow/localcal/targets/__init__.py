"""The targets of a run, and what a household adds to each."""
