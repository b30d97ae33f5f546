"""What variables that look at the whole population come to, a few states at a time."""

import numpy as np
import pytest

from localcal.clones import sums
from localcal.clones.frozen import Frozen
from localcal.clones.locate import locate
from localcal.clones.sums import few_states, reaching_across, sample_states, sums_by_state
from localcal.population.population import PERSON
from tests.standin_engine import StandIn, StandInSimulation

BY_STATE, NATIONAL, UNSHARED = "medicaid_denominator", "national", "income_tax"
NOTHING = Frozen((), {}, {}, 0)


class Simulation(StandInSimulation):
    """Knows the number of persons in the nation besides, and who was simulated with whom."""

    def calculate(self, variable, year=None):
        if variable == NATIONAL:
            persons = self._population.household_of[PERSON]
            weight = self._population.values["household_weight"].astype(np.float64)[persons]
            return np.full(persons.size, weight.sum(), dtype=np.float32)
        return super().calculate(variable, year)


class Engine(StandIn):
    def __init__(self):
        super().__init__()
        self.states = []

    def variables(self):
        known = super().variables()
        return {**known, NATIONAL: known[BY_STATE]}

    def simulate(self, population, common=None, units=None):
        self.states.append(set(population.values["state_fips"].tolist()))
        return Simulation(self, population)


@pytest.fixture
def sample(located, monkeypatch):
    monkeypatch.setattr(sums, "COLUMNS_TOGETHER", 100)
    return sample_states(*located, NOTHING)


def test_a_sum_is_that_of_all_states_together(sample):
    engine = Engine()
    found = sums_by_state([BY_STATE], [], sample, engine)[BY_STATE]
    everybody = locate(sample.population, sample.places, NOTHING, sample.weight)
    values = Engine().simulate(everybody).calculate(BY_STATE)
    states = sample.places.state[everybody.household_of[PERSON]]
    assert np.array_equal(found[states], values)
    assert found.dtype == values.dtype
    assert np.count_nonzero(found) == np.unique(states).size
    assert len(engine.states) > 1
    assert sorted(state for some in engine.states for state in some) == sorted(np.unique(states))


def test_what_looks_at_other_states_is_found_and_calculated_for_all_at_once(sample):
    across = reaching_across([BY_STATE, NATIONAL], sample, Engine())
    assert across == {NATIONAL}
    found = sums_by_state([BY_STATE, NATIONAL], across, sample, Engine())
    persons = np.diff(sample.population.starts[PERSON])[sample.places.household]
    states = np.unique(sample.places.state)
    assert found[NATIONAL][states] == pytest.approx(persons @ sample.weight, rel=1e-6)
    assert np.count_nonzero(found[NATIONAL]) == states.size


def test_a_state_whose_units_differ_is_said_to(sample):
    found = sums_by_state([UNSHARED], [], sample, Engine())[UNSHARED]
    assert np.isnan(found[np.unique(sample.places.state)]).all()


def test_states_are_together_up_to_about_a_number_of_columns(monkeypatch):
    monkeypatch.setattr(sums, "COLUMNS_TOGETHER", 10)
    state = np.repeat([1, 2, 4, 6, 8], [4, 6, 3, 25, 1])
    assert list(few_states(state)) == [[1, 2], [4], [6, 8]]
    assert [s for some in few_states(state[::-1]) for s in some] == [1, 2, 4, 6, 8]
