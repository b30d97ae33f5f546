"""What is frozen once per run."""

import numpy as np
import pytest

from localcal.clones.freeze import freeze_values
from localcal.clones.frozen import read_frozen, write_frozen
from localcal.clones.locate import locate
from localcal.errors import InputError
from localcal.geography.geography import take_columns
from tests.households import random_places, random_population
from tests.standin_engine import StandIn

HEADER = "variable,entity,state,rate,reported,source\n"


@pytest.fixture
def located():
    population = random_population(80, seed=31)
    return population, random_places(population, 4, seed=31)


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


def test_frozen_values_survive_their_file(tmp_path, located):
    population, places = located
    (tmp_path / "rates.csv").write_text(
        HEADER + "takes_up_snap_if_eligible,spm_unit,,0.7,,x\n"
        "takes_up_medicaid_if_eligible,person,36,0.9,,x\n"
        "takes_up_medicaid_if_eligible,person,,0.4,,x\n"
    )
    frozen = freeze_values(population, places, [], tmp_path / "rates.csv", 5, StandIn())
    write_frozen(tmp_path / "frozen.h5", frozen)
    again = read_frozen(tmp_path / "frozen.h5")
    assert again.seed == 5
    rates = {rate.variable: rate.rate for rate in again.take_up}
    assert rates["takes_up_medicaid_if_eligible"][36] == 0.9
    assert rates["takes_up_medicaid_if_eligible"][35] == 0.4
    assert again.entity == {"medicaid_denominator": "person"}
    assert np.array_equal(
        again.variables["medicaid_denominator"], frozen.variables["medicaid_denominator"]
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("takes_up_nothing,person,,0.5,,x", "no take-up variable 'takes_up_nothing'"),
        ("takes_up_snap_if_eligible,spm_unit,,1.5,,x", "1.5 is not between 0 and 1"),
        ("takes_up_snap_if_eligible,spm_unit,,many,,x", "'many' is not a number"),
        ("takes_up_snap_if_eligible,spm_unit,99,0.5,,x", "state '99'"),
        ("takes_up_snap_if_eligible,spm_unit,6,0.5,,x", "no rate for state 1"),
        ("takes_up_snap_if_eligible,person,,0.5,,x", "belongs to a spm_unit, not person"),
    ],
)
def test_wrong_rates_are_refused_by_name(tmp_path, located, row, message):
    population, places = located
    (tmp_path / "rates.csv").write_text(HEADER + row + "\n")
    with pytest.raises(InputError, match=message):
        freeze_values(population, places, [], tmp_path / "rates.csv", 0, StandIn())


def test_a_table_of_rates_without_a_column_is_refused(tmp_path, located):
    (tmp_path / "rates.csv").write_text("variable,rate\nx,0.1\n")
    with pytest.raises(InputError, match=r"rates\.csv: lacks the column"):
        freeze_values(*located, [], tmp_path / "rates.csv", 0, StandIn())


def test_something_else_is_not_taken_for_frozen_values(tmp_path):
    (tmp_path / "frozen.h5").write_text("x")
    with pytest.raises(InputError, match=r"frozen\.h5"):
        read_frozen(tmp_path / "frozen.h5")
