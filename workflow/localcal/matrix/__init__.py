"""The matrix of targets by columns: planned, built in chunks, put together."""
