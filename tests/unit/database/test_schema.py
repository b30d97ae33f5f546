"""What may stand in a target database, as plain SQL meets it."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from localcal.database.constraints import OPERATIONS, Constraint
from localcal.database.demo import COLUMNS, write_demo_database
from localcal.database.schema import WRITTEN_OPERATIONS, definition_hash, valid_values

AREAS = Path(__file__).parents[3] / "config" / "areas.tsv"
VARIABLES = ["age", "congressional_district_geoid", "snap", "ssi", "state_fips"]
TARGET = "INSERT INTO targets (variable, period, stratum_id, value, source) VALUES "
CONSTRAINT = "INSERT INTO stratum_constraints VALUES "


@pytest.fixture
def connection(tmp_path):
    """A database of one figure of 2019 by somebody, open for writing."""
    rows = [",".join(COLUMNS), "nation,US,snap,2019,snap>0,5,somebody"]
    (tmp_path / "figures.csv").write_text("\n".join(rows) + "\n")
    path = tmp_path / "policy_data.db"
    write_demo_database(tmp_path, AREAS, path, VARIABLES)
    with closing(sqlite3.connect(path)) as opened:
        yield opened


def listed(connection, field: str) -> list[str]:
    found = "SELECT valid_value FROM field_valid_values WHERE field_name = ? ORDER BY 1"
    return [value for (value,) in connection.execute(found, (field,))]


def test_the_table_lists_what_every_checked_column_may_hold(connection):
    assert listed(connection, "operation") == sorted(["==", "!=", ">", ">=", "<", "<="])
    assert listed(connection, "active") == ["0", "1"]
    # Those of PolicyEngine's own databases, and the figure's.
    assert listed(connection, "period") == ["2019", "2022", "2023", "2024", "2025"]
    assert listed(connection, "source") == ["somebody"]
    assert listed(connection, "constraint_variable") == sorted([*VARIABLES, "ucgid_str"])
    counts = {f"{entity}_count" for entity in ("person", "household", "tax_unit", "spm_unit")}
    assert counts <= set(listed(connection, "variable"))
    assert set(VARIABLES) <= set(listed(connection, "variable"))
    primary = connection.execute("PRAGMA table_info(field_valid_values)").fetchall()
    assert [(row[1], bool(row[5])) for row in primary] == [
        ("field_name", True),
        ("valid_value", True),
        ("description", False),
    ]


def test_every_operation_but_the_second_spelling_of_equality_may_be_written():
    assert set(WRITTEN_OPERATIONS) == set(OPERATIONS) - {"="}


@pytest.mark.parametrize(
    "statement",
    [
        TARGET + "('ssi', 2024, 1, 7.5, 'somebody')",
        TARGET + "('person_count', 2019, 1, NULL, NULL)",
        CONSTRAINT + "(1, 'ucgid_str', '==', '0100000US', NULL)",
        "UPDATE targets SET active = 0, value = 6",
        "UPDATE stratum_constraints SET operation = '>=' WHERE constraint_variable = 'snap'",
    ],
)
def test_what_is_well_formed_can_be_written(connection, statement):
    assert connection.execute(statement).rowcount == 1


@pytest.mark.parametrize(
    ("statement", "column"),
    [
        (TARGET + "('ssl', 2024, 1, 7.5, 'somebody')", "variable"),
        (TARGET + "('ucgid_str', 2024, 1, 7.5, 'somebody')", "variable"),
        (TARGET + "('ssi', 1924, 1, 7.5, 'somebody')", "period"),
        (TARGET + "('ssi', 2024, 1, 7.5, 'nobody')", "source"),
        (TARGET + "('ssi', 2024, 1, 7.5, '')", "source"),
        (
            "INSERT INTO targets (variable, period, stratum_id, active) VALUES ('ssi', 2024, 1, 2)",
            "active",
        ),
        (CONSTRAINT + "(1, 'age', '=', '5', NULL)", "operation"),
        (CONSTRAINT + "(1, 'age', 'in', '5|6', NULL)", "operation"),
        (CONSTRAINT + "(1, 'person_count', '==', '5', NULL)", "constraint_variable"),
        ("UPDATE targets SET variable = 'ssl'", "variable"),
        ("UPDATE targets SET period = 1924", "period"),
        ("UPDATE targets SET source = 'nobody'", "source"),
        ("UPDATE targets SET active = 2", "active"),
        ("UPDATE stratum_constraints SET operation = '~'", "operation"),
        ("UPDATE stratum_constraints SET constraint_variable = 'aeg'", "constraint_variable"),
    ],
)
def test_what_is_not_listed_cannot_be_written(connection, statement, column):
    with pytest.raises(sqlite3.IntegrityError, match=f"^{column} is none of those"):
        connection.execute(statement)


def test_there_are_four_triggers(connection):
    found = connection.execute(
        "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
    ).fetchall()
    events = [(table, sql.split(" ON ")[0].rpartition("BEFORE ")[2]) for table, sql in found]
    assert events == [
        ("stratum_constraints", "INSERT"),
        ("stratum_constraints", "UPDATE"),
        ("targets", "INSERT"),
        ("targets", "UPDATE"),
    ]


def test_the_order_of_what_is_listed_is_that_of_its_names():
    mixed = valid_values(["b", "a"], [2030, 2001], ["z", "", "y"])
    assert mixed == valid_values(["a", "b"], [2001, 2030], ["y", "z"])
    assert mixed == sorted(mixed)


def test_a_stratum_is_named_by_the_hash_of_its_definition():
    constraints = (Constraint("state_fips", "==", "6"), Constraint("age", "<", "20"))
    text = "7\nage|<|20\nstate_fips|==|6"
    assert definition_hash(7, constraints) == hashlib.sha256(text.encode()).hexdigest()
    assert definition_hash(7, ()) == hashlib.sha256(b"7").hexdigest()
    assert definition_hash(None, ()) == hashlib.sha256(b"").hexdigest()
