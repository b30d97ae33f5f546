"""A column of the matrix as a household: what the model is told about its place."""

from dataclasses import replace

import numpy as np
import pytest

from localcal.clones.frozen import Frozen
from localcal.clones.locate import GIVEN_PLACES, locate
from localcal.errors import InputError
from localcal.geography.geography import take_columns
from tests.households import random_places, random_population

NOTHING = Frozen((), {}, {}, 0)


@pytest.fixture
def population():
    return random_population(8, seed=61)


@pytest.fixture
def places(population):
    return random_places(population, 5, seed=62)


def test_counties_are_five_characters_with_their_zero(population, places):
    clones = locate(population, places, NOTHING, np.ones(40))
    county = clones.values["county_fips"]
    assert county.dtype == np.dtype("S5")
    assert np.array_equal(county, places.county)
    assert b"06001" in county


def test_what_the_survey_says_of_its_own_place_is_replaced(population, places):
    own = {"county_fips": np.full(8, b"06037"), "block_geoid": np.full(8, b"060370000000001")}
    clones = locate(population.with_values("household", own), places, NOTHING, np.ones(40))
    assert set(GIVEN_PLACES) <= clones.values.keys()
    assert np.array_equal(clones.values["state_fips"], places.state)
    assert np.array_equal(clones.values["county_fips"], places.county)
    assert np.array_equal(clones.values["congressional_district_geoid"], places.district)
    assert (clones.values["block_geoid"] == b"").all()


def test_a_clone_does_not_depend_on_the_others_in_its_chunk(population, places):
    """Neither does it if somebody lives in Los Angeles: its county may be a special one."""
    angeles = replace(places, county=np.where(places.state == 6, b"06037", places.county))
    for some in (places, angeles):
        whole = locate(population, some, NOTHING, np.ones(40))
        for column in (0, 17, 39):
            alone = locate(population, take_columns(some, np.array([column])), NOTHING, np.ones(1))
            for name, values in alone.values.items():
                starts = whole.starts[whole.entity[name]]
                part = whole.values[name][starts[column] : starts[column + 1]]
                assert np.array_equal(values, part), name


def test_an_unknown_block_is_left_empty(population, places):
    clones = locate(population, places, NOTHING, np.ones(40))
    assert (clones.values["block_geoid"] == b"").all()
    known = replace(places, block=np.full(40, b"360610001001000"))
    clones = locate(population, known, NOTHING, np.ones(40))
    assert (clones.values["block_geoid"] == b"360610001001000").all()


def test_ids_count_through_all_columns_from_one(population, places):
    """Not from 0, which the model reads as nobody."""
    clones = locate(population, places, NOTHING, np.ones(40))
    assert all(ids[0] == 1 and (np.diff(ids) == 1).all() for ids in clones.ids.values())


def test_a_clone_has_the_same_ids_whoever_else_is_there(population, places):
    whole = locate(population, places, NOTHING, np.ones(40))
    columns = np.array([38, 3, 17, 18])
    some = locate(population, take_columns(places, columns), NOTHING, np.ones(4))
    for entity, ids in whole.ids.items():
        of_column = np.split(ids, whole.starts[entity][1:-1])
        expected = np.concatenate([of_column[column] for column in columns])
        assert np.array_equal(some.ids[entity], expected), entity


def test_more_clones_than_the_model_has_ids_are_refused(population, places):
    persons = population.count("person")
    fits = replace(places, n_clones=(2**31 - 1) // persons)
    assert locate(population, fits, NOTHING, np.ones(40)).ids["person"].max() < 2**31
    with pytest.raises(InputError, match=r"geography.clones: .* ask for fewer"):
        locate(population, replace(fits, n_clones=fits.n_clones + 1), NOTHING, np.ones(40))
