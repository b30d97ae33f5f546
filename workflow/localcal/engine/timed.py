"""An engine that counts how long it is at work, whoever asks it."""

from typing import Any

from localcal.engine.protocol import Engine, Simulation
from localcal.timing import SIMULATE, phase

BEGINS = frozenset({"simulate", "load"})
"""What of an engine begins a simulation."""
WORKS = frozenset({"calculate", "share", "unreached"})
"""What of a simulation is the model's work."""
BRANCHES = "neutralize"
"""What of a simulation begins another one."""


class _Timed:
    """Everything that it stands for has, some of it counted as the model's work.

    Args:
        inner: what it stands for.
        works: methods whose time counts.
        begins: methods whose time counts, and which return a simulation.
    """

    def __init__(self, inner: Any, works: frozenset[str], begins: frozenset[str]) -> None:
        self._inner = inner
        self._works = works
        self._begins = begins

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in self._begins:
            return lambda *args, **named: _simulation(_counted(found)(*args, **named))
        return _counted(found) if name in self._works else found


def _counted(method: Any) -> Any:
    return phase(SIMULATE)(method)


def _simulation(inner: Simulation) -> Any:
    return _Timed(inner, WORKS, frozenset({BRANCHES}))


def timed(engine: Engine) -> Engine:
    """Return an engine of which all simulations count their time."""
    found: Any = _Timed(engine, frozenset(), BEGINS)
    return found
