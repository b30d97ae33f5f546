"""Simulating what repeats once must not show in any value."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import localcal.matrix.alike
from localcal.clones.frozen import Frozen
from localcal.clones.locate import locate
from localcal.clones.take_up import TakeUpRate
from localcal.geography.geography import few_states_at_a_time, take_columns
from localcal.matrix.alike import blocks, changed_inputs, representatives, units_of
from localcal.matrix.chunk import evaluate_columns
from localcal.population.population import ENTITIES
from tests.households import random_places, random_population, targets_for
from tests.standin_engine import StandIn

CLONES = 24


@pytest.fixture(scope="module")
def population():
    return random_population(9, seed=31)


@pytest.fixture(scope="module")
def places(population):
    return random_places(population, CLONES, seed=32)


@pytest.fixture(scope="module")
def frozen():
    rates = [
        TakeUpRate("takes_up_snap_if_eligible", "spm_unit", np.full(57, 0.6), ""),
        TakeUpRate("takes_up_medicaid_if_eligible", "person", np.full(57, 0.5), ""),
    ]
    denominator = np.arange(57, dtype=np.float32) * 1e4 + 1e5
    return Frozen(
        tuple(rates), {"medicaid_denominator": denominator}, {"medicaid_denominator": "person"}, 4
    )


@pytest.fixture(scope="module")
def targets(places):
    return targets_for(places)


@pytest.fixture(scope="module")
def plain(population, places, frozen, targets):
    """Return the entries of columns that are all simulated from scratch, at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(localcal.matrix.alike, "LARGEST_SHARE", 0.0)
        patch.setattr(localcal.matrix.alike, "FULLY_SIMULATED", 10**6)
        return evaluate_columns(population, places, frozen, targets, StandIn())


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(1, 250), st.sampled_from([0.0, 0.4, 1.0]))
def test_how_columns_are_cut_into_simulations_does_not_show(
    population, places, frozen, targets, plain, fully, partly, share
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(localcal.matrix.alike, "FULLY_SIMULATED", fully)
        patch.setattr(localcal.matrix.alike, "PARTLY_SIMULATED", partly)
        patch.setattr(localcal.matrix.alike, "LARGEST_SHARE", share)
        ours = evaluate_columns(population, places, frozen, targets, StandIn())
    for name in ("data", "indices", "indptr"):
        assert np.array_equal(getattr(ours, name), getattr(plain, name)), name
    assert plain.nnz > 1_000


def test_only_representatives_are_simulated_from_scratch(population, places, frozen, targets):
    class Counting(StandIn):
        scratch = shared = 0

        def simulate(self, population, common=None, units=None):
            if common is None:
                Counting.scratch += population.count("household")
            else:
                Counting.shared += population.count("household")
            return super().simulate(population, common, units)

    evaluate_columns(population, places, frozen, targets, Counting())
    pairs = np.unique(np.stack([places.household, places.state]), axis=1).shape[1]
    assert Counting.scratch == pairs < 0.4 * places.household.size
    assert Counting.shared == places.household.size


def test_where_nothing_repeats_all_columns_are_simulated_from_scratch(population, places):
    some = take_columns(places, np.arange(0, places.household.size, CLONES))
    assert representatives(some).tolist() == list(range(9))


def test_a_representative_is_the_first_of_its_household_and_state(places):
    chosen = representatives(places)
    assert (places.household[chosen] == places.household).all()
    assert (places.state[chosen] == places.state).all()
    assert (chosen <= np.arange(chosen.size)).all()
    assert (chosen[chosen] == chosen).all()


@pytest.mark.parametrize("fully", [1, 3, 7, 1_000])
def test_blocks_hold_every_column_once_and_few_states_each(places, monkeypatch, fully):
    monkeypatch.setattr(localcal.matrix.alike, "FULLY_SIMULATED", fully)
    chosen = representatives(places)
    found = list(blocks(places.state, places.household, chosen))
    assert np.array_equal(np.sort(np.concatenate(found)), np.arange(places.household.size))
    for block in found:
        assert (np.diff(block) > 0).all()
        assert np.unique(chosen[block]).size <= fully
        assert np.isin(chosen, chosen[block]).sum() == block.size
    states = [np.unique(places.state[block]) for block in found]
    assert all(before.max() <= after.min() for before, after in itertools.pairwise(states))


def test_groups_hold_every_column_once_and_few_states_each(places):
    found = list(few_states_at_a_time(places.state, 60))
    assert np.array_equal(np.sort(np.concatenate(found)), np.arange(places.state.size))
    assert max(group.size for group in found) <= 60
    assert all(np.unique(places.state[group]).size <= 2 for group in found)
    assert all((np.diff(group) > 0).all() for group in found)


def test_units_point_at_the_representative_s_units(population, places, frozen):
    chosen = representatives(places)
    alone, of_column = np.unique(chosen, return_inverse=True)
    ones = np.ones(places.household.size)
    first = locate(population, take_columns(places, alone), frozen, ones[: alone.size])
    clones = locate(population, places, frozen, ones)
    units = units_of(first, clones, of_column)
    assert set(units) == set(ENTITIES)
    age, income = "age", "employment_income"
    for name in (age, income):
        assert np.array_equal(first.values[name][units["person"]], clones.values[name])
    changed = changed_inputs(first, clones, units)
    assert {"takes_up_snap_if_eligible", "congressional_district_geoid"} <= changed
    # What was calculated from an id of the representative's is not the clone's.
    assert {"person_id", "tax_unit_id", "person_household_id"} <= changed
    assert not changed & {"age", "employment_income", "state_fips", "medicaid_denominator"}
