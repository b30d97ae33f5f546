"""Clones of households at their places, as the model is given them.

This is the one place where a column of the matrix becomes a household: chunks simulate what it
returns, and area files store it.

Some formulas look at an id: the model draws by it in which months somebody is out of work, and
breaks ties by it. So ids belong to the column, as take-up draws do: those that its household and
its members would get if all columns of the run were counted through. A chunk, a part of one and an
area file hold some of the columns, and all name the same clone by the same ids.
"""

from dataclasses import replace

import numpy as np

from localcal.clones.frozen import Frozen
from localcal.clones.take_up import takes_up
from localcal.errors import InputError
from localcal.geography.codes import UNKNOWN_BLOCK
from localcal.geography.geography import Geography
from localcal.population.population import ENTITIES, PERSON, Population, clone_households

# What a clone is told about where it lives; the model works out the rest.
GIVEN_PLACES = ("state_fips", "county_fips", "congressional_district_geoid", "block_geoid")

# policyengine-us stores ids as int32.
LARGEST_ID = np.iinfo(np.int32).max


def locate(
    population: Population,
    places: Geography,
    frozen: Frozen,
    weight: np.ndarray,
) -> Population:
    """Return the clones of some columns, each at its place, ready for the model.

    Args:
        population: the base households; what they store of their own places, other than
            `GIVEN_PLACES`, a clone would take along, so `clones.places` refuses it before.
        places: the columns, (n,).
        frozen: take-up rates and whole-population variables of the run.
        weight: (n,) the household weight of each clone.

    Raises:
        InputError: the run has more clones of persons than there are ids.
    """
    clones = clone_households(population, places.household, dict.fromkeys(ENTITIES, 1))
    clones = replace(clones, ids=ids_of_columns(population, places))
    clones = clones.with_values("household", place_values(places))
    clones = clones.with_values("household", {"household_weight": weight.astype(np.float32)})
    household_id = population.ids["household"][places.household]
    taking: dict[str, dict[str, np.ndarray]] = {entity: {} for entity in ENTITIES}
    for rate in frozen.take_up:
        first = population.starts[rate.entity][places.household]
        clone, state = places.clone, places.state
        found = takes_up(clones, rate, household_id, clone, state, frozen.seed, first)
        # Each unit is of one of a variable's bases.
        others = taking[rate.entity].get(rate.variable, False)
        taking[rate.entity][rate.variable] = found | others
    for entity, values in taking.items():
        clones = clones.with_values(entity, values)
    later = {}
    for name, by_state in frozen.variables.items():
        entity = frozen.entity[name]
        state = places.state[clones.household_of[entity]]
        clones = clones.with_values(entity, {name: by_state[state]})
        later[name] = {year: there[state] for year, there in frozen.later.get(name, {}).items()}
    return replace(clones, later=later)


def ids_of_columns(population: Population, places: Geography) -> dict[str, np.ndarray]:
    """Return the ids of the clones' units, which count through all columns of the run from 1."""
    persons = population.count(PERSON) * places.n_clones
    if persons > LARGEST_ID:
        raise InputError(
            f"geography.clones: {places.n_clones} clones of {population.count(PERSON)} persons are "
            f"more than the {LARGEST_ID} that the model can tell apart; ask for fewer"
        )
    ids = {}
    for entity in ENTITIES:
        starts = population.starts[entity]
        size = np.diff(starts)[places.household]
        first = 1 + starts[places.household] * places.n_clones + places.clone * size
        before = np.cumsum(size) - size
        ids[entity] = np.repeat(first - before, size) + np.arange(size.sum())
    return ids


def place_values(places: Geography) -> dict[str, np.ndarray]:
    """Return what clones are told about where they live, one value per column."""
    unknown = np.char.endswith(places.block, UNKNOWN_BLOCK)
    return {
        "state_fips": places.state.astype(np.int32),
        "county_fips": places.county,
        "congressional_district_geoid": places.district.astype(np.int32),
        # Where the block is unknown, an empty text makes the model fall back to the county.
        "block_geoid": np.where(unknown, b"", places.block),
    }
