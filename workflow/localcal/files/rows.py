"""Rows of text tables, each with the line it stands in.

Imported while the Snakefile is parsed, so nothing here is slow to import.
"""

import csv
from collections.abc import Collection, Iterator
from pathlib import Path

from localcal.errors import InputError, one_line

# A number as tables write it: with a decimal point, and nothing between the digits.
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"


def read_rows(
    path: str | Path, columns: Collection[str], delimiter: str = ",", remedy: str = "correct it"
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of a table in UTF-8 with the words that say where each stands.

    Args:
        path: the file; a byte order mark is allowed.
        columns: what it must have; it may have more.
        delimiter: what separates the fields.
        remedy: what to do if it cannot be read.

    Raises:
        InputError: the file is missing or no such table, lacks a column, or a row has more or
            fewer fields than the first line has names.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, delimiter=delimiter, strict=True)
            names = table.fieldnames or ()
            missing = [name for name in columns if name not in names]
            if missing:
                raise InputError(
                    f"{path}: has no column {missing[0]!r}, it needs {', '.join(columns)}; {remedy}"
                )
            for row in table:
                place = f"{path}: line {table.line_num}"
                # Where DictReader puts fields too many, and what it fills in for those it lacks.
                if None in row or None in row.values():
                    raise InputError(
                        f"{place} does not have {len(names)} fields, as the first line has; "
                        f"{remedy}"
                    )
                yield place, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a table ({one_line(error)}); {remedy}") from (
            error
        )
