"""What is frozen once per run."""

from dataclasses import replace

import numpy as np
import pytest

from localcal.clones import freeze, sums
from localcal.clones.follow import follow_values
from localcal.clones.freeze import freeze_values
from localcal.clones.frozen import read_frozen
from localcal.clones.locate import locate
from localcal.errors import InputError
from localcal.geography.geography import take_columns, write_geography
from localcal.population.dataset import write_population
from localcal.population.population import one_person_per_state
from localcal.targets.table import write_targets
from tests.households import RATES_HEADER, random_places, random_population, targets_for
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


def test_where_nobody_at_all_counts_a_sum_is_nothing_as_it_is_for_all_together(located):
    population, places = located
    rich = np.full(population.count("person"), 1e6, dtype=np.float32)
    population = population.with_values("person", {"employment_income": rich})
    frozen = freeze_values(population, places, ["medicaid"], None, 0, StandIn())
    assert not frozen.variables["medicaid_denominator"].any()
    later = follow_values(population, places, frozen, StandIn())
    assert not any(by_state.any() for by_state in later["medicaid_denominator"].values())


def test_a_state_without_anybody_to_sum_over_gets_as_much_per_household_as_the_others(caplog):
    """Or the first who is enrolled in a later year would get all that the state spends."""
    population = one_person_per_state(2024, [1, 6, 36])
    population = population.with_values(
        "household", {"household_weight": np.array([3.0, 5.0, 4.0], dtype=np.float32)}
    )
    income = np.array([0, 1e6, 0], dtype=np.float32)
    population = population.with_values("person", {"employment_income": income})
    places = replace(
        random_places(population, 1, seed=35), state=np.array([1, 6, 36], dtype=np.int32)
    )
    frozen = freeze_values(population, places, ["medicaid"], None, 0, StandIn())
    assert frozen.variables["medicaid_denominator"][[1, 6, 36]].tolist() == [3.0, 5.0, 4.0]
    assert "nobody in states 6 counts towards medicaid_denominator" in caplog.text


def test_columns_that_stand_for_their_state_weigh_as_much_as_all_of_it(monkeypatch):
    """Or a state's Medicaid dollars would be spread over too few enrollees."""
    monkeypatch.setattr(sums, "COLUMNS_PER_STATE", 7)
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


def test_a_state_whose_columns_weigh_nothing_counts_for_nothing():
    """Its weights are left alone: there is nothing to scale them by."""
    population = random_population(20, seed=34)
    places = random_places(population, 3, seed=34)
    weightless = replace(places, design_weight=np.where(places.state == 6, 0, 5.0))
    frozen = freeze_values(population, weightless, ["age"], None, 0, StandIn())
    assert frozen.variables["medicaid_denominator"][6] == 0
    assert frozen.variables["medicaid_denominator"].any()


def test_what_is_frozen_from_files_is_what_is_frozen_from_their_content(tmp_path, located):
    population, places = located
    targets = targets_for(places, [("medicaid", 0, []), ("snap", 0, [])])
    rates = tmp_path / "rates.csv"
    rates.write_text(RATES_HEADER + "takes_up_snap_if_eligible,spm_unit,,0.7,,x\n")
    inputs = {name: tmp_path / name for name in ("population", "geography", "targets")}
    write_population(inputs["population"], population)
    write_geography(inputs["geography"], places, {})
    write_targets(targets, inputs["targets"])
    freeze.freeze_from_files(
        freeze.FreezeInputs(**inputs, rates=rates), 9, StandIn(), tmp_path / "frozen.h5"
    )
    found = read_frozen(tmp_path / "frozen.h5")
    expected = freeze_values(population, places, ["medicaid"], rates, 9, StandIn())
    assert found.seed == 9 and [rate.variable for rate in found.take_up] == [
        "takes_up_snap_if_eligible"
    ]
    assert np.array_equal(
        found.variables["medicaid_denominator"], expected.variables["medicaid_denominator"]
    )
    # Whatever a target in the file needs has to be possible to freeze.
    write_targets(targets_for(places, [("income_rank", 0, [])]), inputs["targets"])
    with pytest.raises(InputError, match="targets on 'income_rank' need 'income_rank'"):
        freeze.freeze_from_files(
            freeze.FreezeInputs(**inputs, rates=rates), 9, StandIn(), tmp_path / "frozen.h5"
        )


def test_a_state_of_one_person_is_frozen_like_any_other():
    population = one_person_per_state(2024, [1, 6])
    population = population.with_values("household", {"household_weight": np.array([3.0, 5.0])})
    places = random_places(population, 1, seed=35)
    places = replace(places, state=np.array([36, 56], dtype=np.int32))
    frozen = freeze_values(population, places, ["medicaid"], None, 0, StandIn())
    assert frozen.variables["medicaid_denominator"][[36, 56]].tolist() == [3.0, 5.0]
