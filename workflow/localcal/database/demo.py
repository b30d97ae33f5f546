"""Build a target database from tables of published figures.

The database has the schema of PolicyEngine's policy_data.db, so that one reader serves both. Every
row of every table becomes one target; what a table does not hold, the database does not hold.
"""

import errno
import math
import re
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from localcal.database.constraints import (
    Constraint,
    check_constraints,
    constraints_in,
    place_constraints,
)
from localcal.database.schema import (
    COUNTS,
    PAGE_SIZE,
    SCHEMA,
    VALID_VALUES,
    definition_hash,
    triggers,
    valid_values,
)
from localcal.errors import InputError, near
from localcal.files.atomic import atomic_path
from localcal.files.rows import read_rows
from localcal.geography.areas import Area, read_areas
from localcal.geography.codes import TARGET_LEVELS, level_named

COLUMNS = ("geo_level", "code", "variable", "period", "constraints", "value", "source")
# What else a table may have; a row may leave it empty.
OPTIONAL_COLUMNS = ("tolerance", "reform_id", "notes", "active")


class Figure(NamedTuple):
    """One published figure: a row of a table, checked."""

    place: str  # where the row stands, for messages
    geo_level: str
    code: str
    variable: str
    period: int
    constraints: tuple[Constraint, ...]
    value: float
    source: str
    reform_id: int
    active: int
    tolerance: float | None
    notes: str | None


def write_demo_database(
    published: Path | Sequence[str],
    areas: Path,
    path: Path,
    variables: Collection[str] | None = None,
) -> None:
    """Write the target database at `path` from tables of published figures.

    The same tables and variables give the same bytes. Strata are numbered nation first, then states
    and districts in the order of the areas' table, then those of the figures as they come.

    Args:
        published: folder of CSV tables with the columns COLUMNS and maybe OPTIONAL_COLUMNS, or
            such tables. `code` is US, a state's FIPS code or a district's code (state * 100 +
            district); `constraints` holds conditions such as `age>4;age<10`; dollars and numbers
            of units in `value`; a margin in per cent in `tolerance`.
        areas: table of the areas, tab-separated.
        path: the SQLite database to write.
        variables: names of all variables of the model, for the table `field_valid_values`; None
            lists those of the figures, whether or not a model has them.

    Raises:
        InputError: a table is missing, or a row in it is unreadable, unknown, a duplicate, about
            a variable that the model lacks, or of constraints that contradict each other.
    """
    codes = _codes(areas)
    figures = _read_figures(published, codes)
    if variables is not None:
        _refuse_unknown(figures, variables)
    else:
        variables = {name for figure in figures for name in _variables_of(figure)}
    values = valid_values(
        variables,
        {figure.period for figure in figures},
        {figure.source for figure in figures},
    )
    with atomic_path(path) as part, closing(sqlite3.connect(part)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        # The temporary file is thrown away whole, so a journal would only be left lying about.
        connection.execute("PRAGMA journal_mode = OFF")
        try:
            connection.executescript(SCHEMA + VALID_VALUES)
            with connection:
                connection.executemany("INSERT INTO field_valid_values VALUES (?, ?, ?)", values)
                # From here on they look at what is written here, too.
                for trigger in triggers():
                    connection.execute(trigger)
                _fill(connection, codes, figures)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            raise OSError(errno.ENOSPC, str(error)) from error


def _codes(areas: Path) -> dict[str, dict[str, str]]:
    """Return, by level, the name of every area that targets may be about, by its code."""
    codes: dict[str, dict[str, str]] = {level: {} for level in TARGET_LEVELS}
    for area in read_areas(areas):
        if area.level not in codes:
            continue
        # A stratum's parent must come before it.
        if not _has_parent(area, codes):
            raise InputError(
                f"{areas}: {area.code!r} does not belong among the {area.folder} so far; list the "
                "nation as US, then the states by FIPS code, then their districts as state * 100 "
                "+ district"
            )
        codes[area.level][area.code] = area.name
    return codes


def _has_parent(area: Area, codes: dict[str, dict[str, str]]) -> bool:
    if area.level == "nation":
        return area.code == "US"
    return "US" in codes["nation"] if area.level == "state" else str(area.state) in codes["state"]


def _read_figures(
    published: Path | Sequence[str], codes: dict[str, dict[str, str]]
) -> list[Figure]:
    tables: Sequence[Path | str] = (
        sorted(published.glob("*.csv")) if isinstance(published, Path) else published
    )
    if not tables:
        raise InputError(f"{published}: no table of published figures (*.csv); name their folder")
    figures: list[Figure] = []
    seen: dict[tuple, str] = {}
    for table in tables:
        for place, row in read_rows(table, COLUMNS):
            figure = _parse(place, row, codes)
            key = (*figure[1:5], tuple(sorted(figure.constraints)), figure.reform_id)
            if key in seen:
                raise InputError(f"{place}: says the same as {seen[key]}; remove one of them")
            seen[key] = place
            figures.append(figure)
    return figures


def _variables_of(figure: Figure) -> list[str]:
    return [figure.variable, *(constraint.variable for constraint in figure.constraints)]


def _refuse_unknown(figures: list[Figure], variables: Collection[str]) -> None:
    known = frozenset(variables)
    for figure in figures:
        for name in _variables_of(figure):
            counts = COUNTS if name == figure.variable else ()
            if name not in known and name not in counts:
                raise InputError(
                    f"{figure.place}: the model has no variable {name!r}"
                    f"{near(name, [*known, *counts])}; correct it or take the row out of the table"
                )


def _parse(place: str, row: dict[str, str], codes: dict[str, dict[str, str]]) -> Figure:
    level, code = level_named(row["geo_level"]), row["code"]
    if level not in TARGET_LEVELS:
        raise InputError(f"{place}: unknown geo_level {level!r}; use {', '.join(TARGET_LEVELS)}")
    if code not in codes[level]:
        raise InputError(f"{place}: no {level} has the code {code!r}; see the table of areas")
    if not re.fullmatch("[a-z][a-z0-9_]*", row["variable"]):
        raise InputError(f"{place}: {row['variable']!r} is no variable; name one of the model")
    if not re.fullmatch("[0-9]{4}", row["period"]):
        raise InputError(f"{place}: {row['period']!r} is no year; give four digits")
    try:
        value = float(row["value"])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{place}: {row['value']!r} is no number; give the published value")
    constraints = constraints_in(place, row["constraints"])
    check_constraints(place, constraints)
    return Figure(
        place=place,
        geo_level=level,
        code=code,
        variable=row["variable"],
        period=int(row["period"]),
        constraints=constraints,
        value=value,
        source=row["source"],
        **_parse_optional(place, row),
    )


def _parse_optional(place: str, row: dict[str, str]) -> dict[str, Any]:
    """Return what a table need not have; empty is what the database has without it."""
    tolerance, reform_id, notes, active = (row.get(name) or "" for name in OPTIONAL_COLUMNS)
    if not re.fullmatch("[0-9]*", reform_id):
        raise InputError(f"{place}: reform_id is {reform_id!r}; give a whole number, 0 for none")
    if active not in ("", "0", "1"):
        raise InputError(f"{place}: active is {active!r}; give 0 or 1")
    try:
        percent = float(tolerance) if tolerance else None
    except ValueError:
        percent = math.nan
    if percent is not None and not 0 <= percent < math.inf:
        raise InputError(f"{place}: tolerance is {tolerance!r}; give a percentage, or nothing")
    return {
        "reform_id": int(reform_id or 0),
        "active": int(active or 1),
        "tolerance": percent,
        "notes": notes or None,
    }


class _Strata:
    """The strata written so far; adding one that exists returns its number."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._ids: dict[str, int] = {}

    def add(self, parent: int | None, constraints: tuple[Constraint, ...], notes: str) -> int:
        digest = definition_hash(parent, constraints)
        if digest not in self._ids:
            self._ids[digest] = stratum = len(self._ids) + 1
            self._connection.execute(
                "INSERT INTO strata VALUES (?, ?, ?, ?)", (stratum, digest, parent, notes)
            )
            self._connection.executemany(
                "INSERT INTO stratum_constraints VALUES (?, ?, ?, ?, NULL)",
                [(stratum, *constraint) for constraint in sorted(constraints)],
            )
        return self._ids[digest]


def _fill(
    connection: sqlite3.Connection, codes: dict[str, dict[str, str]], figures: list[Figure]
) -> None:
    strata = _Strata(connection)
    places: dict[tuple[str, str], int] = {}
    for level, names in codes.items():
        for code, name in names.items():
            parent = _parent_of_place(level, code, places)
            places[level, code] = strata.add(parent, place_constraints(level, code), name)
    for figure in figures:
        stratum = places[figure.geo_level, figure.code]
        if figure.constraints:
            inherited = place_constraints(figure.geo_level, figure.code)
            notes = f"{codes[figure.geo_level][figure.code]}: " + ", ".join(
                map(str, figure.constraints)
            )
            stratum = strata.add(stratum, inherited + figure.constraints, notes)
        connection.execute(
            "INSERT INTO targets (variable, period, stratum_id, reform_id, value, active, "
            "tolerance, source, notes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                figure.variable,
                figure.period,
                stratum,
                figure.reform_id,
                figure.value,
                figure.active,
                figure.tolerance,
                figure.source,
                figure.notes,
            ),
        )


def _parent_of_place(level: str, code: str, places: dict[tuple[str, str], int]) -> int | None:
    if level == "nation":
        return None
    if level == "state":
        return places["nation", "US"]
    return places["state", str(int(code) // 100)]
