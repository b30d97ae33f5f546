"""Calibrate survey microdata to national, state and district totals at once."""

import os
from importlib import import_module

__all__ = ["build_matrix"]

# Arrow's own allocator keeps what it once had: a process that gathered 60,000 rows through tables
# of 3 MB stayed 40 MB larger. The system's gives it back. Arrow asks for this when it is loaded.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def __getattr__(name: str) -> object:
    """Import what notebooks use when it is first asked for; a dry-run has no time for it.

    Not by a plain name: no rule's code is the facade's.
    """
    if name in __all__:
        return getattr(import_module(f"{__name__}.facade"), name)
    raise AttributeError(f"module 'localcal' has no attribute '{name}'")
