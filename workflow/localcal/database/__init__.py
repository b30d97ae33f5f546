"""Target databases: what a constraint means, reading one, and building one."""
