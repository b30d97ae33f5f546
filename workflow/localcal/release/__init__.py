"""A run that becomes a release: what must hold, and how it gets out."""
