"""What a run is: its config, what it was made from, and the code behind it."""
