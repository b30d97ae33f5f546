import contextlib
import hashlib
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

from localcal.database import reader
from localcal.database.constraints import Constraint
from localcal.database.reader import (
    best_period,
    content_digest,
    copy_database,
    district_income,
    read_targets_table,
)
from localcal.errors import InputError
from tests.database_factory import NATION, change_database, district, state, write_database


def target(variable="snap", value=1.0, constraints=NATION, **cells):
    return {"variable": variable, "value": value, "constraints": constraints, **cells}


def files_below(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "policy_data.db"


def test_a_target_comes_with_its_place_its_domain_and_its_other_constraints(path):
    constraints = (*district("0601"), *state("06"), ("snap", ">", "0"), ("age", "<", "5"))
    write_database(
        path,
        [target("household_count", 12, constraints, tolerance=5.0, source="USDA", period=2023)],
    )
    (row,) = read_targets_table(path).to_dict("records")
    assert row == {
        "target_id": 1,
        "variable": "household_count",
        "period": 2023,
        "stratum_id": 1,
        "reform_id": 0,
        "value": 12.0,
        "tolerance": 5.0,
        "source": "USDA",
        "geo_level": "district",
        "geographic_id": "601",
        "domain_variable": "age,snap",
        "constraints": (Constraint("age", "<", "5"), Constraint("snap", ">", "0")),
        "label": f"{path}: target 1",
    }


def test_a_target_without_tolerance_and_source_has_nan_and_no_text(path):
    write_database(path, [target()])
    table = read_targets_table(path)
    assert np.isnan(table["tolerance"].iloc[0])
    assert table["source"].iloc[0] == ""


def test_filing_is_a_constraint_but_no_domain(path):
    filers = ("tax_unit_is_filer", "==", "1")
    write_database(
        path, [target(constraints=(filers,)), target(constraints=(filers, ("a", ">", "0")))]
    )
    table = read_targets_table(path)
    assert table["domain_variable"].tolist() == ["", "a"]
    assert table["constraints"].iloc[0] == (Constraint(*filers),)


def test_parent_strata_lend_no_constraints(path):
    write_database(path, [target(stratum_id=2)], {1: state(6), 2: (("snap", ">", "0"),)})
    change_database(path, "UPDATE strata SET parent_stratum_id = 1 WHERE stratum_id = 2")
    assert read_targets_table(path)["geo_level"].tolist() == ["nation"]


def test_inactive_targets_are_left_out_whatever_is_wrong_with_them(path):
    write_database(path, [target(), target("rent", None, active=0, stratum_id=99)])
    assert read_targets_table(path)["variable"].tolist() == ["snap"]


def test_views_of_another_program_are_not_asked(path):
    write_database(path, [target(constraints=state(6))])
    change_database(
        path, "CREATE VIEW target_overview AS SELECT target_id, 'moon' AS geo_level FROM targets"
    )
    assert read_targets_table(path)["geo_level"].tolist() == ["state"]


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_reading_and_copying_leave_no_trace_beside_the_database(path, mode, tmp_path_factory):
    write_database(path, [target()])
    change_database(path, f"PRAGMA journal_mode={mode}")
    before = files_below(path.parent)
    assert list(before) == [path.name]
    read_targets_table(path)
    content_digest(path)
    copy_database(path, tmp_path_factory.mktemp("run") / "policy_data.db")
    assert files_below(path.parent) == before


def test_rows_still_in_the_write_ahead_log_are_read_and_copied(path, tmp_path):
    write_database(path, [target()])
    with contextlib.closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("PRAGMA wal_autocheckpoint=0")
        writer.execute("UPDATE targets SET value = 7")
        writer.commit()
        folder = tmp_path / "left by a killed writer"
        folder.mkdir()
        for file in (path, path.with_name(path.name + "-wal")):
            shutil.copyfile(file, folder / file.name)
    interrupted = folder / path.name
    before = files_below(folder)
    assert read_targets_table(interrupted)["value"].tolist() == [7.0]
    copy_database(interrupted, tmp_path / "run" / "copy.db")
    assert files_below(folder) == before
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["copy.db"]
    assert read_targets_table(tmp_path / "run" / "copy.db")["value"].tolist() == [7.0]
    assert content_digest(tmp_path / "run" / "copy.db") == content_digest(interrupted)


def test_a_transaction_that_was_cut_off_is_rolled_back(path, tmp_path):
    many = [target(f"variable_{i}", i) for i in range(2000)]
    write_database(path, many)
    with contextlib.closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA cache_size=1")
        writer.execute("PRAGMA cache_spill=1")
        writer.execute("UPDATE targets SET value = -1, notes = 'half done'")
        folder = tmp_path / "left by a killed writer"
        folder.mkdir()
        for file in (path, path.with_name(path.name + "-journal")):
            shutil.copyfile(file, folder / file.name)
        writer.rollback()
    interrupted = folder / path.name
    assert interrupted.read_bytes() != path.read_bytes()
    assert read_targets_table(interrupted)["value"].tolist() == list(range(2000))


def test_a_database_in_a_folder_with_marks_in_its_name_opens(tmp_path):
    folder = tmp_path / "what? 100% #1"
    folder.mkdir()
    path = write_database(folder / "policy data.db", [target()])
    assert len(read_targets_table(path)) == 1


def test_a_copy_has_the_bytes_of_its_source(path, tmp_path):
    write_database(path, [target()])
    copy_database(path, tmp_path / "run" / "targets" / "policy_data.db")
    assert (tmp_path / "run" / "targets" / "policy_data.db").read_bytes() == path.read_bytes()


def test_what_is_no_target_database_is_not_copied(tmp_path):
    source = tmp_path / "notes.txt"
    source.write_text("not a database" * 100)
    with pytest.raises(InputError, match="notes.txt"):
        copy_database(source, tmp_path / "run.db")
    assert not (tmp_path / "run.db").exists()


def test_the_digest_is_of_what_is_said_not_of_how_it_is_stored(tmp_path):
    rows = [
        target("snap", 5, state(6), target_id=1, stratum_id=1),
        target("rent", 2.5, NATION, target_id=2, stratum_id=2),
    ]
    strata = {1: state(6), 2: NATION}
    one = write_database(tmp_path / "one.db", rows, strata)
    two = write_database(tmp_path / "two.db", rows[::-1], dict(reversed(strata.items())))
    change_database(
        two,
        "CREATE VIEW stratum_domain AS SELECT 1",
        "UPDATE targets SET notes = 'checked'",
        "ALTER TABLE targets RENAME COLUMN value TO old_value",
        "ALTER TABLE targets ADD COLUMN value INTEGER",
        "UPDATE targets SET value = old_value",
    )
    assert one.read_bytes() != two.read_bytes()
    assert content_digest(one) == content_digest(two)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE targets SET value = value + 1",
        "UPDATE targets SET active = 0",
        "UPDATE targets SET tolerance = 1",
        "UPDATE stratum_constraints SET operation = '>='",
        "INSERT INTO strata (stratum_id, definition_hash) VALUES (9, '9')",
    ],
)
def test_the_digest_changes_with_the_content(path, statement):
    write_database(path, [target(constraints=(("snap", ">", "0"),))])
    before = content_digest(path)
    change_database(path, statement)
    assert content_digest(path) != before


def test_a_missing_file_is_named(path):
    with pytest.raises(InputError, match=r"policy_data\.db: no such file"):
        read_targets_table(path)


@pytest.mark.parametrize(
    "content", [b"some text, not a database" * 50, b"SQLite format 3\0 and no more"]
)
def test_a_file_of_another_kind_is_named(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"policy_data\.db: cannot be read as a SQLite database"):
        read_targets_table(path)


def test_a_truncated_database_is_named(path):
    write_database(path, [target(f"variable_{i}", i) for i in range(2000)])
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(InputError, match=r"policy_data\.db: cannot be read as a SQLite database"):
        read_targets_table(path)


@pytest.mark.parametrize("table", ["strata", "stratum_constraints", "targets"])
def test_a_missing_table_is_named(path, table):
    write_database(path, [target()])
    change_database(path, f"DROP TABLE {table}")
    with pytest.raises(InputError, match=f"table {table} is missing"):
        read_targets_table(path)


def test_an_empty_file_lacks_the_tables(path):
    path.touch()
    with pytest.raises(InputError, match="table strata is missing"):
        read_targets_table(path)


def test_missing_columns_are_named(path):
    write_database(path, [target()])
    change_database(path, "ALTER TABLE targets DROP COLUMN active")
    with pytest.raises(InputError, match="table targets lacks the columns active"):
        read_targets_table(path)


@pytest.mark.parametrize("dropped", [["tolerance"], ["source"], ["tolerance", "source"]])
def test_databases_without_tolerances_and_sources_are_read(path, tmp_path, dropped):
    write_database(path, [target(value=3.0)])
    whole = content_digest(path)
    change_database(path, *(f"ALTER TABLE targets DROP COLUMN {name}" for name in dropped))
    copy_database(path, tmp_path / "copy.db")
    table = read_targets_table(tmp_path / "copy.db")
    assert table["value"].tolist() == [3.0]
    assert table["tolerance"].isna().all() and table["source"].tolist() == [""]
    # Nothing is known of them, as where they are empty.
    assert content_digest(tmp_path / "copy.db") == whole


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"value": None}, "value is None"),
        ({"value": float("nan")}, "value is None"),
        ({"value": float("inf")}, "value is inf"),
        ({"value": "many"}, "value is 'many'"),
        ({"tolerance": -1.0}, "tolerance is -1.0"),
        ({"tolerance": "5%"}, "tolerance is '5%'"),
        ({"period": "FY24"}, "period is 'FY24'"),
        ({"active": 2}, "active is 2"),
        ({"variable": ""}, "variable is ''"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named_with_its_target(path, cells, message):
    write_database(path, [target(), target("rent", target_id=17) | cells])
    with pytest.raises(InputError, match=rf"policy_data\.db: target 17.*{message}"):
        read_targets_table(path)


def test_a_target_whose_stratum_is_missing_is_named(path):
    write_database(path, [target()])
    change_database(path, "UPDATE targets SET stratum_id = 99")
    with pytest.raises(InputError, match="target 1: its stratum 99 is missing"):
        read_targets_table(path)


def test_a_constraint_with_an_empty_cell_is_named_with_its_stratum(path):
    write_database(path, [target()])
    change_database(
        path,
        "DROP TABLE stratum_constraints",
        "CREATE TABLE stratum_constraints (stratum_id, constraint_variable, operation, value)",
        "INSERT INTO stratum_constraints VALUES (1, 'snap', '>', NULL)",
    )
    with pytest.raises(InputError, match="stratum 1: a constraint has an empty cell"):
        read_targets_table(path)


def test_a_stratum_of_places_that_disagree_is_named(path):
    write_database(path, [target(constraints=(*state(8), *district(601)))])
    with pytest.raises(InputError, match=r"policy_data\.db: stratum 1: its places disagree"):
        read_targets_table(path)


def test_a_database_without_active_targets_is_refused(path):
    write_database(path, [target(active=0)])
    with pytest.raises(InputError, match="no target is active"):
        read_targets_table(path)


@pytest.mark.parametrize(
    ("periods", "chosen"),
    [([2022, 2023, 2025], 2023), ([2024, 2025], 2024), ([2025, 2026], 2025), ([2019, 2018], 2019)],
)
def test_the_best_period_is_the_last_up_to_the_run_else_the_first(periods, chosen):
    table = pd.DataFrame({"period": periods, "stratum_id": 1, "variable": "snap", "reform_id": 0})
    assert best_period(table, 2024)["period"].tolist() == [chosen]


def test_the_best_period_is_chosen_apart_for_stratum_variable_and_reform():
    table = pd.DataFrame(
        {
            "period": [2023, 2022, 2022, 2022],
            "stratum_id": [1, 2, 1, 1],
            "variable": ["snap", "snap", "rent", "snap"],
            "reform_id": [0, 0, 0, 1],
        }
    )
    assert len(best_period(table, 2024)) == 4


def test_two_rows_of_one_period_are_both_kept():
    table = pd.DataFrame(
        {"period": [2023, 2023], "stratum_id": 1, "variable": "snap", "reform_id": 0}
    )
    assert len(best_period(table, 2024)) == 2


def income(value, constraints, **cells):
    return target("adjusted_gross_income", value, constraints, **cells)


def test_income_is_that_of_districts_and_states_under_current_law(path):
    write_database(
        path,
        [
            income(9e12, NATION),
            income(2e12, state(6)),
            income(5e10, district("0601")),
            income(4e10, district("0601"), period=2021),
            income(7e10, district("1198")),
            income(1.0, district("0601"), reform_id=1),
            income(2.0, (*district("0601"), ("snap", ">", "0"))),
            income(2.0, (*district("0603"), ("snap", ">", "0"))),
            target("snap", 3.0, district("0602")),
        ],
    )
    found = district_income(path, 2024)
    assert found.districts == {601: 5e10, 1101: 7e10}
    assert found.states == {6: 2e12}


@pytest.mark.parametrize("order", [1, -1])
def test_everybodys_income_goes_before_filers(path, order):
    filers = (*state(6), ("tax_unit_is_filer", "==", "1"))
    write_database(path, [income(1e12, filers), income(2e12, state(6))][::order])
    assert district_income(path, 2024).states == {6: 2e12}


def test_filers_income_is_used_where_it_is_all_there_is(path):
    filers = (*state(6), ("tax_unit_is_filer", "==", "1"))
    write_database(path, [income(1e12, filers)])
    assert district_income(path, 2024).states == {6: 1e12}


def test_two_incomes_of_one_district_are_refused(path):
    write_database(path, [income(1.0, district("601")), income(2.0, district("0601"))])
    with pytest.raises(InputError, match="district 601 has two active targets"):
        district_income(path, 2024)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i"


@pytest.mark.parametrize("name", reader.TABLES)
@pytest.mark.parametrize("kind", ["view", "virtual table"])
def test_what_only_looks_like_a_table_is_refused_before_it_is_asked(path, name, kind):
    write_database(path, [target()])
    columns = ", ".join(reader.TABLES[name])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"DROP TABLE {name}")
        if kind == "view":
            selected = ", ".join(f"i AS {column}" for column in reader.TABLES[name])
            recursion = ENDLESS.rpartition("SELECT")[0]
            connection.execute(
                f"CREATE VIEW {name.upper()} AS {recursion} SELECT {selected} FROM n"
            )
        else:
            connection.execute(f"CREATE VIRTUAL TABLE {name} USING fts5({columns})")
    message = f"{name} is a {kind}; give a target database where it is a table"
    with pytest.raises(InputError, match=message):
        read_targets_table(path)
    with pytest.raises(InputError, match=message):
        copy_database(path, path.with_name("copy.db"))


def test_what_takes_too_long_is_given_up(path, monkeypatch):
    write_database(path, [target(period=2000 + number) for number in range(50)])
    monkeypatch.setattr(reader, "SECONDS_TO_READ", -1.0)
    monkeypatch.setattr(reader, "STEPS_BETWEEN_LOOKS", 10)
    with pytest.raises(InputError, match=r"cannot be read as a SQLite database \(interrupted\)"):
        read_targets_table(path)
