"""Given places, whatever the kind of file."""

import pytest

from localcal.errors import InputError
from localcal.geography.geography import write_geography
from localcal.geography.given import load_geography
from tests.places_case import assign, given_households, given_table, make_households, same


def test_our_own_file_is_taken_with_its_design_weights(tables, tmp_path):
    households = make_households(200)
    geography = assign(households, tables, state_exponent=-0.3)
    write_geography(tmp_path / "geography.h5", geography, {})
    assert same(load_geography(tmp_path / "geography.h5", households, 4), geography)


def test_our_own_file_of_another_size_is_refused_with_both_numbers(tables, tmp_path):
    write_geography(tmp_path / "geography.h5", assign(make_households(20), tables), {})
    with pytest.raises(InputError, match=r"20 households x 4 clones = 80 .* has 20 x 5 = 100"):
        load_geography(tmp_path / "geography.h5", make_households(20), 5)


def test_our_own_file_of_another_population_is_noticed_by_its_weights(tables, tmp_path, caplog):
    households = make_households(200)
    write_geography(tmp_path / "geography.h5", assign(households, tables), {})
    heavier = households.assign(household_weight=households["household_weight"] * 2)
    load_geography(tmp_path / "geography.h5", heavier, 4)
    assert "design weights sum to 0.5" in caplog.text
    households.loc[3, "household_weight"] = 0.0
    with pytest.raises(InputError, match="column 12 has design weight .* its household 0.0"):
        load_geography(tmp_path / "geography.h5", households, 4)


def test_repeated_districts_in_a_given_file_are_counted(tmp_path, caplog):
    table = given_table().assign(block="010010201001000", district=101)
    table.to_csv(tmp_path / "a.csv", index=False)
    geography = load_geography(tmp_path / "a.csv", given_households(), 2)
    assert (geography.district == 101).all()
    assert "3 of 6 columns repeat a district of their household" in caplog.text


def test_a_district_of_another_congress_is_named(tables, tmp_path):
    households = make_households(5)
    geography = assign(households, tables)
    geography.district[geography.district == 3604] = 3627
    write_geography(tmp_path / "given.h5", geography, {})
    column = geography.district.tolist().index(3627)
    population = tables["district_population"]
    message = (
        rf"given\.h5: column {column} lies in district 3627, which is not one of the 8 of "
        rf".*population\.csv \(1 such: 3627\); is the file of another Congress than the 119th\?"
    )
    with pytest.raises(InputError, match=message):
        load_geography(tmp_path / "given.h5", households, 4, population)
    geography.district[geography.district == 3627] = 3604
    write_geography(tmp_path / "given.h5", geography, {})
    assert same(load_geography(tmp_path / "given.h5", households, 4, population), geography)
