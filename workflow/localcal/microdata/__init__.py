"""Where the base households come from."""
