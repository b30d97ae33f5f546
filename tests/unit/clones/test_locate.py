"""A column of the matrix as a household: what the model is told about its place."""

from dataclasses import replace

import numpy as np
import pytest

from localcal.clones.frozen import Frozen
from localcal.clones.locate import GIVEN_PLACES, locate
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


def test_ids_count_from_one_or_from_where_they_are_told_to(population, places):
    """Not from 0, which the model reads as nobody."""
    clones = locate(population, places, NOTHING, np.ones(40))
    assert all(ids[0] == 1 and (np.diff(ids) == 1).all() for ids in clones.ids.values())
    first = {entity: 100 * number + 7 for number, entity in enumerate(clones.ids)}
    clones = locate(population, places, NOTHING, np.ones(40), first)
    assert {entity: ids[0] for entity, ids in clones.ids.items()} == first
