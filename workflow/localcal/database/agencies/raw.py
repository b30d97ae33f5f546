"""The agencies' raw files as tables of text, refused in one line where they are something else."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from localcal.errors import InputError, one_line
from localcal.geography.codes import STATES

REMEDY = "fetch the file again, or compare it with what the agency publishes now"


class Row(NamedTuple):
    """One row of a raw file: where it stands, and its cells by column."""

    place: str
    cells: dict[str, str]

    def number(self, column: str) -> float:
        """Return a cell as a number; thousands may be set apart by commas.

        Raises:
            InputError: the cell is empty, suppressed, or no number.
        """
        text = self.cells[column]
        try:
            number = float(text.replace(",", ""))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InputError(
                f"{self.place}: column {column} is {text!r}, expected a number; {REMEDY}"
            )
        return number

    def whole(self, column: str) -> int:
        """Return a cell as a whole number of at least 0, such as a code.

        Raises:
            InputError: it is none.
        """
        text = self.cells[column].strip()
        if not (text.isascii() and text.isdecimal()):
            raise InputError(
                f"{self.place}: column {column} is {text!r}, expected a whole number; {REMEDY}"
            )
        return int(text)


def read_json_rows(source: str, path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of an answer of the Census API: lists, of which the first has the names."""
    table = _json(source, path)
    if not isinstance(table, list) or not table or not all(isinstance(r, list) for r in table):
        raise InputError(f"{source}: {path}: is no list of lists; {REMEDY}")
    names = table[0]
    _refuse_missing(source, path, columns, names)
    for index, row in enumerate(table[1:], 2):
        place = f"{source}: {path}: row {index}"
        if len(row) != len(names):
            raise InputError(f"{place}: has {len(row)} cells, expected {len(names)}; {REMEDY}")
        cells = dict(zip(names, row, strict=True))
        yield Row(place, {c: "" if cells[c] is None else str(cells[c]) for c in columns})


def read_json_records(source: str, path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a list of objects, each of which has its names."""
    records = _json(source, path)
    if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
        raise InputError(f"{source}: {path}: is no list of records; {REMEDY}")
    for index, record in enumerate(records, 1):
        place = f"{source}: {path}: record {index}"
        for column in columns:
            if column not in record:
                raise InputError(f"{place}: has no {column}; {REMEDY}")
        yield Row(place, {c: "" if record[c] is None else str(record[c]) for c in columns})


def read_csv_rows(
    source: str, path: Path, columns: Sequence[str], upper: bool = False
) -> Iterator[Row]:
    """Yield the rows of a table with commas.

    Args:
        source: who is named in messages.
        path: the file.
        columns: what it must have.
        upper: take the names in capitals, where the agency writes them now so, now so.

    Raises:
        InputError: the file is no such table, lacks a column, or a row has more or fewer cells.
    """
    table = csv.DictReader(io.StringIO(_text(source, path), newline=""), strict=True)
    try:
        names = list(table.fieldnames or ())
        if upper:
            table.fieldnames = names = [name.upper() for name in names]
        _refuse_missing(source, path, columns, names)
        for row in table:
            place = f"{source}: {path}: line {table.line_num}"
            if None in row or None in row.values():
                raise InputError(f"{place}: does not have {len(names)} cells; {REMEDY}")
            yield Row(place, {column: row[column] for column in columns})
    except csv.Error as error:
        raise _unreadable(source, path, "a table", error) from error


def refuse_other_states(source: str, path: Path, found: Sequence[int]) -> None:
    """Refuse a file that does not have each of the 50 states and DC once."""
    if sorted(found) != list(STATES):
        missing = sorted(set(STATES) - set(found))
        doubled = sorted({state for state in found if found.count(state) > 1})
        raise InputError(
            f"{source}: {path}: has {len(found)} states, expected {len(STATES)} "
            f"(missing FIPS codes: {missing}, twice: {doubled}); {REMEDY}"
        )


def _json(source: str, path: Path) -> Any:
    try:
        return json.loads(_text(source, path))
    except (ValueError, RecursionError) as error:
        raise _unreadable(source, path, "JSON", error) from error


def _text(source: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(source, path, "text in UTF-8", error) from error
    # What a server says instead of the file when it has none.
    if text.lstrip()[:1] == "<":
        raise InputError(f"{source}: {path}: is a web page, expected the agency's table; {REMEDY}")
    return text


def _refuse_missing(source: str, path: Path, columns: Sequence[str], names: Sequence[str]) -> None:
    for column in columns:
        if column not in names:
            raise InputError(
                f"{source}: {path}: has no column {column}, found {', '.join(map(str, names[:8]))} "
                f"and so on; {REMEDY}"
            )
        if names.count(column) > 1:
            raise InputError(f"{source}: {path}: has the column {column} twice; {REMEDY}")


def _unreadable(source: str, path: Path, expected: str, error: Exception) -> InputError:
    return InputError(f"{source}: {path}: is not {expected} ({one_line(error)}); {REMEDY}")
