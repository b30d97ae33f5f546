"""The finished simulations of a sweep, each in a file of its own.

A file's name says what it is of: a parameter set, an area's file and its weights, the draws, the
outcomes and the code. So it is used again whichever batch asks for it, however batches are cut, and
whatever became of the job that made it; and never for anything else.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from localcal.errors import REMAKE, InputError, one_line
from localcal.files.parquet import write_parquet

DIGEST_BYTES = 16
# What the digest of a file's rows is called in its schema.
SEAL = "seal"

# What one simulation says; the columns of a batch are these and those that say which one it is.
SCHEMA = pa.schema(
    [
        ("weight", pa.string()),
        ("outcome", pa.string()),
        ("group", pa.string()),
        ("value", pa.float64()),
        ("baseline", pa.float64()),
        ("delta", pa.float64()),
        ("status", pa.string()),
        ("error_type", pa.string()),
        ("error_message", pa.string()),
    ]
)
OK, ERROR, OUT_OF_MEMORY = "ok", "error", "out of memory"
LONGEST_MESSAGE = 500


class Cell(NamedTuple):
    """One simulation of a sweep: a parameter set in an area with a draw.

    Attributes:
        set_idx, set_id: of the parameter set.
        area: the area's name.
        seed_idx: the draw's number.
        seed: what it is made with.
    """

    set_idx: int
    set_id: str
    area: str
    seed_idx: int
    seed: int


class CellRow(NamedTuple):
    """A row of `SCHEMA`."""

    weight: str
    outcome: str
    group: str
    value: float | None
    baseline: float | None
    delta: float | None
    status: str = OK
    error_type: str = ""
    error_message: str = ""


@dataclass(frozen=True)
class Store:
    """Where finished simulations are.

    Attributes:
        folder: the files'.
        made_from: of each area what, besides the set and the seed, decides its numbers.
    """

    folder: Path
    made_from: Mapping[str, Mapping[str, Any]]

    def path(self, cell: Cell) -> Path:
        """Return the file of a simulation."""
        content = [cell.area, cell.seed, self.made_from[cell.area]]
        text = json.dumps(content, sort_keys=True, allow_nan=False)
        digest = hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()
        # Not all in one folder: there may be a hundred thousand.
        return self.folder / cell.set_id[:2] / f"{cell.set_id}_{digest}.parquet"

    def has(self, cell: Cell) -> bool:
        """Say whether a simulation is finished."""
        return self.path(cell).exists()

    def write(self, cell: Cell, rows: Sequence[CellRow]) -> None:
        """Write what a simulation says.

        Raises:
            InputError: the disk is full.
        """
        table, path = table_of(rows), self.path(cell)
        schema = SCHEMA.with_metadata({SEAL: _seal(path, table)})
        write_parquet(path, schema, [table])

    def read(self, cell: Cell) -> pa.Table:
        """Read what a simulation says.

        Raises:
            InputError: its file is damaged, or another's.
        """
        path = self.path(cell)
        try:
            table = pq.read_table(path)
            seal = _seal(path, table)
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise InputError(f"{path}: damaged ({one_line(error)}); {REMAKE}") from error
        if table.schema != SCHEMA:
            raise InputError(f"{path}: damaged, it has other columns; {REMAKE}")
        if (table.schema.metadata or {}).get(SEAL.encode()) != seal.encode():
            raise InputError(f"{path}: damaged, its rows are not those that were written; {REMAKE}")
        return table.replace_schema_metadata(None)


def _seal(path: Path, table: pa.Table) -> str:
    """Return a digest of a simulation's rows and of what they are of, which its name says.

    So neither a bit that changed nor a file under the name of another goes into the results.
    """
    digest = hashlib.blake2b(path.name.encode(), digest_size=DIGEST_BYTES)
    for column in table.columns:
        values = column.combine_chunks()
        if pa.types.is_string(values.type):
            encoded = values.dictionary_encode()
            digest.update(json.dumps(encoded.dictionary.to_pylist()).encode())
            values = encoded.indices
        for array in (values.is_valid(), values.fill_null(0)):
            digest.update(array.to_numpy(zero_copy_only=False).tobytes())
    return digest.hexdigest()


def table_of(rows: Sequence[CellRow]) -> pa.Table:
    """Return rows as a table of `SCHEMA`."""
    columns = zip(*rows, strict=True)
    arrays = [
        pa.array(list(values), field.type) for values, field in zip(columns, SCHEMA, strict=True)
    ]
    return pa.table(arrays, schema=SCHEMA)


def failure(outcomes: Sequence[str], status: str, kind: str, message: str) -> list[CellRow]:
    """Return the rows of a simulation that failed: one for each outcome."""
    text = " ".join(message.split())[:LONGEST_MESSAGE]
    return [CellRow("", name, "", None, None, None, status, kind, text) for name in outcomes]


def is_undefined(group: str, error_type: str) -> bool:
    """Say whether a row without a value is about a group of nobody, which is no failure."""
    return group != "" and error_type == "ArithmeticError"
