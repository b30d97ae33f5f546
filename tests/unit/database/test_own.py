"""Targets in users' own tables: what is written, and how a wrong row is refused."""

import math
from pathlib import Path

import pytest

from localcal.database.constraints import Constraint
from localcal.database.own import COLUMNS, copy_tables, read_tables
from localcal.errors import InputError

AREAS = Path(__file__).parents[3] / "config" / "areas.tsv"
HEADER = "area,variable,constraints,value,period,tolerance,source\n"


@pytest.fixture
def copied(tmp_path):
    """Copy tables of these texts, named in alphabetical order; return the copy."""

    def copy(*texts):
        tables = []
        for name, text in zip("abc", texts, strict=False):
            tables.append(tmp_path / f"{name}.csv")
            tables[-1].write_text(text, encoding="utf-8")
        path = tmp_path / "tables.csv"
        copy_tables(tables, AREAS, path)
        return path

    return copy


def test_a_row_is_read_as_a_target(copied):
    path = copied(
        HEADER
        + "CA-12,person_count, age >= 65 ; age<75 ,115000,2023,2.5,county survey\n"
        + "US,snap,,2.15e10,2024,,\n"
        + "DC,person_count,age>=65;age<75,7,2023,,\n"
    )
    found = read_tables(path, first_id=41, first_stratum=7)
    assert found["target_id"].tolist() == [41, 42, 43]
    assert found["stratum_id"].tolist() == [7, 8, 9]
    assert found["geo_level"].tolist() == ["district", "nation", "state"]
    assert found["geographic_id"].tolist() == ["612", "US", "11"]
    assert found["value"].tolist() == [115000.0, 2.15e10, 7.0]
    assert found["period"].tolist() == [2023, 2024, 2023]
    assert found["reform_id"].tolist() == [0, 0, 0]
    assert found["domain_variable"].tolist() == ["age", "", "age"]
    between = (Constraint("age", "<", "75"), Constraint("age", ">=", "65"))
    assert found["constraints"].tolist() == [between, (), between]
    assert found["tolerance"][0] == 2.5 and math.isnan(found["tolerance"][1])
    where = str(path.with_name("a.csv"))
    assert found["source"].tolist() == ["county survey", f"{where}: line 3", f"{where}: line 4"]
    assert found["label"].tolist() == [f"{where}: line {line}" for line in (2, 3, 4)]


def test_rows_of_one_population_share_a_stratum(copied):
    rows = "CA,snap,age>4;age<10,1,2024\nCA,person_count,age<10;age>4,1,2024\n"
    path = copied("area,variable,constraints,value,period\n" + rows)
    assert read_tables(path, 1, 5)["stratum_id"].tolist() == [5, 5]


def test_tables_follow_each_other_and_none_is_an_empty_one(copied):
    one, two = HEADER + "US,snap,,1,2024,,x\n", HEADER + "US,ssi,,2,2024,,y\n"
    assert read_tables(copied(one, two), 1, 1)["source"].tolist() == ["x", "y"]
    path = copied()
    assert path.read_text() == ",".join(COLUMNS) + "\n"
    assert read_tables(path, 1, 1).empty


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("CA-99,snap,,1,2024,,", "line 2: column area: no area is called 'CA-99'"),
        ("Ca,snap,,1,2024,,", r"no area is called 'Ca' \(did you mean CA\?\); use a short name"),
        ("NYC,snap,,1,2024,,", "column area: NYC is a city; targets are about the nation, states"),
        ("CA,SNAP,,1,2024,,", "column variable: 'SNAP' is no variable"),
        ("CA,snap,age=>4,1,2024,,", "line 2: 'age=>4' is no constraint; write a variable"),
        ("CA,snap,age~4,1,2024,,", "'age~4' is no constraint"),
        ("CA,snap,age>4 and age<9,1,2024,,", "'age>4 and age<9' is no constraint"),
        ("CA,snap,age>4;age>5,1,2024,,", "'age>5' comes twice with that operation"),
        ("CA,snap,age>9;age<5,1,2024,,", "line 2: age>9, age<5: no value is in this range"),
        ("CA,snap,state_fips==6,1,2024,,", "'state_fips==6' is about the place; name the area in"),
        ("CA,snap,,1_000,2024,,", "column value: '1_000' is no number"),
        ("CA,snap,,$5,2024,,", r"column value: '\$5' is no number"),
        ("CA,snap,,inf,2024,,", "column value: 'inf' is no number"),
        ("CA,snap,,1e999,2024,,", "column value: '1e999' is no number"),
        ("CA,snap,,,2024,,", "column value: '' is no number"),
        ("CA,snap,,1,24,,", "column period: '24' is no year"),
        ("CA,snap,,1,2024,-1,", "column tolerance: '-1' is no percentage"),
        ("CA,snap,,1,2024,5%,", "column tolerance: '5%' is no percentage"),
        ("CA,snap,,1,2024", "line 2 does not have 7 fields"),
    ],
)
def test_a_wrong_row_is_refused_with_file_line_and_column(copied, row, complaint):
    with pytest.raises(InputError, match=complaint) as raised:
        copied(HEADER + row + "\n")
    assert str(raised.value).count("a.csv") == 1


def test_a_wrong_table_is_refused(copied, tmp_path):
    with pytest.raises(InputError, match=r"a\.csv: has no column 'period'"):
        copied("area,variable,constraints,value\nCA,snap,,1\n")
    with pytest.raises(InputError, match=r"unknown column 'tolerence' \(did you mean tolerance\?"):
        copied("area,variable,constraints,value,period,tolerence\nCA,snap,,1,2024,5\n")
    with pytest.raises(InputError, match=r"gone\.csv: cannot be read as a table"):
        copy_tables([tmp_path / "gone.csv"], AREAS, tmp_path / "tables.csv")
    assert not (tmp_path / "tables.csv").exists()


def test_a_damaged_copy_is_refused(copied):
    path = copied(HEADER + "CA,snap,,1,2024,,x\n")
    path.write_text(path.read_text().replace(",2024,", ",x,"))
    with pytest.raises(InputError, match=r"tables\.csv: line 2: .*same command"):
        read_tables(path, 1, 1)


def test_totals_to_compare_with_are_never_fitted(tmp_path):
    table, compare = tmp_path / "mine.csv", tmp_path / "totals.csv"
    header = "area,variable,constraints,value,period,hold_out\n"
    table.write_text(header + "US,snap,,1,2024,true\nUS,ssi,,2,2024,\nUS,rent,,3,2024,false\n")
    compare.write_text("area,variable,constraints,value,period\nUS,eitc,,4,2024\n")
    path = tmp_path / "tables.csv"
    copy_tables([table], AREAS, path, compare)
    found = read_tables(path, 1, 1)
    assert found["hold_out"].tolist() == [True, False, False, True]
    assert found["compared"].tolist() == [False, False, False, True]
    table.write_text(header + "US,snap,,1,2024,yes\n")
    with pytest.raises(InputError, match="line 2: column hold_out: 'yes'; give true, false or not"):
        copy_tables([table], AREAS, path)
