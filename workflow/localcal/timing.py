"""What a process does, phase by phase, for the record in its job's log.

Whoever does work says so (`with phase("write"):`), wherever it is done: a process that works for a
job hands its figures over to the one that the job was started as. Seconds of a phase within another
one count for the inner one alone, so that phases add up to no more than the time that passed.

Figures vary from run to run: they belong into logs, and into nothing that a rule makes.
"""

import builtins
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

IMPORT = "import"
"""Importing modules."""
LOAD = "load"
"""Waiting for the process that has the model, which may have to load it."""
SIMULATE = "simulate"
"""The model at work."""
EVALUATE = "evaluate"
"""Making figures of households of what the model says."""
AGGREGATE = "aggregate"
"""Putting the results of several simulations together."""
WRITE = "write"
"""Writing files until they are safe on the disk."""
CHECK = "check"
"""Taking the digests of what is read and made."""

PHASES = (IMPORT, LOAD, SIMULATE, EVALUATE, AGGREGATE, WRITE, CHECK)


@dataclass(frozen=True)
class Simulated:
    """One simulation, or those of a chunk's columns.

    Attributes:
        param_id: the id of the parameter set, or the name of the chunk.
        seed: what was drawn with; None for nothing.
        seconds: how long it took.
    """

    param_id: str
    seed: int | None
    seconds: float


@dataclass(frozen=True)
class Aggregated:
    """Results of simulations, put together.

    Attributes:
        target: what they were put together to.
        results: how many there were.
        outputs: how many figures, or rows of them, came out.
        n_bytes: of all results.
        largest_bytes: of the largest one.
        seconds: how long it took.
    """

    target: str
    results: int
    outputs: int
    n_bytes: int
    largest_bytes: int
    seconds: float


@dataclass
class Figures:
    """What was counted so far.

    Attributes:
        seconds: by phase; a phase that did not happen is not in it.
        simulated: simulations.
        aggregated: results put together.
        handed_bytes: that went from one process to another and back; None where none did.
        cold: whether this job waited until the model was loaded; None where it did not need it.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    simulated: list[Simulated] = field(default_factory=list)
    aggregated: list[Aggregated] = field(default_factory=list)
    handed_bytes: int | None = None
    cold: bool | None = None

    def add(self, name: str, seconds: float) -> None:
        """Count seconds of a phase."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def take_over(self, other: "Figures") -> None:
        """Count what another process counted for this job."""
        for name, seconds in other.seconds.items():
            self.add(name, seconds)
        self.simulated += other.simulated
        self.aggregated += other.aggregated


class _Clock:
    """Counts for one thread, which does a job's work; the innermost phase has the time."""

    def __init__(self) -> None:
        self.figures = Figures()
        self.thread = threading.get_ident()
        self._open: list[str] = []
        self._since = 0.0

    def enter(self, name: str) -> None:
        self._count()
        self._open.append(name)

    def leave(self, counts: bool) -> None:
        self._count(counts)
        self._open.pop()

    def _count(self, counts: bool = True) -> None:
        now = time.monotonic()
        if self._open and counts:
            self.figures.add(self._open[-1], now - self._since)
        self._since = now


_clock = _Clock()


def begin() -> Figures:
    """Begin to count anew, as for another job; return what will be counted."""
    global _clock
    _clock = _Clock()
    return _clock.figures


def figures() -> Figures:
    """Return what this process counted since it began."""
    return _clock.figures


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Count the time within as a phase's, in the thread that does a job's work.

    What could not be written was not written: that has no time.
    """
    clock = _clock
    if clock.thread != threading.get_ident():
        yield
        return
    clock.enter(name)
    done = False
    try:
        yield
        done = True
    finally:
        clock.leave(done or name != WRITE)


@contextmanager
def simulating(param_id: str, seed: int | None = None) -> Iterator[None]:
    """Count the work within as a simulation, if it comes to its end."""
    start = time.monotonic()
    yield
    figures().simulated.append(Simulated(param_id, seed, time.monotonic() - start))


@contextmanager
def aggregating(target: str) -> Iterator["Payload"]:
    """Count the work within as putting results together, if it comes to its end."""
    payload = Payload()
    start = time.monotonic()
    with phase(AGGREGATE):
        yield payload
    seconds = time.monotonic() - start
    figures().aggregated.append(
        Aggregated(
            target=target,
            results=len(payload.sizes),
            outputs=payload.outputs,
            n_bytes=sum(payload.sizes),
            largest_bytes=max(payload.sizes, default=0),
            seconds=seconds,
        )
    )


@dataclass
class Payload:
    """What is put together, to be told while that is done.

    Attributes:
        sizes: bytes of each result.
        outputs: how many figures, or rows of them, came out.
    """

    sizes: list[int] = field(default_factory=list)
    outputs: int = 0


@contextmanager
def counting_imports() -> Iterator[None]:
    """Count what import statements take, wherever they are, as a phase.

    Scripts import within their work, and kernels where they need something heavy; a hook in the
    import system would only know when an import begins.
    """
    original = builtins.__import__

    def timed(
        name: str,
        globals: Any = None,  # noqa: A002 - as Python calls it
        locals: Any = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        with phase(IMPORT):
            return original(name, globals, locals, fromlist, level)

    _replace_import(timed)
    try:
        yield
    finally:
        _replace_import(original)


def _replace_import(function: Callable[..., Any]) -> None:
    # Assigned by name, which type checkers do not take for a redefinition.
    setattr(builtins, "__import__", function)  # noqa: B010
