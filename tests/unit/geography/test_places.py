"""Tables of places and of populations, good and bad."""

import gzip

import pytest

from localcal.errors import InputError
from tests.places_case import DISTRICTS, PLACES, assign, make_households, same


def test_the_order_of_rows_in_the_tables_does_not_matter(tables):
    expected = assign(make_households(100), tables)
    for path in tables.values():
        header, *rows = path.read_text().splitlines()
        path.write_text("\n".join([header, *rows[::-1]]) + "\n")
    assert same(assign(make_households(100), tables), expected)


def test_block_tables_with_other_column_names_and_compression_are_read(tables, tmp_path):
    blocks = {101: "010010201001000", 102: "010030101002001", 200: "020200001001003"}
    blocks |= {1198: "110010001011000"}
    blocks |= {code: f"36005{code:06d}1001" for code in (3601, 3602, 3603, 3604)}
    rows = "".join(f"{code},{block},0.5\n" for code, block in blocks.items())
    tables["places"] = tmp_path / "blocks.csv.gz"
    with gzip.open(tables["places"], "wt") as file:
        file.write("cd_geoid,block_geoid,probability\n" + rows)
    geography = assign(make_households(100), tables)
    expected = dict(zip(DISTRICTS, blocks.values(), strict=True))
    drawn = zip(geography.district, geography.block, strict=True)
    assert {(code, block.decode()) for code, block in drawn} == set(expected.items())


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("01001,0.25", "01001,-0.25", "line 2 has a share that is not 0 or more"),
        ("01001,0.25", "01001,nan", "line 2 has a share"),
        ("01001,0.25", "01001,", "line 2 has a share"),
        ("01001,0.25", "01001,a lot", "line 2 has a share"),
        ("102,01003", "102,1003", "line 4 has the county_fips '1003', which is not 5 digits"),
        ("102,01003", "1O2,01003", "line 4 has the district '1O2', which is not a whole number"),
        ("102,01003", "102,02003", "line 4 puts block 020030000000000 into district 102"),
        ("101,01003,0.75", "101,01001,0.75", "line 3 repeats a district and place"),
        ("102,01003,1\n", "102,01003,0\n", "every share of district 102 is zero"),
        ("102,01003,1\n", "", "places.csv: has no district 102, which"),
        ("3604,36081", "3605,36081", "population.csv: has no district 3605, which"),
        ("share", "part", "has no column 'share' or 'probability'"),
        ("county_fips", "county", "has no column 'county_fips' or 'block_geoid'"),
        ("102,01003,1\n", "\n", "line 4 has the district '', which is not a whole number"),
        ("102,01003,1\n", "102,01003\n", "cannot be read as a table"),
        (PLACES, "", "cannot be read as a table"),
        (PLACES, "district,county_fips,share\n", "holds no rows"),
    ],
)
def test_a_wrong_places_table_is_refused_with_its_line(tables, before, after, complaint):
    content = tables["places"].read_text()
    assert before in content
    tables["places"].write_text(content.replace(before, after, 1))
    with pytest.raises(InputError, match=complaint) as caught:
        assign(make_households(5), tables)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("101,700000", "101,0", "line 2 has a population that is not above 0"),
        ("101,700000", "101,", "line 2 has a population"),
        ("102,400000", "101,400000", "line 3 repeats a district"),
        ("1198,680000", "201,680000", "line 5 repeats a district"),
        ("population", "people", "has no column 'population'"),
    ],
)
def test_a_wrong_population_table_is_refused_with_its_line(tables, before, after, complaint):
    path = tables["district_population"]
    content = path.read_text()
    assert before in content
    path.write_text(content.replace(before, after, 1))
    with pytest.raises(InputError, match=complaint):
        assign(make_households(5), tables)


def test_a_missing_table_is_named(tables, tmp_path):
    tables["places"] = tmp_path / "nowhere.csv"
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file"):
        assign(make_households(5), tables)


def test_a_truncated_gzip_table_is_named(tables, tmp_path):
    whole = gzip.compress(PLACES.encode() * 50)
    tables["places"] = tmp_path / "places.csv.gz"
    tables["places"].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"places\.csv\.gz: cannot be read"):
        assign(make_households(5), tables)
