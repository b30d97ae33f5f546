"""Files: complete or absent, checked when read, and what they were made from."""
