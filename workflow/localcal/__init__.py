"""Calibrate survey microdata to national, state and district totals at once."""

from importlib import import_module

__all__ = ["build_matrix"]


def __getattr__(name: str) -> object:
    """Import what notebooks use when it is first asked for; a dry-run has no time for it.

    Not by a plain name: no rule's code is the facade's.
    """
    if name in __all__:
        return getattr(import_module(f"{__name__}.facade"), name)
    raise AttributeError(f"module 'localcal' has no attribute '{name}'")
