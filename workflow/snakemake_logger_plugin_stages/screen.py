"""Where lines are written: above a block that is drawn anew, or one below the other in a file."""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TextIO


def is_terminal(stream: TextIO) -> bool:
    """Whether lines can be drawn over on a stream."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Writer(Protocol):
    """What lines are written to."""

    @property
    def has_block(self) -> bool:
        """Whether something is shown that will be drawn over."""

    def above(self, text: str) -> None:
        """Write whole lines that stay; without a block any text."""

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines instead of those of the last call."""

    def end(self, lines: Sequence[str]) -> None:
        """Leave these lines, if any were drawn, and everything else as it was before."""


class File:
    """Lines below each other; there is no block."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def has_block(self) -> bool:
        return False

    def above(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def draw(self, lines: Sequence[str]) -> None:
        """Nothing: it could not be drawn over."""

    def end(self, lines: Sequence[str]) -> None:
        """Nothing was drawn."""


class Screen:
    """A terminal with a block below everything else.

    The cursor waits above the block, on an empty line, so that what other programs write to the
    terminal stays and is followed by the block. What this process writes itself goes by `above`.

    Args:
        stream: the terminal.
        size: how many columns and lines it has.
    """

    def __init__(
        self, stream: TextIO, size: Callable[[], os.terminal_size] = shutil.get_terminal_size
    ) -> None:
        self._stream, self.size = stream, size
        self._lock = threading.RLock()
        self._block: list[str] = []
        self._replaced: dict[str, Any] = {}

    def above(self, text: str) -> None:
        with self._lock:
            self._write(text, self._block)

    def draw(self, lines: Sequence[str]) -> None:
        with self._lock:
            columns = self.size().columns - 1
            self._block = ["", *(line[:columns] for line in lines)]
            self._write("", self._block)

    def end(self, lines: Sequence[str]) -> None:
        with self._lock:
            for name, stream in self._replaced.items():
                getattr(sys, name).finish()
                setattr(sys, name, stream)
            self._replaced.clear()
            self._write("".join(f"{line}\n" for line in lines), [])
            self._block = []

    def _write(self, text: str, block: Sequence[str]) -> None:
        # From the cursor to the end of the screen nothing but the block was ever written.
        shown = "".join(f"{line}\n" for line in block)
        back = f"\x1b[{len(block)}A" if block else ""
        clear = "\r\x1b[J" if self._block else ""
        self._stream.write(f"{clear}{text}{shown}{back}")
        self._stream.flush()

    @property
    def has_block(self) -> bool:
        return bool(self._block)

    def stand_between(self) -> None:
        """Have what this process writes to a terminal written above the block, until the end."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream.isatty():
                self._replaced[name] = stream
                setattr(sys, name, Above(self, stream))


class Above:
    """A stream that writes whole lines above a block, and anything where there is none."""

    def __init__(self, writer: Writer, stream: TextIO) -> None:
        self._writer, self._stream = writer, stream
        self._rest = ""

    def write(self, text: str) -> int:
        if not self._writer.has_block:
            self._writer.above(self._rest + text)
            self._rest = ""
            return len(text)
        lines, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            self._writer.above(lines + newline)
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        """Whole lines were written at once; the rest of one waits for its end."""

    def finish(self) -> None:
        """Write the rest of a line that got no end."""
        if self._rest:
            self.write("\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
