"""Clones of households at their places, as the model is given them.

This is the one place where a column of the matrix becomes a household: chunks simulate what it
returns, and area files store it.
"""

import numpy as np

from localcal.clones.frozen import Frozen
from localcal.clones.take_up import takes_up
from localcal.geography.codes import UNKNOWN_BLOCK
from localcal.geography.geography import Geography
from localcal.population.population import ENTITIES, Population, clone_households

# What a clone is told about where it lives; the model works out the rest.
GIVEN_PLACES = ("state_fips", "county_fips", "congressional_district_geoid", "block_geoid")


def locate(
    population: Population,
    places: Geography,
    frozen: Frozen,
    weight: np.ndarray,
    first: dict[str, int] | None = None,
) -> Population:
    """Return the clones of some columns, each at its place, ready for the model.

    Args:
        population: the base households; what they store of their own places, other than
            `GIVEN_PLACES`, a clone would take along, so `clones.places` refuses it before.
        places: the columns, (n,).
        frozen: take-up rates and whole-population variables of the run.
        weight: (n,) the household weight of each clone.
        first: entity to the id of the first unit, 1 for all if left out.
    """
    clones = clone_households(population, places.household, first or dict.fromkeys(ENTITIES, 1))
    clones = clones.with_values("household", _place_values(places))
    clones = clones.with_values("household", {"household_weight": weight.astype(np.float32)})
    household_id = population.ids["household"][places.household]
    for rate in frozen.take_up:
        taking = takes_up(clones, rate, household_id, places.clone, places.state, frozen.seed)
        clones = clones.with_values(rate.entity, {rate.variable: taking})
    for name, by_state in frozen.variables.items():
        entity = frozen.entity[name]
        values = by_state[places.state[clones.household_of[entity]]]
        clones = clones.with_values(entity, {name: values})
    return clones


def _place_values(places: Geography) -> dict[str, np.ndarray]:
    unknown = np.char.endswith(places.block, UNKNOWN_BLOCK)
    return {
        "state_fips": places.state.astype(np.int32),
        "county_fips": places.county,
        "congressional_district_geoid": places.district.astype(np.int32),
        # Where the block is unknown, an empty text makes the model fall back to the county.
        "block_geoid": np.where(unknown, b"", places.block),
    }
