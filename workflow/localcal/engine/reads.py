"""Which variable reads which, noted while a model calculates."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager


class Reads:
    """A graph of variables, from each to those that its formula read.

    Attributes:
        of: variable to the variables that were read while it was calculated.
        overridden: variables to which a formula gave another value for a while. Whatever depends
            on one of them cannot be handed over: the formula would get the value from before.
    """

    def __init__(self, of: Mapping[str, Collection[str]] | None = None) -> None:
        self.of: dict[str, set[str]] = {name: set(read) for name, read in (of or {}).items()}
        self.overridden: set[str] = set()
        self._running: list[set[str]] = []

    def enter(self, variable: str) -> None:
        """Note that the variable being calculated reads this one, which is until `leave`.

        Two plain calls: this is done for every look at a value, most of which are calculated
        already, and a context manager would take longer than the look.
        """
        running = self._running
        if running:
            running[-1].add(variable)
        read = self.of.get(variable)
        if read is None:
            read = self.of[variable] = set()
        running.append(read)

    @property
    def is_running(self) -> bool:
        """Say whether something is being calculated."""
        return bool(self._running)

    def leave(self) -> None:
        """Go back to the variable that read this one."""
        self._running.pop()

    @contextmanager
    def reading(self, variable: str) -> Iterator[None]:
        """Note that the variable being calculated reads this one, which is calculated within."""
        self.enter(variable)
        try:
            yield
        finally:
            self.leave()

    def override(self, variable: str) -> None:
        """Note that the formula being calculated gives this variable another value."""
        if self._running:
            self.overridden.add(variable)

    @classmethod
    def union(cls, parts: Iterable["Reads"]) -> "Reads":
        """Return everything that was noted in any of several graphs."""
        result = cls()
        for part in parts:
            result.overridden |= part.overridden
            for name, read in part.of.items():
                result.of.setdefault(name, set()).update(read)
        return result

    def names(self) -> set[str]:
        """Return every variable that was calculated."""
        return set(self.of)

    def read_by(self, variables: Iterable[str]) -> set[str]:
        """Return what these variables read directly."""
        return set().union(*(self.of.get(name, ()) for name in variables))

    def dependents(self, variables: Iterable[str]) -> set[str]:
        """Return what depends on these variables or on an overridden one, themselves included."""
        readers: dict[str, set[str]] = {}
        for name, read in self.of.items():
            for item in read:
                readers.setdefault(item, set()).add(name)
        return reached(readers, [*variables, *self.overridden])


def reached(graph: Mapping[str, Collection[str]], start: Iterable[str]) -> set[str]:
    """Return the nodes that can be reached from some, themselves included."""
    found: set[str] = set()
    waiting = [*start]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(graph.get(name, ()))
    return found
