"""Each fault of a target database is found by its check, and by no other."""

import csv
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from localcal.database.agencies.figures import Published, write_figures
from localcal.database.checks import Finding, check_database, validate_database
from localcal.database.constraints import Constraint
from localcal.database.demo import write_demo_database
from localcal.database.schema import definition_hash
from localcal.errors import InputError
from localcal.geography.areas import read_areas
from tests.database_factory import NATION, change_database, district, state, write_database

AREAS = Path(__file__).parents[3] / "config" / "areas.tsv"
KNOWN = ("age", "congressional_district_geoid", "salt_deduction", "snap", "ssi", "state_fips")
CHECKS = [
    "schema", "hashes", "parents exist", "parents", "constraints", "variables", "areas",
    "territories", "coverage", "values", "zeros", "periods", "duplicates", "sources", "tables",
    "tax expenditures", "levels",
]  # fmt: skip


def figures() -> list[Published]:
    """Return one total of all areas, and one of the nation, whose levels agree."""
    rows = []
    by_state: dict[str, float] = {}
    for area in read_areas(AREAS):
        if area.level == "district":
            by_state[str(area.state)] = by_state.get(str(area.state), 0.0) + 10.0
            rows.append(Published("district", area.code, "snap", 2024, "snap>0", 10.0, "USDA"))
    rows += [
        Published("state", code, "snap", 2024, "snap>0", value, "USDA")
        for code, value in by_state.items()
    ]
    rows.append(Published("nation", "US", "snap", 2024, "snap>0", 4360.0, "USDA"))
    rows.append(Published("nation", "US", "person_count", 2022, "age>64", 60.0, "Census"))
    rows.append(Published("nation", "US", "salt_deduction", 2024, "", 2.0, "JCT", reform_id=1))
    return rows


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A database with nothing wrong in it, and the tables it is made of, in one folder."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "tables").mkdir()
    rows = figures()
    write_figures(rows[:-2], folder / "tables" / "usda.csv")
    write_figures(rows[-2:], folder / "tables" / "others.csv")
    write_demo_database(folder / "tables", AREAS, folder / "policy_data.db", KNOWN)
    return folder


@pytest.fixture
def broken(built, tmp_path) -> Callable[..., list[Finding]]:
    """Return a function that does something to a copy and returns what is then not right."""

    def look(*statements: str, is_built: bool = True) -> list[Finding]:
        path = tmp_path / "broken.db"
        path.write_bytes((built / "policy_data.db").read_bytes())
        with closing(sqlite3.connect(path)) as connection, connection:
            # Whoever breaks it does not ask the triggers.
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)
        found = check_database(path, KNOWN, is_built, tables_of(built))
        return [finding for finding in found if finding.verdict != "ok"]

    return look


def tables_of(built: Path) -> dict[str, Path]:
    return {path.stem: path for path in (built / "tables").glob("*.csv")}


def stratum(*constraints: str, parent: int = 1, number: int = 9001) -> tuple[str, ...]:
    """Return the statements that add a stratum whose hash is right."""
    parts = tuple(Constraint(*constraint.split()) for constraint in constraints)
    digest = definition_hash(parent, parts)
    return (
        f"INSERT INTO strata VALUES ({number}, '{digest}', {parent}, NULL)",
        *(
            "INSERT INTO stratum_constraints VALUES "
            f"({number}, '{part.variable}', '{part.operation}', '{part.value}', NULL)"
            for part in parts
        ),
    )


def target(variable: str, value: object, number: int = 9001, **cells: object) -> str:
    row = {"variable": variable, "period": 2024, "stratum_id": number, "value": value} | cells
    columns, values = ", ".join(row), ", ".join(map(str, row.values()))
    return f"INSERT INTO targets ({columns}) VALUES ({values})".replace(
        variable, f"'{variable}'", 1
    )


def rows_in(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_of_a_whole_database_every_check_says_that_it_is_right(built):
    found = list(check_database(built / "policy_data.db", KNOWN, True, tables_of(built)))
    assert {finding.verdict for finding in found} == {"ok"}
    assert list(dict.fromkeys(finding.check for finding in found)) == CHECKS
    by_check = {check: [finding for finding in found if finding.check == check] for check in CHECKS}
    counted = [(f.level, f.found, f.expected) for f in by_check["areas"]]
    assert counted == [("state", 51, 51), ("district", 436, 436)]
    # The nation against states and districts, and each state against its districts.
    assert len(by_check["levels"]) == 2 + 51
    assert [(f.name, f.found, f.expected) for f in by_check["tables"]] == [
        ("others", 2, ""),
        ("usda", 488, ""),
        ("Census", 1, 1),
        ("JCT", 1, 1),
        ("USDA", 488, 488),
    ]
    assert [(f.name, f.found) for f in by_check["periods"]] == [("2022", 1), ("2024", 489)]


# What is done to a database; check, level and area, name, found, expected, verdict and end of what
# is found; whether it ends the run.
FAULTS = {
    "a wrong hash": (
        ("UPDATE strata SET definition_hash = 'x' WHERE stratum_id = 7",),
        ("hashes", "", "", "stratum 7", "x", None, "failed"),
        True,
    ),
    "a parent that is missing": (
        ("UPDATE strata SET parent_stratum_id = 5000 WHERE stratum_id = 7",),
        ("parents exist", "", "", "stratum 7", 5000, "", "failed"),
        True,
    ),
    "a child of itself": (
        ("UPDATE strata SET parent_stratum_id = 7 WHERE stratum_id = 7",),
        ("parents exist", "", "", "stratum 7", 7, "", "failed"),
        True,
    ),
    "a child that does not repeat its parent": (
        stratum("age > 4", parent=7),
        ("parents", "", "", "stratum 9001", "age>4", None, "failed"),
        True,
    ),
    "a set that contradicts itself": (
        stratum("age > 4", "age < 4"),
        ("constraints", "", "", "stratum 9001", "age<4,age>4", "", "failed"),
        True,
    ),
    "a place that is none": (
        stratum("state_fips > 4"),
        ("constraints", "", "", "stratum 9001", "state_fips>4", "", "failed"),
        True,
    ),
    "a stratum that is missing": (
        (target("ssi", 5, 9001, source="'JCT'"), "UPDATE targets SET active = 0 WHERE value = 5"),
        ("constraints", "", "", "target 491", 9001, "", "failed"),
        True,
    ),
    "a variable that the model lacks": (
        ("UPDATE targets SET variable = 'ssl' WHERE variable = 'person_count'",),
        ("variables", "", "", "ssl", 1, 0, "failed"),
        True,
    ),
    "a condition on what the model lacks": (
        stratum("snpa > 0"),
        ("variables", "", "", "snpa", 1, 0, "failed"),
        True,
    ),
    "a state too few": (
        ("DELETE FROM stratum_constraints WHERE value = '56'",),
        ("areas", "state", "", "areas of the strata", 50, 51, "failed"),
        True,
    ),
    "a district too many": (
        stratum("congressional_district_geoid == 654", parent=6),
        ("areas", "district", "", "areas of the strata", 437, 436, "failed"),
        True,
    ),
    "Puerto Rico": (
        (*stratum("state_fips == 72"), target("ssi", 5, source="'JCT'")),
        ("territories", "state", "72", "stratum 9001", "72", "", "failed"),
        True,
    ),
    "a state without a figure": (
        ("DELETE FROM targets WHERE target_id = 470",),
        ("coverage", "state", "", "snap[snap>0] 2024", 50, 51, "note"),
        False,
    ),
    "no value": (
        ("UPDATE targets SET value = NULL WHERE target_id = 1",),
        ("values", "", "", "target 1", None, "", "failed"),
        True,
    ),
    "an infinite value": (
        ("UPDATE targets SET value = 9e999 WHERE target_id = 1",),
        ("values", "", "", "target 1", math.inf, "", "failed"),
        True,
    ),
    "a year that is none": (
        ("UPDATE targets SET period = 'FY24' WHERE target_id = 1",),
        ("values", "", "", "target 1", "FY24", "", "failed"),
        True,
    ),
    "a flag that is none": (
        ("UPDATE targets SET active = 2 WHERE target_id = 1",),
        ("values", "", "", "target 1", 2, "0 or 1", "failed"),
        True,
    ),
    "a tolerance below zero": (
        ("UPDATE targets SET tolerance = -1 WHERE target_id = 1",),
        ("values", "", "", "target 1", -1.0, "", "failed"),
        True,
    ),
    "a zero": (
        ("UPDATE targets SET value = 0 WHERE target_id = 1",),
        ("zeros", "nation", "US", "person_count[age>64]", 0.0, "", "note"),
        False,
    ),
    "people below zero": (
        ("UPDATE targets SET value = -3 WHERE target_id = 1",),
        ("zeros", "nation", "US", "person_count[age>64]", -3.0, "", "failed"),
        False,
    ),
    "levels of different years": (
        ("UPDATE targets SET period = 2023 WHERE target_id = 490",),
        ("periods", "", "", "snap[snap>0]", "nation 2023, state 2024, district 2024", "", "note"),
        False,
    ),
    "the same said twice": (
        (
            *stratum("age > 64.0"),
            target("person_count", 61, period=2022, source="'Census'"),
            "DELETE FROM targets WHERE target_id = 2",
        ),
        (
            "duplicates",
            "nation",
            "US",
            "target 491: person_count[age>64.0]",
            2,
            1,
            "failed",
        ),
        False,
    ),
    "no source": (
        ("UPDATE targets SET source = NULL WHERE target_id = 1",),
        ("sources", "", "", "", 1, "", "note"),
        False,
    ),
    "a figure that was lost": (
        ("DELETE FROM targets WHERE target_id = 1",),
        ("tables", "", "", "Census", 0, 1, "failed"),
        True,
    ),
    "a tax expenditure of a state": (
        ("UPDATE targets SET stratum_id = 6 WHERE target_id = 2",),
        ("tax expenditures", "state", "6", "salt_deduction (reform 1)", 2.0, "", "note"),
        False,
    ),
    "a nation that is not its states": (
        ("UPDATE targets SET value = 4200 WHERE target_id = 490",),
        ("levels", "nation", "US", "snap[snap>0] 2024", 4360.0, 4200.0, "note"),
        False,
    ),
    "a unit error": (
        ("UPDATE targets SET value = 4.36 WHERE target_id = 490",),
        ("levels", "nation", "US", "snap[snap>0] 2024", 4360.0, 4.36, "failed"),
        False,
    ),
    "a column that nobody knows": (
        ("ALTER TABLE targets ADD COLUMN currency VARCHAR",),
        ("schema", "", "", "targets.currency", "there", "", "note"),
        False,
    ),
    "no list of what is valid": (
        ("DROP TABLE field_valid_values",),
        ("schema", "", "", "field_valid_values", "missing", "", "note"),
        False,
    ),
}
# A fault of one kind is another kind of fault, too.
ALSO = {
    # What has no place left is about the nation.
    "a state too few": {"hashes", "coverage", "duplicates", "levels"},
    "a state without a figure": {"tables"},
    "Puerto Rico": {"areas", "coverage", "tables"},
    "a parent that is missing": {"hashes"},
    "a child of itself": {"hashes", "parents"},
    "a stratum that is missing": {"tables"},
    "the same said twice": {"tables"},
    "no source": {"tables"},
    "a tax expenditure of a state": {"coverage"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(broken, fault):
    statements, expected, stops = FAULTS[fault]
    found = broken(*statements)
    check, level, area, name, value, meant, verdict = expected
    (first, *_) = [finding for finding in found if finding.check == check]
    assert (first.level, first.area, first.name) == (level, area, name)
    assert first.found == value
    assert meant is None or first.expected == meant
    assert (first.verdict, bool(first.stops)) == (verdict, stops)
    assert first.detail or check in ("areas", "coverage")
    others = {finding.check for finding in found} - {check}
    assert others <= ALSO.get(fault, set()), found


@pytest.mark.parametrize("fault", FAULTS)
def test_of_a_given_database_only_what_none_may_be_ends_the_run(broken, fault):
    statements, *_ = FAULTS[fault]
    stopping = {finding.check for finding in broken(*statements, is_built=False) if finding.stops}
    fatal = {"a parent that is missing", "a child of itself"}
    expected = {"territories"} if fault == "Puerto Rico" else {"parents exist"}
    assert stopping == (expected if fault in fatal | {"Puerto Rico"} else set())


def test_a_place_that_no_target_is_about_is_only_noted(broken):
    found = broken(*stratum("state_fips == 72"), is_built=False)
    assert [(f.check, f.verdict) for f in found] == [("areas", "failed"), ("territories", "note")]
    assert not any(finding.stops for finding in found)


def test_the_table_is_written_the_same_every_time(built, tmp_path):
    tables, contents = tables_of(built), []
    for name in ("a.csv", "b.csv"):
        database, refused = built / "policy_data.db", tmp_path / "refused.csv"
        refused.write_text("of an earlier try")
        validate_database(database, KNOWN, True, tables, tmp_path / name, refused)
        assert not refused.exists()
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    rows = rows_in(tmp_path / "a.csv")
    assert tuple(rows[0]) == Finding._fields
    assert {row["verdict"] for row in rows} == {"ok"}


def test_what_ends_the_run_is_one_line_and_the_table_lies_beside_the_log(built, tmp_path):
    database, refused = tmp_path / "policy_data.db", tmp_path / "logs" / "refused.csv"
    database.write_bytes((built / "policy_data.db").read_bytes())
    change_database(database, "UPDATE strata SET definition_hash = stratum_id WHERE stratum_id < 6")
    with pytest.raises(InputError) as caught:
        validate_database(database, KNOWN, True, {}, tmp_path / "checks.csv", refused)
    message = str(caught.value)
    assert message.startswith(f"{database}: hashes: stratum 1: found 1, expected e3b0c442")
    assert "stratum 3" in message and "stratum 4" not in message and "and 2 more; see " in message
    assert f"see {refused}, correct" in message
    assert not (tmp_path / "checks.csv").exists()
    rows = [row for row in rows_in(refused) if row["stops"] == "1"]
    assert [row["name"] for row in rows] == [f"stratum {number}" for number in range(1, 6)]


def test_an_older_database_without_hashes_tolerances_and_sources_passes(tmp_path):
    path = write_database(
        tmp_path / "policy_data.db",
        [
            {"variable": "snap", "value": 5.0, "constraints": place}
            for place in (NATION, state(6), district(601))
        ],
    )
    for column in ("tolerance", "source"):
        change_database(path, f"ALTER TABLE targets DROP COLUMN {column}")
    found = list(check_database(path, KNOWN, False, {}))
    assert not any(finding.stops for finding in found)
    lacking = [finding.name for finding in found if finding.check == "schema"]
    assert lacking == ["targets.tolerance", "targets.source", "field_valid_values"]


def test_a_database_of_other_columns_is_refused_with_what_it_has(tmp_path):
    path = write_database(tmp_path / "policy_data.db", [{"variable": "snap", "value": 5.0}])
    change_database(path, "ALTER TABLE targets RENAME COLUMN value TO amount")
    with pytest.raises(InputError, match=r"targets lacks the columns value and has amount, which"):
        list(check_database(path, KNOWN, False, {}))


def test_of_a_target_that_is_switched_off_neither_value_nor_place_is_looked_at(broken):
    assert broken("UPDATE targets SET active = 0, value = NULL WHERE target_id = 1") == []
    zero = "UPDATE targets SET active = 0, value = 0 WHERE target_id = 1"
    assert broken(zero, *stratum("state_fips == 6", "ssi > 0", parent=6)) == []


def test_a_source_may_have_more_targets_than_the_tables_at_hand_but_none_may_be_empty(
    built, tmp_path
):
    tables = tables_of(built)
    others = tables.pop("others")
    database = built / "policy_data.db"
    found = [f for f in check_database(database, KNOWN, True, tables) if f.check == "tables"]
    assert [(f.name, f.verdict) for f in found] == [("usda", "ok"), ("USDA", "ok")]
    write_figures([], tmp_path / "empty.csv")
    tables |= {"others": others, "empty": tmp_path / "empty.csv"}
    (lost,) = [f for f in check_database(database, KNOWN, True, tables) if f.verdict == "failed"]
    assert (lost.name, lost.found, lost.detail) == ("empty", 0, "has no row")
    assert lost.stops == 1
