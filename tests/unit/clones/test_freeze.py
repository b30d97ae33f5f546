"""What is frozen once per run."""

import numpy as np
import pytest

from localcal.clones import freeze
from localcal.clones.freeze import freeze_values
from localcal.clones.locate import locate
from localcal.errors import InputError
from localcal.geography.geography import take_columns
from localcal.population.population import one_person_per_state
from tests.households import random_places
from tests.standin_engine import StandIn


def test_parts_of_a_population_get_the_same_bits_as_the_whole(located):
    population, places = located
    engine = StandIn()
    frozen = freeze_values(population, places, ["medicaid"], None, 0, engine)
    random = np.random.default_rng(0)
    part = random.integers(0, 5, 320)

    def medicaid(rows):
        clones = locate(population, take_columns(places, rows), frozen, np.ones(rows.size))
        values = engine.simulate(clones).calculate("medicaid")
        return np.bincount(clones.household_of["person"], weights=values, minlength=rows.size)

    whole = medicaid(np.arange(320))
    assert whole.sum() > 0
    for number in range(5):
        rows = np.flatnonzero(part == number)
        assert np.array_equal(medicaid(rows), whole[rows])


def test_without_freezing_the_parts_would_differ(located):
    """The test above must be able to fail."""
    population, places = located
    engine = StandIn()
    nothing = freeze_values(population, places, [], None, 0, engine)
    nothing = type(nothing)((), {}, {}, 0)
    clones = locate(population, places, nothing, np.ones(320))
    half = locate(population, take_columns(places, np.arange(160)), nothing, np.ones(160))
    whole = engine.simulate(clones).calculate("medicaid")[: half.count("person")]
    assert not np.array_equal(engine.simulate(half).calculate("medicaid"), whole)


def test_a_frozen_sum_is_the_design_weighted_sum_of_the_state(located):
    population, places = located
    engine = StandIn()
    frozen = freeze_values(population, places, [], None, 0, engine)
    clones = locate(population, places, type(frozen)((), {}, {}, 0), places.design_weight)
    enrolled = engine.simulate(clones).calculate("medicaid_enrolled")
    household = clones.household_of["person"]
    for state in np.unique(places.state):
        weight = places.design_weight[household] * (places.state[household] == state)
        expected = np.sum(weight * enrolled)
        assert frozen.variables["medicaid_denominator"][state] == pytest.approx(expected, rel=1e-5)


def test_a_target_on_a_rank_is_refused_and_one_beside_it_is_not(located):
    population, places = located
    with pytest.raises(InputError, match="'income_rank'.*cannot be frozen"):
        freeze_values(population, places, ["age", "income_rank"], None, 0, StandIn())
    frozen = freeze_values(population, places, ["age", "medicaid"], None, 0, StandIn())
    assert set(frozen.variables) == {"medicaid_denominator"}


def test_a_state_without_anybody_to_sum_over_is_refused_when_needed(located):
    population, places = located
    rich = np.full(population.count("person"), 1e6, dtype=np.float32)
    population = population.with_values("person", {"employment_income": rich})
    with pytest.raises(InputError, match="nobody in state"):
        freeze_values(population, places, ["medicaid"], None, 0, StandIn())
    assert not freeze_values(population, places, ["age"], None, 0, StandIn()).variables


def test_columns_that_stand_for_their_state_weigh_as_much_as_all_of_it(monkeypatch):
    """Or a state's Medicaid dollars would be spread over too few enrollees."""
    monkeypatch.setattr(freeze, "COLUMNS_PER_STATE", 7)
    weight = np.random.default_rng(3).gamma(1.0, 900.0, 60).astype(np.float32)
    population = one_person_per_state(2024, [1] * 60)
    population = population.with_values("household", {"household_weight": weight})
    places = random_places(population, 4, seed=33)
    # All live alone and without income, so the enrollees are the households.
    frozen = freeze_values(population, places, ["medicaid"], None, 0, StandIn())
    for state in np.unique(places.state):
        here = places.state == state
        assert np.count_nonzero(here) > 40
        assert frozen.variables["medicaid_denominator"][state] == pytest.approx(
            places.design_weight[here].sum(), rel=1e-5
        )
