"""What is frozen, in the years after the run's."""

import numpy as np
import pytest

from localcal.clones import follow
from localcal.clones.follow import follow_from_files, follow_values
from localcal.clones.freeze import freeze_values
from localcal.clones.frozen import Frozen, read_frozen, write_frozen
from localcal.clones.locate import locate
from localcal.engine.protocol import CalculationError
from localcal.geography.codes import STATE_CODES
from localcal.geography.geography import write_geography
from localcal.population.dataset import write_population
from tests.standin_engine import StandIn, StandInSimulation


@pytest.fixture
def frozen(located):
    return freeze_values(*located, [], None, 0, StandIn())


def in_year(population, places, year):
    """Return the sum over everybody by state in a later year."""
    clones = locate(population, places, Frozen((), {}, {}, 0), places.design_weight)
    sums = StandIn().simulate(clones).calculate("medicaid_denominator", year)
    by_state = np.zeros(STATE_CODES)
    by_state[places.state[clones.household_of["person"]]] = sums
    return by_state


def test_a_frozen_sum_is_followed_into_the_next_years(located, frozen):
    followed = follow_values(*located, frozen, StandIn())["medicaid_denominator"]
    assert list(followed) == list(range(2025, 2035))
    for year in (2025, 2026, 2027, 2034):
        assert followed[year] == pytest.approx(in_year(*located, year), rel=1e-5)
    # What is not calculated lies between.
    assert followed[2029] == pytest.approx(
        followed[2027] + (followed[2034] - followed[2027]) * 2 / 7, rel=1e-5
    )
    # Incomes grow, so fewer enroll in the end.
    assert followed[2034].sum() < 0.95 * frozen.variables["medicaid_denominator"].sum()


def test_a_state_grows_no_more_unlike_the_nation_than_its_columns_can_tell():
    before = np.array([100.0, 100.0, 100.0, 0.0], dtype=np.float32)
    after = np.array([110.0, 300.0, 0.0, 20.0], dtype=np.float32)
    nation = 430 / 300
    assert follow._growth(before, after) == pytest.approx(
        [1.1, 1.5 * nation, nation, nation], rel=1e-6
    )


def test_a_state_whose_units_come_to_differ_grows_as_the_nation_does():
    before = np.array([100.0, 100.0], dtype=np.float32)
    after = np.array([110.0, np.nan], dtype=np.float32)
    assert follow._growth(before, after) == pytest.approx([1.1, 1.1], rel=1e-6)


def test_a_year_that_the_model_cannot_calculate_ends_what_files_hold_for(located, frozen, caplog):
    class ShortSighted(StandInSimulation):
        def calculate(self, variable, year=None):
            if year and year > 2026:
                raise CalculationError("no values beyond 2026")
            return super().calculate(variable, year)

    class Engine(StandIn):
        def simulate(self, population, common=None, units=None):
            return ShortSighted(self, population)

    later = follow_values(*located, frozen, Engine())
    assert list(later["medicaid_denominator"]) == [2025, 2026]
    assert "hold for the years to 2026 only: no values beyond 2026" in caplog.text


def test_files_are_followed_as_what_is_in_them(tmp_path, located, frozen):
    population, places = located
    files = {name: tmp_path / name for name in ("population", "geography", "frozen")}
    write_population(files["population"], population)
    write_geography(files["geography"], places, {})
    write_frozen(files["frozen"], frozen)
    follow_from_files(**files, engine=StandIn(), path=tmp_path / "later.h5")
    found = read_frozen(files["frozen"], tmp_path / "later.h5").later["medicaid_denominator"]
    expected = follow_values(population, places, frozen, StandIn())["medicaid_denominator"]
    assert list(found) == list(expected)
    assert all(np.array_equal(found[year], expected[year]) for year in found)
