"""What the USDA publishes: households on SNAP and what they get, a fiscal year by states."""

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from localcal.database.agencies.figures import Published
from localcal.database.agencies.raw import REMEDY, refuse_other_states
from localcal.errors import InputError, one_line

SOURCE = "USDA FNS SNAP"
REGIONS = ("NERO", "MARO", "SERO", "MWRO", "SWRO", "MPRO", "WRO")
# The columns of households and of dollars; their names take three merged lines.
HOUSEHOLDS, DOLLARS = 1, 3


def snap_figures(path: Path, period: int, states: dict[str, str]) -> Iterator[Published]:
    """Yield mean monthly households on SNAP and a year's benefits of nation and states.

    Args:
        path: the zip of workbooks, one a fiscal year.
        period: the fiscal year.
        states: code of every state by its name.
    """
    found: dict[str, tuple[float, float]] = {}
    for state, place, cells in _totals(path, f"FY{period % 100:02}.xlsx"):
        if state not in states:
            continue
        code = states[state]
        if code in found:
            raise InputError(f"{place}: {state} comes twice; {REMEDY}")
        numbers = [cells[column] for column in (HOUSEHOLDS, DOLLARS)]
        if not all(isinstance(n, int | float) and n > 0 for n in numbers):
            raise InputError(f"{place}: {state} has {numbers}, expected two numbers; {REMEDY}")
        found[code] = (float(numbers[0]), float(numbers[1]))
    refuse_other_states(SOURCE, path, [int(code) for code in found])
    # The file's own sum has Guam and the Virgin Islands in it.
    nation = tuple(sum(column) for column in zip(*found.values(), strict=True))
    rows = [("nation", "US", nation, "sum over the 50 states and DC")]
    rows += [("state", code, found[code], "") for code in sorted(found, key=int)]
    for level, code, (households, dollars), notes in rows:
        for variable, value in (("household_count", households), ("snap", dollars)):
            yield Published(level, code, variable, period, "snap>0", value, SOURCE, notes=notes)


def _totals(path: Path, workbook: str) -> Iterator[tuple[str, str, tuple]]:
    """Yield the area, the place and the cells of every line with a year's totals."""
    # The Snakefile imports this module for its name; the library takes a while.
    import openpyxl

    try:
        with zipfile.ZipFile(path) as archive, archive.open(workbook) as file:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            sheets = {name: list(book[name].iter_rows(values_only=True)) for name in REGIONS}
    # Of the last two: what is wrong inside the workbook, which is a zip of XML itself.
    except (
        OSError,
        zipfile.BadZipFile,
        zlib.error,
        KeyError,
        EOFError,
        ValueError,
        SyntaxError,
    ) as error:
        raise InputError(
            f"{SOURCE}: {path}: expected a zip that holds {workbook} with the sheets "
            f"{', '.join(REGIONS)}, found none ({one_line(error)}); {REMEDY}"
        ) from error
    for name, rows in sheets.items():
        yield from _totals_of_sheet(f"{SOURCE}: {path}: {workbook}: sheet {name}", rows)


def _totals_of_sheet(place: str, rows: Iterable[tuple]) -> Iterator[tuple[str, str, tuple]]:
    area = ""
    for line, cells in enumerate(rows, 1):
        words = cells[0].strip() if cells and isinstance(cells[0], str) else ""
        if words == "Total":
            yield area, f"{place}: row {line}", cells
        # An area's name stands alone above its months.
        elif words and not any(cells[1:]):
            area = words
