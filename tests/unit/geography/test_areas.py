"""The table of areas and the columns that lie in each."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.geography import geography as module
from localcal.geography.areas import read_areas, select
from localcal.geography.codes import FOLDERS, LEVELS
from localcal.geography.geography import Geography, find_columns, read_columns, write_geography

TABLE = """level\tarea\tname\tcode\tstate_fips\tcounties
nation\tUS\tUnited States\tUS\t\t
state\tCA\tCalifornia\t6\t6\t
state\tNY\tNew York\t36\t36\t
district\tCA-01\tCalifornia, district 1\t601\t6\t
district\tNY-12\tNew York, district 12\t3612\t36\t
city\tNYC\tNew York City\tNYC\t36\t36005,36061
"""
REAL_TABLE = Path(__file__).parents[3] / "config" / "areas.tsv"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "areas.tsv"
    path.write_text(TABLE)
    return path


def names(areas) -> list[str]:
    return [area.area for area in areas]


def test_areas_are_read_in_the_order_of_the_table(path):
    areas = read_areas(path)
    assert names(areas) == ["US", "CA", "NY", "CA-01", "NY-12", "NYC"]
    assert [area.state for area in areas] == [None, 6, 36, 6, 36, 36]
    assert areas[-1].counties == ("36005", "36061")
    assert areas[3].code == "601"


def test_levels_may_be_spelled_like_the_folders_of_their_files(path):
    areas = read_areas(path)
    assert [area.level for area in areas[:3]] == ["nation", "state", "state"]
    assert [area.folder for area in areas[2:]] == ["states", "districts", "districts", "cities"]
    text = path.read_text()
    for level, folder in FOLDERS.items():
        text = text.replace(f"\n{level}\t", f"\n{folder}\t")
    path.write_text(text)
    assert "\nnational\t" in text and read_areas(path) == areas


@pytest.mark.parametrize(
    ("given", "state", "expected"),
    [
        ("200", 2, "201"),
        ("0200", 2, "201"),
        ("1198", 11, "1101"),
        ("5001", 50, "5001"),
        ("0601", 6, "601"),
        ("3610", 36, "3610"),
    ],
)
def test_a_state_s_only_district_is_the_first_however_the_census_writes_it(
    path, given, state, expected
):
    path.write_text(TABLE.replace("\t601\t6", f"\t{given}\t{state}"))
    assert read_areas(path)[3].code == expected


def test_the_table_of_the_project_has_every_area():
    areas = read_areas(REAL_TABLE)
    counts = [sum(area.level == level for area in areas) for level in LEVELS]
    assert counts == [1, 51, 436, 1]


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("\tcounties", "\tcountys", "has no column 'counties'"),
        ("nation\tUS", "country\tUS", "line 2 has the level 'country'; use one of nation, state"),
        ("state\tCA", "state\tC/A", "line 3 has the area 'C/A'"),
        ("California\t6\t6", "California\t6\tCA", "line 3 has the state_fips 'CA'"),
        ("California\t6\t6", "California\t6\t", "line 3 has the state_fips ''"),
        ("California\t6\t6", "California\t7\t6", "line 3 has the code '7', but state_fips 6"),
        ("\t601\t6", "\t601\t36", "line 5 has the code '601'; give state_fips"),
        ("36005,36061", "36005, 36061", "line 7 has the county ' 36061'; give 5 digits"),
        ("\t36005,36061", "\t", "line 7 is a city without counties"),
        ("\t36005,36061", "", "line 7 does not have 6 fields"),
        ("\t36005,36061", "\t36005\t36061", "line 7 does not have 6 fields"),
        ("state\tNY", "state\tCA", "lists the area 'CA' twice"),
        (TABLE, TABLE.splitlines()[0], "lists no areas"),
        (TABLE, "", "has no column 'level'"),
    ],
)
def test_a_wrong_table_is_refused(path, before, after, complaint):
    assert before in TABLE
    path.write_text(TABLE.replace(before, after, 1))
    with pytest.raises(InputError, match=complaint) as caught:
        read_areas(path)
    assert str(path) in str(caught.value)


def test_an_absent_table_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.tsv: cannot be read"):
        read_areas(tmp_path / "nowhere.tsv")


def test_select_takes_lists_and_all_in_the_order_of_the_table(path):
    areas = read_areas(path)
    assert names(select(areas, dict.fromkeys(FOLDERS.values(), "all"))) == names(areas)
    chosen = select(areas, {"districts": "all", "states": ["NY", "CA"], "cities": []})
    assert names(chosen) == ["CA", "NY", "CA-01", "NY-12"]
    assert select(areas, {}) == []


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"states": ["NV"]}, "areas.states: no area 'NV'; did you mean NY"),
        ({"states": ["ca"]}, "no area 'ca'; did you mean CA"),
        ({"districts": ["CA-1"]}, "no area 'CA-1'; did you mean CA-01"),
        ({"cities": ["Boston"]}, "no area 'Boston'; see the 1 of this level"),
        ({"states": [6]}, "no area 6; "),
        ({"states": ["CA-01"]}, "areas.states: no area 'CA-01'"),
        ({"states": "CA"}, "areas.states: 'CA' is no list; write \\[CA\\]"),
        ({"counties": "all"}, "areas.counties: no such level"),
    ],
)
def test_an_unknown_area_or_level_is_refused_with_a_suggestion(path, wanted, complaint):
    with pytest.raises(InputError, match=complaint):
        select(read_areas(path), wanted)


@pytest.mark.parametrize("at_a_time", [1, 2, 1_000])
def test_the_columns_of_an_area_are_those_whose_place_lies_in_it(
    path, tmp_path, monkeypatch, at_a_time
):
    monkeypatch.setattr(module, "READ_COLUMNS", at_a_time)
    county = np.array([b"06037", b"36005", b"36061", b"36001", b"06001"])
    geography = Geography(
        n_households=5,
        n_clones=1,
        household=np.arange(5, dtype=np.int32),
        clone=np.zeros(5, dtype=np.int32),
        state=np.array([6, 36, 36, 36, 6], dtype=np.int32),
        district=np.array([601, 3612, 3615, 3620, 612], dtype=np.int32),
        county=county,
        block=np.strings.add(county, b"0000000000"),
        design_weight=np.ones(5),
    )
    stored = tmp_path / "geography.h5"
    write_geography(stored, geography, {})
    all_of_them, most = np.ones(5, dtype=bool), np.array([True, False, True, True, True])
    found = {area.area: find_columns(stored, area, all_of_them) for area in read_areas(path)}
    for area in read_areas(path):
        columns = found[area.area]
        assert find_columns(stored, area, most).tolist() == [n for n in columns if n != 1]
        read = read_columns(stored, columns)
        assert read.block.tolist() == geography.block[columns].tolist()
        assert read.household.tolist() == columns.tolist()
    with pytest.raises(InputError, match="has 5 columns, but the weights are 4;"):
        find_columns(stored, area, most[:4])
    found = {area: columns.tolist() for area, columns in found.items()}
    assert found == {
        "US": [0, 1, 2, 3, 4],
        "CA": [0, 4],
        "NY": [1, 2, 3],
        "CA-01": [0],
        "NY-12": [1],
        "NYC": [1, 2],
    }


def test_reading_areas_does_not_import_numpy(path):
    code = (
        "import sys; from localcal.geography.areas import read_areas, select; "
        f"select(read_areas({str(path)!r}), {{'states': 'all'}}); "
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
