"""The one writer of files that are made of many pieces.

Whoever makes pieces hands each to `write` and keeps none of them, so that memory does not grow with
the file. What comes in goes either to a sink or into a list, which the constructor settles before
any work is done. The sink is opened by the first piece; the final name is there once all are
written, and a failure in the middle leaves what each piece wrote by itself usable.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from localcal.files.atomic import atomic_path
from localcal.timing import WRITE, phase

# Rows of a group of a Parquet file, whatever pieces they come in.
ROWS_TOGETHER = 1 << 13

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


@contextmanager
def parquet_sink(path: Path, schema: pa.Schema) -> Iterator[Write[pa.Table]]:
    """Yield what writes tables to a Parquet file, which exists once all are written.

    The rows' groups are of one size, so that the bytes do not depend on the pieces.

    Args:
        path: the file.
        schema: of every piece.

    Raises:
        InputError: the disk is full; nothing is left under either name.
    """
    with (
        atomic_path(path) as part,
        pq.ParquetWriter(part, schema, compression="zstd") as writer,
    ):
        waiting: list[pa.Table] = []

        def write(piece: pa.Table) -> None:
            waiting.append(piece.select(schema.names).cast(schema))
            if sum(table.num_rows for table in waiting) < ROWS_TOGETHER:
                return
            rows = pa.concat_tables(waiting)
            waiting.clear()
            while rows.num_rows >= ROWS_TOGETHER:
                _write_group(writer, rows.slice(0, ROWS_TOGETHER))
                # A copy, so that the rows written can go.
                rows = rows.take(pa.array(range(ROWS_TOGETHER, rows.num_rows), pa.int64()))
            waiting.append(rows)

        yield write
        rows = pa.concat_tables(waiting or [schema.empty_table()])
        if rows.num_rows:
            _write_group(writer, rows)


def _write_group(writer: pq.ParquetWriter, rows: pa.Table) -> None:
    writer.write_table(rows.combine_chunks(), row_group_size=ROWS_TOGETHER)


def write_parquet(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables one after the other to one Parquet file; return how many there were.

    Without any, the file has no rows.
    """
    with Pieces[pa.Table](sink=lambda: parquet_sink(path, schema)) as pieces:
        pieces.write(schema.empty_table())
        for table in tables:
            pieces.write(table)
        return pieces.written - 1
