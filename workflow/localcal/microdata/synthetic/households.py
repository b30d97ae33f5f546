"""A made-up population with plausible joint distributions, for trying things without survey data.

A pool of candidate households is drawn from a small model of American living arrangements,
earnings, wealth and retirement. The sample is taken from the pool by income, the highest far
more densely than the bulk, with weights that undo it.
"""

import numpy as np

from localcal.errors import InputError
from localcal.microdata.synthetic.incomes import draw_incomes
from localcal.microdata.synthetic.people import draw_people
from localcal.microdata.synthetic.selection import (
    choose_households,
    keep_households,
    states_and_weights,
)
from localcal.microdata.synthetic.units import (
    demographics,
    health,
    housing,
    savings_and_giving,
    unit_links,
)

MINIMUM_HOUSEHOLDS = 20
# The top stratum must have more candidates than the sample takes from it.
POOL_MINIMUM = 200_000
POOL_PER_HOUSEHOLD = 100

_STREAM = 11


def synthetic_households(n_households: int, period: int, seed: int) -> dict[str, np.ndarray]:
    """Return a dataset {variable: array} of exactly `n_households` made-up households.

    Args:
        n_households: at least MINIMUM_HOUSEHOLDS.
        period: the year; weights and dollars are those of 2024 whatever it says, so that it only
            enters the draws.
        seed: the same arguments give the same bytes.

    Returns:
        Arrays at the length of their entity: ids (int32), household_weight (float32), dollars
        a year (float32), ages, truth values, and enum members as byte strings.

    Raises:
        InputError: too few households to cover the strata.
    """
    if n_households < MINIMUM_HOUSEHOLDS:
        raise InputError(
            f"population.households: {n_households} synthetic households are too few; "
            f"ask for at least {MINIMUM_HOUSEHOLDS}"
        )
    rng = np.random.default_rng(np.random.SeedSequence([seed, _STREAM, period]))
    pool_size = max(POOL_MINIMUM, POOL_PER_HOUSEHOLD * n_households)
    people = draw_people(rng, pool_size)
    incomes = draw_incomes(rng, people, pool_size)
    chosen, stratum = choose_households(rng, people, incomes, pool_size, n_households)
    state, weight = states_and_weights(rng, stratum)
    chosen, state, weight = _shuffle(rng, chosen, state, weight)
    people, incomes = keep_households(people, incomes, chosen, pool_size)
    dataset = unit_links(people)
    dataset["household_weight"] = weight.astype(np.float32)
    dataset["state_fips"] = state.astype(np.int32)
    dataset |= {name: array.astype(np.float32) for name, array in incomes.items()}
    dataset |= demographics(rng, people, incomes)
    dataset |= housing(rng, people, incomes, dataset)
    dataset |= health(rng, people, incomes, dataset)
    dataset |= savings_and_giving(rng, people, incomes, dataset)
    return dataset


def _shuffle(rng: np.random.Generator, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    order = rng.permutation(len(arrays[0]))
    return tuple(array[order] for array in arrays)
