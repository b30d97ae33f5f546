"""What surrounds the work of a job: its log, its end, and how far it has come."""
