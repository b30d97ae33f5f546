"""Columns that need not be simulated from scratch.

Clones of a household in the same state differ in nothing but their county, their district, their
take-up draws and their ids, and most of what the model calculates reads none of these. So one clone
of each household and state is simulated first. Then all clones are, given what was calculated for
their representative and does not depend on the inputs in which they differ.

How columns are cut into simulations changes no value; it bounds memory. A simulation of all states
evaluates every state's programmes for everybody, a few states at a time only theirs; but each takes
a second for its thousands of formulas, whatever its size. So the more columns, the cheaper each.
"""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import numpy as np

from localcal.engine.protocol import Engine, Simulation, at_columns
from localcal.geography.codes import STATE_CODES
from localcal.geography.geography import Geography, few_states_at_a_time, take_columns
from localcal.population.dataset import entity_of_column, id_columns
from localcal.population.population import ENTITIES, Population

# Columns simulated from scratch at a time, at some 200 kB each.
FULLY_SIMULATED = 1_500

# Most columns at a time that take over what their representatives share, at some 50 kB each.
PARTLY_SIMULATED = 15_000

# A second simulation costs about half of a first one; it has to replace more than that.
LARGEST_SHARE = 0.4


class Part(NamedTuple):
    """Columns simulated together.

    Attributes:
        columns: (n,) their positions among the chunk's.
        clones: their households.
        simulation: the households in the model.
    """

    columns: np.ndarray
    clones: Population
    simulation: Simulation


def simulate_parts(
    places: Geography,
    located: Callable[[Geography], Population],
    calculated: Collection[str],
    neutralized: Collection[str],
    engine: Engine,
) -> Iterator[Part]:
    """Yield simulations that together cover every column once.

    Args:
        places: the columns, (n,).
        located: returns the clones of some columns, ready for the model.
        calculated: the variables that will be asked for.
        neutralized: the variables that will be neutralised.
        engine: the model.
    """
    representative = representatives(places)
    for block in blocks(places.state, places.household, representative):
        alone, of_column = np.unique(representative[block], return_inverse=True)
        first = located(take_columns(places, alone))
        simulation = engine.simulate(first)
        if alone.size == block.size:
            yield Part(block, first, simulation)
            simulation.close()
            continue
        with at_columns(alone):
            for variable in sorted(calculated):
                simulation.calculate(variable)
        clones = located(take_columns(places, block))
        changed = changed_inputs(first, clones, units_of(first, clones, of_column))
        common = simulation.share(changed, neutralized)
        simulation.close()
        for group in few_states_at_a_time(places.state[block], PARTLY_SIMULATED):
            clones = located(take_columns(places, block[group]))
            units = units_of(first, clones, of_column[group])
            simulation = engine.simulate(clones, common, units)
            yield Part(block[group], clones, simulation)
            simulation.close()


def representatives(places: Geography) -> np.ndarray:
    """Return for each column the first one of the same household and state, (n,).

    Or the column itself, for all, where too few are alike for that to pay.
    """
    pair = places.household.astype(np.int64) * STATE_CODES + places.state
    _, first, of_column = np.unique(pair, return_index=True, return_inverse=True)
    if first.size > LARGEST_SHARE * pair.size:
        return np.arange(pair.size)
    return first[of_column]


def blocks(
    state: np.ndarray, household: np.ndarray, representative: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield the columns of a few states at a time, with up to FULLY_SIMULATED representatives.

    Columns come in ascending order, with all that have the same representative.
    """
    alone = np.flatnonzero(representative == np.arange(representative.size))
    by_state = alone[np.lexsort((household[alone], state[alone]))]
    position = np.empty(representative.size, dtype=np.int64)
    position[by_state] = np.arange(by_state.size)
    n_blocks = -(-by_state.size // FULLY_SIMULATED)
    block = position[representative] * n_blocks // by_state.size
    for number in range(n_blocks):
        yield np.flatnonzero(block == number)


def units_of(first: Population, clones: Population, of_column: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each unit of the clones the unit of the representatives that it is a copy of.

    Args:
        first: the representatives' households.
        clones: the clones' households.
        of_column: (clones,) the representative of each clone.
    """
    units = {}
    for entity in ENTITIES:
        household = clones.household_of[entity]
        within = np.arange(household.size) - clones.starts[entity][household]
        units[entity] = first.starts[entity][of_column[household]] + within
    return units


def changed_inputs(first: Population, clones: Population, units: dict[str, np.ndarray]) -> set[str]:
    """Return the inputs, ids among them, in which a clone differs from its representative."""
    before = id_columns(first) | dict(first.values)
    after = id_columns(clones) | dict(clones.values)
    return {
        name
        for name, values in after.items()
        if not np.array_equal(before[name][units[entity_of_column(clones, name)]], values)
    }
