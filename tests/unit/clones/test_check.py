"""Places that the model would read as others, and units it cannot calculate with."""

from dataclasses import replace

import numpy as np
import pytest

from localcal.clones.check import check_places, warn_of_absent_districts
from localcal.clones.freeze import freeze_values
from localcal.errors import InputError
from tests.households import random_places, random_population, targets_for
from tests.standin_engine import StandIn


def test_places_that_the_model_knows_pass(located):
    check_places(*located, StandIn())


def test_a_county_that_the_model_does_not_know_is_named(located):
    population, places = located
    block = places.block.copy()
    block[[7, 9]] = b"091100000000000"
    block[12] = b"461130000000000"
    moved = replace(places, block=block, county=block.astype("S5"))
    message = (
        r"column 7 lies in county 09110, which the model \(stand-in 1\) does not know: 09110 is "
        r"Capitol Planning Region, CT, which was made of 09001 .*\(3 columns lie in 2 such "
        r"counties: 09110, 46113\); in geography\.path or geography\.places use the codes"
    )
    with pytest.raises(InputError, match=message):
        freeze_values(population, moved, [], None, 0, StandIn())


def test_a_county_that_never_was_one_is_named(located):
    population, places = located
    moved = replace(places, county=np.full(len(places), b"36999"))
    engine = StandIn()
    engine.unknown_counties = set
    with pytest.raises(InputError, match="column 0 lies in .*: 36999 is no county's code"):
        check_places(population, moved, engine)


def test_a_population_that_stores_its_own_places_is_refused(located):
    """A clone elsewhere would take them along."""
    population, places = located
    inside = np.ones(population.count("household"), dtype=bool)
    stored = population.with_values("household", {"in_denver": inside})
    with pytest.raises(InputError, match=r"population\.h5: stores in_denver, which says where"):
        freeze_values(stored, places, [], None, 0, StandIn())


def test_a_unit_is_refused_if_a_target_needs_what_the_model_cannot_calculate(located):
    population, places = located
    age = np.full(population.count("person"), 40)
    age[population.membership["spm_unit"] == 11] = 12
    population = population.with_values("person", {"age": age})
    engine = StandIn()
    engine.of_age = 18
    unit = population.ids["spm_unit"][11]
    household = population.ids["household"][population.household_of["spm_unit"][11]]
    message = (
        rf"population\.h5: spm_unit {unit} of household {household} has nobody of age, so the "
        r"model cannot calculate 'snap' for it; correct .*targets\.exclude"
    )
    with pytest.raises(InputError, match=message):
        freeze_values(population, places, ["age", "snap"], None, 0, engine)
    freeze_values(population, places, ["age", "income_tax"], None, 0, engine)


def test_districts_that_have_targets_but_no_column_are_named(caplog):
    places = random_places(random_population(40, seed=3), 6, seed=3)
    targets = targets_for(places)
    warn_of_absent_districts(targets, places)
    assert not caplog.text
    district = targets["geographic_id"].mask(targets["geographic_id"] == "3601", "3627")
    warn_of_absent_districts(targets.assign(geographic_id=district), places)
    assert r"no column lies in 1 districts that have targets (3627)" in caplog.text
    assert "of another Congress" in caplog.text
