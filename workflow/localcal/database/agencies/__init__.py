"""Tables of figures from the agencies' own files, in the columns that a database is built from."""
