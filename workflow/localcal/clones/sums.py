"""What variables that look at the whole population come to in every state.

A few states are simulated at a time: a formula that matters in one state is run for all that are in
the simulation, so that all states together take a quarter longer, and more memory.
"""

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from localcal.clones.frozen import Frozen
from localcal.clones.locate import locate
from localcal.engine.protocol import Engine
from localcal.geography.codes import STATE_CODES
from localcal.geography.geography import Geography, take_columns
from localcal.jobs.progress import Progress
from localcal.population.population import Population

# Columns that stand for the population of a state.
COLUMNS_PER_STATE = 200

# Columns of several states that are simulated together.
COLUMNS_TOGETHER = 3_000


@dataclass(frozen=True)
class Sample:
    """Columns that stand for the population of their states.

    Attributes:
        population: the base households.
        places: the columns in ascending order, (n,).
        weight: (n,) weights that keep every state's sum of design weights.
        frozen: the take-up rates of the run.
    """

    population: Population
    places: Geography
    weight: np.ndarray
    frozen: Frozen

    def of_states(self, states: Collection[int]) -> "Sample":
        """Return the columns of some states."""
        columns = np.flatnonzero(np.isin(self.places.state, list(states)))
        places = take_columns(self.places, columns)
        return Sample(self.population, places, self.weight[columns], self.frozen)


def sample_states(population: Population, geography: Geography, frozen: Frozen) -> Sample:
    """Return up to COLUMNS_PER_STATE evenly spaced columns of every state."""
    chosen, weights = [], []
    for state in np.unique(geography.state):
        members = np.flatnonzero(geography.state == state)
        kept = members[:: -(-members.size // COLUMNS_PER_STATE)]
        weight = geography.design_weight[kept]
        total = geography.design_weight[members].sum()
        chosen.append(kept)
        weights.append(weight * (total / weight.sum()) if weight.sum() > 0 else weight)
    columns = np.concatenate(chosen)
    order = np.argsort(columns)
    places = take_columns(geography, columns[order])
    return Sample(population, places, np.concatenate(weights)[order], frozen)


def sums_by_state(
    names: Collection[str],
    across: Collection[str],
    sample: Sample,
    engine: Engine,
    year: int | None = None,
) -> dict[str, np.ndarray]:
    """Return what the units of each state have in common, variable by variable.

    Args:
        names: the variables.
        across: those of them that look at other states too, see `reaching_across`.
        sample: the columns to sum over.
        engine: the model.
        year: the population's if none is given, else a later one.

    Returns:
        Each (STATE_CODES,): zero for states without columns, NaN for one whose units differ.

    Raises:
        InputError: the model cannot calculate a variable.
    """
    sums = _simulated(across, sample, engine, year) if across else {}
    within = set(names) - set(across)
    progress = Progress("states", np.unique(sample.places.state).size)
    for states in few_states(sample.places.state) if within else ():
        for name, by_state in _simulated(within, sample.of_states(states), engine, year).items():
            sums[name] = sums[name] + by_state if name in sums else by_state
        progress.advance(len(states))
    return sums


def few_states(state: np.ndarray) -> Iterator[list[int]]:
    """Yield states that have about COLUMNS_TOGETHER columns together, in ascending order."""
    states, sizes = np.unique(state, return_counts=True)
    block = (np.cumsum(sizes) - 1) // COLUMNS_TOGETHER
    for number in np.unique(block):
        yield states[block == number].tolist()


def reaching_across(names: Collection[str], sample: Sample, engine: Engine) -> set[str]:
    """Return the variables that look at other states too: all are needed at once for these.

    Found by the state with most columns, alone and beside the next one.

    Raises:
        InputError: the model cannot calculate a variable.
    """
    states, sizes = np.unique(sample.places.state, return_counts=True)
    largest = states[np.argsort(-sizes, kind="stable")][:2].tolist()
    if states.size == 1:
        return set()
    alone = _simulated(names, sample.of_states(largest[:1]), engine)
    beside = _simulated(names, sample.of_states(largest), engine)
    first = largest[0]
    return {
        name for name in names if not np.array_equal(alone[name][first], beside[name][first], True)
    }


def _simulated(
    names: Collection[str], sample: Sample, engine: Engine, year: int | None = None
) -> dict[str, np.ndarray]:
    """Return the sums of states that are simulated together."""
    located = locate(sample.population, sample.places, sample.frozen, sample.weight)
    sums = {}
    # Of its own, since a simulation keeps every year that it has calculated.
    with contextlib.closing(engine.simulate(located)) as simulation:
        for name in sorted(names):
            values = simulation.calculate(name, year)
            state = sample.places.state[located.household_of[engine.variables()[name].entity]]
            states, first, of_unit = np.unique(state, return_index=True, return_inverse=True)
            by_state = np.zeros(STATE_CODES, dtype=np.result_type(values, np.float32))
            by_state[states] = values[first]
            by_state[state[values != values[first][of_unit]]] = np.nan
            sums[name] = by_state
    return sums
