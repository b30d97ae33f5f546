"""Parquet files made of many tables, none of which is kept."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from localcal.files.atomic import atomic_path
from localcal.files.pieces import Pieces, Write

# Rows of a group, whatever pieces they come in.
ROWS_TOGETHER = 1 << 13


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
