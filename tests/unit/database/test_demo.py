"""The demo database: one target per published row, in the schema its reader expects."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from localcal.database import demo
from localcal.database.constraints import Constraint
from localcal.database.demo import COLUMNS, write_demo_database
from localcal.database.schema import definition_hash
from localcal.errors import InputError

CONFIG = Path(__file__).parents[3] / "config"
AREAS = CONFIG / "areas.tsv"


def query(path: Path, text: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(text).fetchall()


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("targets") / "policy_data.db"
    write_demo_database(CONFIG / "published", AREAS, path)
    return path


@pytest.fixture
def tables(tmp_path):
    """Return a function that writes one table of figures and gives its folder."""

    def write(*lines: str) -> Path:
        folder = tmp_path / "published"
        folder.mkdir(exist_ok=True)
        (folder / "figures.csv").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
        return folder

    return write


def test_every_published_row_becomes_one_target(database):
    rows = sum(
        len(table.read_text().splitlines()) - 1 for table in (CONFIG / "published").glob("*.csv")
    )
    assert query(database, "SELECT count(*) FROM targets") == [(rows,)]
    assert query(
        database,
        "SELECT geo_level, variable, coalesce(domain_variable, ''), count(*) "
        "FROM target_overview WHERE geo_level != 'national' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    ) == [
        ("district", "person_count", "", 436),
        ("state", "adjusted_gross_income", "", 51),
        ("state", "household_count", "snap", 51),
        ("state", "person_count", "age", 204),
        ("state", "snap", "snap", 51),
    ]


def test_values_and_places_are_those_of_the_table(database):
    assert query(
        database,
        "SELECT targets.value, targets.period, source "
        "FROM targets JOIN target_overview USING (target_id) "
        "WHERE geo_level = 'district' AND geographic_id = '101'",
    ) == [(760389.0, 2024, "Census ACS 2024 1-year S0101")]


def test_strata_hang_together_as_nation_states_districts_and_groups(database):
    assert query(database, "SELECT stratum_id FROM strata WHERE parent_stratum_id IS NULL") == [
        (1,)
    ]
    state_of_district = query(
        database,
        "SELECT district.value, state.value FROM strata "
        "JOIN stratum_constraints AS district USING (stratum_id) "
        "JOIN stratum_constraints AS state ON state.stratum_id = strata.parent_stratum_id "
        "WHERE district.constraint_variable = 'congressional_district_geoid' "
        "AND state.constraint_variable = 'state_fips'",
    )
    assert len(state_of_district) == 436
    assert all(int(district) // 100 == int(state) for district, state in state_of_district)
    # A group repeats the place of its parent.
    orphans = query(
        database,
        "SELECT child.stratum_id FROM strata AS child "
        "JOIN stratum_constraints AS mine ON mine.stratum_id = child.parent_stratum_id "
        "WHERE child.stratum_id > 488 AND NOT EXISTS (SELECT 1 FROM stratum_constraints AS own "
        "WHERE own.stratum_id = child.stratum_id AND own.value = mine.value "
        "AND own.constraint_variable = mine.constraint_variable)",
    )
    assert orphans == []


def test_a_stratum_is_named_by_the_hash_of_its_definition(database):
    strata = query(database, "SELECT stratum_id, definition_hash, parent_stratum_id FROM strata")
    for stratum, digest, parent in strata[::50]:
        found = query(
            database,
            "SELECT constraint_variable, operation, value FROM stratum_constraints "
            f"WHERE stratum_id = {stratum}",
        )
        assert definition_hash(parent, tuple(Constraint(*row) for row in found)) == digest


def test_domains_are_sorted_and_leave_filers_out(tables, tmp_path):
    path = tmp_path / "policy_data.db"
    row = "state,6,person_count,2024,tax_unit_is_filer==1;snap>0;age<20,5,somebody"
    write_demo_database(tables(row), AREAS, path)
    assert query(path, "SELECT geo_level, geographic_id, domain_variable FROM target_overview") == [
        ("state", "6", "age,snap")
    ]


def test_the_same_tables_give_the_same_bytes_and_leave_nothing_else(database, tmp_path):
    again = tmp_path / "again.db"
    write_demo_database(CONFIG / "published", AREAS, again)
    assert again.read_bytes() == database.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.db"]


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "policy_data.db"
    small = "PRAGMA max_page_count = 12;" + demo.SCHEMA
    monkeypatch.setattr(demo, "SCHEMA", small)
    with pytest.raises(InputError, match="no space left"):
        write_demo_database(CONFIG / "published", AREAS, path)
    assert list(tmp_path.iterdir()) == []


GOOD = "national,US,person_count,2024,age>4;age<10,5,somebody"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("county,6001,person_count,2024,,5,x", "unknown geo_level 'county'"),
        ("state,3,person_count,2024,,5,x", "no state has the code '3'"),
        ("district,699,person_count,2024,,5,x", "no district has the code '699'"),
        ("national,US,person count,2024,,5,x", "is no variable"),
        ("national,US,person_count,FY24,,5,x", "is no year"),
        ("national,US,person_count,2024,,many,x", "is no number"),
        ("national,US,person_count,2024,,nan,x", "is no number"),
        ("national,US,person_count,2024,age~4,5,x", "'age~4' is no constraint"),
        ("national,US,person_count,2024,age=>4,5,x", "'age=>4' is no constraint"),
        ("national,US,person_count,2024,age>4;,5,x", "'' is no constraint"),
        ("national,US,person_count,2024,age>4;age>5,5,x", "comes twice"),
        ("national,US,person_count,2024,state_fips==6,5,x", "is about the place"),
        ("national,US,person_count,2024,age>9;age<9,5,x", "no value is in this range"),
        ("national,US,person_count,2024,age==9;age<12,5,x", "stand alone"),
        ("national,US,person_count,2024,age<10;age>4,6,x", "says the same as"),
        ("national,US,person_count", "does not have 7 fields"),
        ("national,US,person_count,2024,,5,x,y", "does not have 7 fields"),
    ],
)
def test_a_bad_row_is_refused_with_its_file_and_line(tables, tmp_path, row, complaint):
    path = tmp_path / "policy_data.db"
    with pytest.raises(InputError, match=r"figures\.csv: line 3") as caught:
        write_demo_database(tables(GOOD, row), AREAS, path)
    assert complaint in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("national,US,person_cuont,2024,,5,x", "'person_cuont' (did you mean person_count?)"),
        ("national,US,snap,2024,snpa>0,5,x", "'snpa' (did you mean snap?)"),
        ("national,US,snap,2024,person_count>0,5,x", "'person_count'; correct it"),
    ],
)
def test_what_the_model_lacks_is_refused_with_its_file_and_line(tables, tmp_path, row, complaint):
    path = tmp_path / "policy_data.db"
    with pytest.raises(InputError, match=r"figures\.csv: line 3: the model has no ") as caught:
        write_demo_database(tables(GOOD, row), AREAS, path, ["age", "snap"])
    assert complaint in str(caught.value)
    assert not path.exists()


def test_the_same_variables_in_any_order_give_the_same_bytes(tables, tmp_path):
    folder, contents = tables(GOOD), []
    for name, variables in (("a.db", ["age", "snap"]), ("b.db", ["snap", "age"])):
        write_demo_database(folder, AREAS, tmp_path / name, variables)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_missing_tables_and_columns_are_refused(tables, tmp_path):
    path = tmp_path / "policy_data.db"
    with pytest.raises(InputError, match="no table of published figures"):
        write_demo_database(tmp_path / "nowhere", AREAS, path)
    with pytest.raises(InputError, match="areas.tsv: cannot be read"):
        write_demo_database(tables(GOOD), tmp_path / "areas.tsv", path)
    folder = tables(GOOD)
    (folder / "other.csv").write_text("level,code\nnational,US\n")
    with pytest.raises(InputError, match=r"other\.csv: has no column 'geo_level'"):
        write_demo_database(folder, AREAS, path)


def test_a_district_before_its_state_is_refused(tables, tmp_path):
    areas = tmp_path / "areas.tsv"
    lines = AREAS.read_text().splitlines(keepends=True)
    areas.write_text("".join([lines[0], lines[1], lines[60], *lines[2:60]]))
    with pytest.raises(InputError, match=r"areas\.tsv: '\d+' does not belong"):
        write_demo_database(tables(GOOD), areas, tmp_path / "policy_data.db")


def test_a_table_more_adds_its_targets(database, tmp_path):
    folder = tmp_path / "published"
    shutil.copytree(CONFIG / "published", folder)
    (folder / "more.csv").write_text(
        ",".join(COLUMNS) + "\nnational,US,ssi,2024,ssi>0,63000000000,SSA\n"
    )
    path = tmp_path / "policy_data.db"
    write_demo_database(folder, AREAS, path)
    (before,), (after,) = (
        query(database, "SELECT count(*) FROM targets")[0],
        query(path, "SELECT count(*) FROM targets")[0],
    )
    assert after == before + 1


def test_a_figure_may_come_again_under_a_reform(tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    row = "nation,US,income_tax,2024,,5,JCT"
    lines = [",".join([*COLUMNS, "reform_id"]), f"{row},", f"{row},1"]
    (folder / "figures.csv").write_text("\n".join(lines) + "\n")
    write_demo_database(folder, AREAS, tmp_path / "policy_data.db")
    found = query(tmp_path / "policy_data.db", "SELECT reform_id FROM targets ORDER BY 1")
    assert found == [(0,), (1,)]


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("reform_id", "-1", "line 2: reform_id is '-1'"),
        ("active", "yes", "line 2: active is 'yes'"),
        ("tolerance", "-1", "line 2: tolerance is '-1'"),
        ("tolerance", "nan", "line 2: tolerance is 'nan'"),
        ("tolerance", "5%", "line 2: tolerance is '5%'"),
    ],
)
def test_optional_cells_are_checked(tmp_path, column, cell, message):
    lines = [",".join([*COLUMNS, column]), f"nation,US,income_tax,2024,,5,JCT,{cell}"]
    (tmp_path / "figures.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=message):
        write_demo_database(tmp_path, AREAS, tmp_path / "policy_data.db")
