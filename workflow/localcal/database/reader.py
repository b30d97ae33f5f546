"""Target databases: SQLite files with the tables strata, stratum_constraints and targets.

Only these tables are read. Other programs keep views in the same file that give a target's level
and domain, but their definitions changed over time, so both are worked out here from the
constraints. A database is never written to, not even its side files.
"""

import contextlib
import hashlib
import math
import shutil
import sqlite3
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from localcal.database.constraints import Constraint, split_geography
from localcal.errors import InputError, one_line
from localcal.files.atomic import atomic_path
from localcal.geography.places import AreaIncome

# The columns read, in the order in which their rows are sorted and digested.
TABLES = {
    "strata": ("stratum_id",),
    "stratum_constraints": ("stratum_id", "constraint_variable", "operation", "value"),
    "targets": (
        "target_id",
        "variable",
        "period",
        "stratum_id",
        "reform_id",
        "value",
        "active",
        "tolerance",
        "source",
    ),
}
# What else is known of a stratum, but decides no target.
STRATUM_COLUMNS = ("stratum_id", "definition_hash", "parent_stratum_id")
# Sorting the largest table takes seconds; what takes this long was made to.
SECONDS_TO_READ = 600.0
STEPS_BETWEEN_LOOKS = 100_000
# Columns that databases may lack; nothing is known then.
OPTIONAL = ("tolerance", "source", *STRATUM_COLUMNS[1:])
# Columns that say nothing to a program.
SILENT = ("notes",)
# A write-ahead log or a rollback journal with something in it changes what the database says.
SIDE_FILES = ("-wal", "-journal")
# Which returns count as a target's population, not what they have: no domain of its own.
FILER_VARIABLE = "tax_unit_is_filer"
INCOME_VARIABLE = "adjusted_gross_income"


class _Target(NamedTuple):
    """One row of the table targets, values checked."""

    target_id: int
    variable: str
    period: int
    stratum_id: int
    reform_id: int
    value: float
    tolerance: float
    source: str


# Of a table of targets: the cells read, then what its stratum says, then how to call the row.
TARGET_COLUMNS = [
    *_Target._fields,
    "geo_level",
    "geographic_id",
    "domain_variable",
    "constraints",
    "label",
]


class TargetRow(Protocol):
    """One row of what `read_targets_table` returns."""

    @property
    def target_id(self) -> int: ...

    @property
    def stratum_id(self) -> int: ...

    @property
    def variable(self) -> str: ...

    @property
    def reform_id(self) -> int: ...

    @property
    def period(self) -> int: ...

    @property
    def value(self) -> float: ...

    @property
    def geo_level(self) -> str: ...

    @property
    def geographic_id(self) -> str: ...

    @property
    def constraints(self) -> tuple[Constraint, ...]: ...

    @property
    def label(self) -> str: ...


def target_rows(table: pd.DataFrame) -> Iterator[TargetRow]:
    """Yield the rows of a table that `read_targets_table` returned, or of a part of it."""
    # A data frame does not know its columns' types.
    rows: Iterator[Any] = iter(table.itertuples())
    return rows


def read_targets_table(path: str | Path) -> pd.DataFrame:
    """Read the active targets with their constraints.

    Returns:
        One row per active target, by target_id: target_id, stratum_id, variable, reform_id,
        period, value, tolerance (NaN if none), source ('' if none), geo_level, geographic_id,
        domain_variable, constraints (sorted tuple of `Constraint`, geography left out) and label
        (what messages call it).

    Raises:
        InputError: the file is missing or no target database; no target is active; a target's
            cell is empty or of the wrong kind, its stratum is missing, or its place is none.
    """
    path = Path(path)
    with open_database(path) as connection:
        stratum_ids = {row[0] for row in rows_of(connection, "strata")}
        constraints = read_constraints(path, connection)
        targets = list(_active_targets(path, connection))
    if not targets:
        raise InputError(f"{path}: no target is active; set active to 1 for those to use")
    for target in targets:
        if target.stratum_id not in stratum_ids:
            raise InputError(
                f"{path}: target {target.target_id}: its stratum {target.stratum_id} is missing "
                "from table strata; restore the stratum or set the target's active to 0"
            )
    table = pd.DataFrame(targets, columns=list(_Target._fields))
    places = {
        stratum: split_geography(f"{path}: stratum {stratum}", constraints.get(stratum, ()))
        for stratum in sorted(set(table["stratum_id"].tolist()))
    }
    of_target = [places[stratum] for stratum in table["stratum_id"].tolist()]
    table["geo_level"] = [level for level, _, _ in of_target]
    table["geographic_id"] = [area for _, area, _ in of_target]
    table["domain_variable"] = [domain_of(rest) for _, _, rest in of_target]
    table["constraints"] = pd.Series([rest for _, _, rest in of_target], dtype=object)
    table["label"] = [f"{path}: target {target.target_id}" for target in targets]
    return table[TARGET_COLUMNS]


def inactive_targets(path: str | Path) -> Counter[tuple[str, str]]:
    """Count the targets that are switched off, by variable and what the database notes of them.

    Raises:
        InputError: the file is missing or no target database.
    """
    with open_database(Path(path)) as connection:
        notes = "notes" if "notes" in columns_of(connection, "targets") else "NULL"
        rows = connection.execute(f"SELECT variable, {notes} FROM targets WHERE NOT active")
        return Counter((str(variable), str(note or "")) for variable, note in rows)


def domain_of(constraints: Iterable[Constraint]) -> str:
    """Return the constrained variables without geography and filing, sorted, comma-joined."""
    return ",".join(sorted({c.variable for c in constraints} - {FILER_VARIABLE}))


def best_period(table: pd.DataFrame, period: int) -> pd.DataFrame:
    """Keep, per stratum, variable and reform, the last period up to `period`, else the first.

    Two rows of the same period are both kept, for the caller to refuse.
    """
    published = table["period"].to_numpy(np.int64)
    # Years before the run by distance; any of them wins over every year after it.
    rank = np.where(published <= period, period - published, published + period)
    key = [table["stratum_id"], table["variable"], table["reform_id"]]
    ranks = pd.Series(rank, index=table.index)
    return table[ranks == ranks.groupby(key).transform("min")]


def copy_database(source: str | Path, destination: str | Path) -> None:
    """Copy a target database, complete or not at all; `source` stays as it is.

    What a write-ahead log holds is in the copy's one file.

    Raises:
        InputError: the file is missing or no target database; the disk is full.
    """
    source = Path(source)
    with open_database(source):
        pass
    with _settled(source) as settled, atomic_path(destination) as part:
        shutil.copyfile(settled, part)


def content_digest(path: str | Path) -> str:
    """Return the SHA-256 of what a target database says, whatever its bytes, views and notes.

    Raises:
        InputError: the file is missing or no target database.
    """
    digest = hashlib.sha256()
    with open_database(Path(path)) as connection:
        for name, columns in TABLES.items():
            digest.update(repr((name, columns)).encode())
            for row in rows_of(connection, name):
                digest.update(repr(tuple(map(_as_number, columns, row))).encode())
    return digest.hexdigest()


def district_income(path: str | Path, period: int) -> AreaIncome:
    """Read the published adjusted gross income of districts and states under current law.

    Of several years the one `best_period` picks is used; filers' income and everybody's both
    count, everybody's first.

    Returns:
        Two dictionaries, either may be empty.

    Raises:
        InputError: as `read_targets_table`; one area has two different incomes.
    """
    table = read_targets_table(path)
    table = table[
        (table["variable"] == INCOME_VARIABLE)
        & (table["reform_id"] == 0)
        & (table["domain_variable"] == "")
    ]
    table = best_period(table, period)
    by_level: dict[str, dict[int, float]] = {"district": {}, "state": {}}
    unfiltered: dict[tuple[str, int], bool] = {}
    for row in target_rows(table):
        if row.geo_level == "nation":
            continue
        area = int(row.geographic_id)
        key = (row.geo_level, area)
        everybody = not row.constraints
        if key in unfiltered and unfiltered[key] == everybody:
            raise InputError(
                f"{path}: {row.geo_level} {area} has two active targets for {INCOME_VARIABLE} "
                f"(one is target {row.target_id}); set active to 0 for one of them"
            )
        if everybody or key not in unfiltered:
            by_level[row.geo_level][area] = row.value
            unfiltered[key] = everybody
    return AreaIncome(districts=by_level["district"], states=by_level["state"])


@contextlib.contextmanager
def open_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open for reading, with the tables checked; SQLite's own errors become InputError."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a target database")
    try:
        with _settled(path) as settled:
            # immutable: SQLite would otherwise create side files next to a database in
            # write-ahead mode, and fail where the folder is read-only.
            address = settled.resolve().as_uri() + "?mode=ro&immutable=1"
            with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
                deadline = time.monotonic() + SECONDS_TO_READ
                connection.set_progress_handler(
                    lambda: time.monotonic() > deadline, STEPS_BETWEEN_LOOKS
                )
                _check_tables(path, connection)
                yield connection
    # Texts that are none get it into trouble when it says so.
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read as a SQLite database ({one_line(error)}); restore the file or "
            "fetch it again"
        ) from error


@contextlib.contextmanager
def _settled(path: Path) -> Iterator[Path]:
    """Yield a file that says everything the database says without its side files.

    It is the database itself, or a temporary copy with the side files worked in.
    """
    path = path.resolve()
    side_files = [Path(f"{path}{suffix}") for suffix in SIDE_FILES]
    side_files = [file for file in side_files if file.is_file() and file.stat().st_size]
    if not side_files:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        for file in (path, *side_files):
            shutil.copyfile(file, Path(folder, file.name))
        copy = Path(folder, path.name)
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE").fetchall()
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        yield copy


def _check_tables(path: Path, connection: sqlite3.Connection) -> None:
    for name, columns in TABLES.items():
        _refuse_views(path, name, connection)
        found = columns_of(connection, name)
        if not found:
            raise InputError(
                f"{path}: table {name} is missing; give a target database with the tables "
                f"{', '.join(TABLES)}"
            )
        missing = [column for column in columns if column not in found and column not in OPTIONAL]
        if missing:
            others = sorted(found - _known_columns(name))
            has = f" and has {', '.join(others)}, which are not known" if others else ""
            raise InputError(
                f"{path}: table {name} lacks the columns {', '.join(missing)}{has}; rebuild the "
                "database with the current schema"
            )


def unknown_columns(connection: sqlite3.Connection) -> list[str]:
    """Return the columns of the tables read that are not known, as `table.column`."""
    return [
        f"{name}.{row[1]}"
        for name in TABLES
        for row in connection.execute(f"PRAGMA table_info({name})")
        if row[1] not in _known_columns(name)
    ]


def _known_columns(name: str) -> set[str]:
    return {*TABLES[name], *SILENT, *(STRATUM_COLUMNS if name == "strata" else ())}


def _refuse_views(path: Path, name: str, connection: sqlite3.Connection) -> None:
    """Refuse what only looks like a table, and computes whatever it was made to.

    Views and virtual tables have no page of their own in the file.
    """
    found = "SELECT type, rootpage FROM sqlite_master WHERE name = ? COLLATE NOCASE"
    for kind, page in connection.execute(found, (name,)):
        if kind != "table" or not page:
            raise InputError(
                f"{path}: {name} is a {'virtual table' if kind == 'table' else kind}; give a "
                "target database where it is a table"
            )


def columns_of(connection: sqlite3.Connection, table: str) -> set[str]:
    """Return the names of a table's columns, none if there is no such table."""
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def rows_of(
    connection: sqlite3.Connection, name: str, wanted: Sequence[str] | None = None
) -> sqlite3.Cursor:
    """Return the rows of a table, sorted, NULL where the database lacks an optional column."""
    wanted = TABLES[name] if wanted is None else wanted
    found = columns_of(connection, name)
    columns = ", ".join(
        f"NULL AS {column}" if column in OPTIONAL and column not in found else column
        for column in wanted
    )
    return connection.execute(f"SELECT {columns} FROM {name} ORDER BY {', '.join(wanted)}")


def _as_number(column: str, cell: object) -> object:
    # The same number is an int or a float, depending on how the column was declared.
    if column in ("value", "tolerance") and isinstance(cell, int):
        return float(cell)
    return cell


def read_constraints(path: Path, connection: sqlite3.Connection) -> dict[int, list[Constraint]]:
    """Return the constraints of every stratum that has some.

    Raises:
        InputError: a constraint has an empty cell.
    """
    constraints: defaultdict[int, list[Constraint]] = defaultdict(list)
    for stratum_id, *cells in rows_of(connection, "stratum_constraints"):
        if any(cell is None for cell in cells):
            raise InputError(
                f"{path}: stratum {stratum_id}: a constraint has an empty cell; complete or "
                "delete it"
            )
        constraints[stratum_id].append(Constraint(*map(str, cells)))
    return constraints


def _active_targets(path: Path, connection: sqlite3.Connection) -> Iterator[_Target]:
    for row in rows_of(connection, "targets"):
        cells = dict(zip(TABLES["targets"], row, strict=True))
        label = f"{path}: target {cells['target_id']}"
        if cells["active"] not in (0, 1):
            raise InputError(f"{label}: active is {cells['active']!r}; set it to 0 or 1")
        if cells["active"]:
            yield _checked_target(label, cells)


def _checked_target(label: str, cells: Mapping[str, Any]) -> _Target:
    integers: dict[str, int] = {}
    for name in ("target_id", "period", "stratum_id", "reform_id"):
        if not isinstance(cells[name], int):
            raise InputError(f"{label}: {name} is {cells[name]!r}; give an integer")
        integers[name] = cells[name]
    variable = cells["variable"]
    if not isinstance(variable, str) or not variable:
        raise InputError(f"{label}: variable is {variable!r}; give a variable's name")
    value, tolerance, source = cells["value"], cells["tolerance"], cells["source"]
    # SQLite stores NaN as NULL.
    if not _is_finite(value):
        raise InputError(
            f"{label} ({variable}): value is {value!r}; give a finite number or set active to 0"
        )
    if tolerance is not None and not (_is_finite(tolerance) and tolerance >= 0):
        raise InputError(
            f"{label} ({variable}): tolerance is {tolerance!r}; give a percentage or NULL"
        )
    return _Target(
        **integers,
        variable=variable,
        value=float(value),
        tolerance=math.nan if tolerance is None else float(tolerance),
        source="" if source is None else str(source),
    )


def _is_finite(cell: object) -> bool:
    return isinstance(cell, int | float) and math.isfinite(cell)
