"""The one writer of files that are made of many pieces.

Whoever makes pieces hands each to `write` and keeps none of them, so that memory does not grow with
the file. What comes in goes either to a sink or into a list, which the constructor settles before
any work is done. The sink is opened by the first piece; the final name is there once all are
written, and a failure in the middle leaves what each piece wrote by itself usable.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Self

from localcal.timing import WRITE, phase

type Write[Piece] = Callable[[Piece], None]


class Pieces[Piece]:
    """Takes pieces as they are made.

    Args:
        sink: opens what pieces are written to, as a context whose value writes one; it is entered
            with the first piece.
        into: a list that keeps them, for few.

    Raises:
        ValueError: both are given, or neither is.
    """

    def __init__(
        self,
        sink: Callable[[], AbstractContextManager[Write[Piece]]] | None = None,
        into: list[Piece] | None = None,
    ) -> None:
        if sink is not None and into is not None:
            raise ValueError("pieces go to a sink or into a list, not to both")
        if sink is None and into is None:
            raise ValueError("pieces go nowhere; give a sink or a list")
        self._sink = sink
        self._write: Write[Piece] | None = None if into is None else into.append
        self._open = ExitStack()
        self._failed = False
        self.written = 0

    def __enter__(self) -> Self:
        return self

    def write(self, piece: Piece) -> None:
        """Write a piece and keep nothing of it.

        Raises:
            RuntimeError: writing one has failed before.
        """
        if self._failed:
            raise RuntimeError("a piece could not be written; none may follow it")
        self._failed = True
        if self._write is None:
            assert self._sink is not None  # the constructor refuses that
            self._write = self._open.enter_context(self._sink())
        with phase(WRITE):
            self._write(piece)
        self._failed = False
        self.written += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)
