"""Pictures and tables of one run, for people to look at."""
