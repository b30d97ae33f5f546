"""Write small target databases of the schema that users have, for tests."""

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

SCHEMA = """
CREATE TABLE strata (
    stratum_id INTEGER PRIMARY KEY,
    definition_hash VARCHAR(64) NOT NULL UNIQUE,
    parent_stratum_id INTEGER REFERENCES strata (stratum_id),
    notes VARCHAR
);
CREATE TABLE stratum_constraints (
    stratum_id INTEGER NOT NULL REFERENCES strata (stratum_id),
    constraint_variable VARCHAR NOT NULL,
    operation VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    notes VARCHAR,
    PRIMARY KEY (stratum_id, constraint_variable, operation)
);
CREATE TABLE targets (
    target_id INTEGER PRIMARY KEY,
    variable VARCHAR NOT NULL,
    period INTEGER NOT NULL,
    stratum_id INTEGER NOT NULL REFERENCES strata (stratum_id),
    reform_id INTEGER NOT NULL DEFAULT 0,
    value FLOAT,
    active BOOLEAN NOT NULL DEFAULT 1,
    tolerance FLOAT,
    source VARCHAR,
    notes VARCHAR,
    UNIQUE (variable, period, stratum_id, reform_id)
);
"""

NATION: tuple = ()


def state(fips: int | str) -> tuple:
    """Return the constraint of a state."""
    return (("state_fips", "==", str(fips)),)


def district(geoid: int | str) -> tuple:
    """Return the constraint of a district."""
    return (("congressional_district_geoid", "==", str(geoid)),)


def write_database(
    path: Path,
    targets: Iterable[Mapping[str, object]],
    strata: Mapping[int, tuple] | None = None,
) -> Path:
    """Write a database and return its path.

    Args:
        path: the file to write; an old one is replaced.
        targets: per target its cells by column; target_id counts from 1 where left out, period
            is 2024. Without stratum_id the stratum is that of `constraints`, a tuple of
            (variable, operation, value), none for the nation; equal tuples share a stratum.
        strata: strata with ids of the caller's choice, as tuples of constraints.
    """
    strata = dict(strata or {})
    rows = []
    for number, target in enumerate(targets, start=1):
        row = {"target_id": number, "period": 2024, **target}
        constraints = tuple(row.pop("constraints", NATION))
        if "stratum_id" not in row:
            row["stratum_id"] = _stratum(strata, constraints)
        rows.append(row)
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        for stratum_id, constraints in strata.items():
            connection.execute(
                "INSERT INTO strata (stratum_id, definition_hash) VALUES (?, ?)",
                (stratum_id, f"{stratum_id:064d}"),
            )
            connection.executemany(
                "INSERT INTO stratum_constraints (stratum_id, constraint_variable, operation, "
                "value) VALUES (?, ?, ?, ?)",
                [(stratum_id, *constraint) for constraint in constraints],
            )
        for row in rows:
            marks = ", ".join("?" * len(row))
            connection.execute(
                f"INSERT INTO targets ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
            )
    return path


def change_database(path: Path, *statements: str) -> None:
    """Run SQL statements on a database, foreign keys unchecked."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def _stratum(strata: dict[int, tuple], constraints: tuple) -> int:
    for stratum_id, known in strata.items():
        if known == constraints:
            return stratum_id
    stratum_id = max(strata, default=0) + 1
    strata[stratum_id] = constraints
    return stratum_id
