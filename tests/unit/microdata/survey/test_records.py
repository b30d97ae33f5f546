"""The extract is read, or refused by line."""

import gzip

import pytest

from localcal.errors import InputError
from localcal.microdata.survey.records import read_records
from tests.survey_case import survey_folder, written_units


def read(tmp_path, table):
    return read_records(survey_folder(tmp_path / "survey", table) / "households.csv.gz")


def test_households_are_numbered_in_the_order_of_their_first_rows(tmp_path):
    table = written_units({"h_seq": 9}, {"h_seq": 2}, {"h_seq": 2}, {"h_seq": 9, "FLPDYR": 2014})
    records = read(tmp_path, table)
    assert records["household"].tolist() == [0, 1, 1, 2]
    assert records["weight"].dtype.kind == "f"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("weight", 0.0, "line 3 has the weight 0.0"),
        ("fips", 3, "line 3 has the fips 3"),
        ("MARS", 5, "line 3 has the MARS 5"),
        ("nu06", 1, "line 3 has the nu06 1"),
        ("nu13", 1, "line 3 has the nu13 1"),
        ("n24", 1, "line 3 has the n24 1"),
        ("e00300", -1, "line 3 has the e00300 -1"),
        ("age_head", -1, "line 3 has the age_head -1"),
        ("e02300", 0.5, "e02300 is not a whole number in every line"),
        ("e02300", "much", "e02300 is not a whole number in every line"),
    ],
)
def test_what_cannot_be_is_named_by_line(tmp_path, name, value, said):
    table = written_units({}, {}, {}).astype({name: object})
    table.loc[1, name] = value
    with pytest.raises(InputError, match=f"households.csv.gz: {said}.*; make it again"):
        read(tmp_path, table)


def test_a_household_has_one_weight_and_one_state(tmp_path):
    for name, other in (("weight", 7.0), ("fips", 36)):
        table = written_units({}, {"h_seq": 1, name: other})
        with pytest.raises(InputError, match=f"line 3 has the {name} .*is not the household's"):
            read(tmp_path, table)


def test_losses_are_possible_in_businesses_only(tmp_path):
    assert read(tmp_path, written_units({"e00900p": -500, "e02100s": -1}))["e00900p"].item() == -500


def test_a_file_that_is_missing_cut_or_lacks_a_column_is_refused(tmp_path):
    table = written_units({}, {})
    path = survey_folder(tmp_path / "survey", table.drop(columns="e00300")) / "households.csv.gz"
    with pytest.raises(InputError, match=r"damaged, no such table \(.*e00300"):
        read_records(path)
    survey_folder(tmp_path / "survey", table)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged, no such table"):
        read_records(path)
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(InputError, match="damaged, no such table"):
        read_records(path)
    path.unlink()
    with pytest.raises(InputError, match=r"no such file; correct population\.survey"):
        read_records(path)
