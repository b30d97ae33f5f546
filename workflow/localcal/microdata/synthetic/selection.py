"""Which candidates are taken, where they live and what they weigh."""

import numpy as np
from numpy.typing import ArrayLike

from localcal.microdata.synthetic.incomes import money_income
from localcal.microdata.synthetic.people import HEAD, People

# Census ACS 2024 1-year S2201: households of the 50 states and DC.
HOUSEHOLDS = 132_737_146

# Census ACS 2024 1-year S0101: persons in thousands, by state FIPS code.
STATE_POPULATION = {
    # fmt: off
    1: 5158,
    2: 740,
    4: 7583,
    5: 3088,
    6: 39431,
    8: 5957,
    9: 3675,
    10: 1052,
    11: 702,
    12: 23372,
    13: 11181,
    15: 1446,
    16: 2002,
    17: 12710,
    18: 6924,
    19: 3241,
    20: 2971,
    21: 4588,
    22: 4598,
    23: 1405,
    24: 6263,
    25: 7136,
    26: 10140,
    27: 5793,
    28: 2943,
    29: 6245,
    30: 1137,
    31: 2005,
    32: 3268,
    33: 1409,
    34: 9501,
    35: 2130,
    36: 19867,
    37: 11046,
    38: 797,
    39: 11883,
    40: 4095,
    41: 4272,
    42: 13079,
    44: 1112,
    45: 5479,
    46: 925,
    47: 7228,
    48: 31291,
    49: 3504,
    50: 648,
    51: 8811,
    53: 7958,
    54: 1770,
    55: 5961,
    56: 588,
    # fmt: on
}
# From this many households on every state is present and weighs what its population does.
STATE_MINIMUM_FROM = 400
STATE_MINIMUM = 3

# Strata by money income, lowest first: share of the pool, share of the sample.
STRATA = ((0.97, 0.80), (0.02, 0.06), (0.007, 0.05), (0.0025, 0.05), (0.0005, 0.04))
INCOME_CELLS = 40


def choose_households(
    rng: np.random.Generator,
    people: People,
    incomes: dict[str, np.ndarray],
    pool_size: int,
    count: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the chosen households' positions in the pool and their strata, both (count,).

    Within a stratum the pool is put in order of income cell, number of members and age of the
    head, and taken at equal steps, so that a small sample keeps those distributions.
    """
    income = np.bincount(people.household, weights=money_income(incomes), minlength=pool_size)
    members = np.bincount(people.household, minlength=pool_size)
    head_age = people.age[people.role == HEAD]
    ascending = np.argsort(income, kind="stable")
    sizes = _apportion(pool_size, [pool for pool, _ in STRATA], minimum=1)
    takes = _apportion(count, [sample for _, sample in STRATA], minimum=1)
    chosen = []
    for candidates, take in zip(np.split(ascending, np.cumsum(sizes)[:-1]), takes, strict=True):
        cell = np.arange(len(candidates)) * INCOME_CELLS // len(candidates)
        order = np.lexsort((head_age[candidates], members[candidates], cell))
        step = len(candidates) / take
        picks = np.floor((np.arange(take) + rng.random()) * step).astype(np.int64)
        chosen.append(candidates[order][picks])
    return np.concatenate(chosen), np.repeat(np.arange(len(STRATA)), takes)


def _apportion(total: int, shares: ArrayLike, minimum: int) -> np.ndarray:
    """Split `total` by `shares` into whole numbers of at least `minimum`, largest remainder."""
    share = np.asarray(shares, dtype=np.float64)
    ideal = (total - minimum * len(share)) * share / share.sum()
    parts = np.floor(ideal).astype(np.int64)
    short = total - minimum * len(share) - parts.sum()
    parts[np.argsort(parts - ideal, kind="stable")[:short]] += 1
    return parts + minimum


def states_and_weights(
    rng: np.random.Generator, stratum: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return FIPS codes and weights, both one per household, in the order of `stratum`.

    A household of the tail weighs its stratum's share over its stratum's sample. The bulk of a
    state shares what its population leaves after the tail.
    """
    population = np.array(list(STATE_POPULATION.values()), dtype=np.float64)
    share = population / population.sum()
    takes = np.bincount(stratum, minlength=len(STRATA))
    weight = (HOUSEHOLDS * np.array([pool for pool, _ in STRATA]) / takes)[stratum]
    bulk = stratum == 0
    corrected = len(stratum) >= STATE_MINIMUM_FROM
    state = np.empty(len(stratum), dtype=np.int64)
    state[bulk] = _spread(rng, _apportion(takes[0], share, STATE_MINIMUM if corrected else 0))
    state[~bulk] = _spread(rng, _apportion(int((~bulk).sum()), share, 0))
    if corrected:
        tail = np.bincount(state[~bulk], weights=weight[~bulk], minlength=len(share))
        left = (HOUSEHOLDS * share - tail) / np.bincount(state[bulk], minlength=len(share))
        weight = np.where(bulk, left[state], weight)
    return np.array(list(STATE_POPULATION))[state], weight


def _spread(rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
    """Return each index `counts` times, every index at even distances along the sequence."""
    index = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
    position = (nth + rng.random(len(counts))[index]) / counts[index]
    return index[np.argsort(position, kind="stable")]


def keep_households(
    people: People, incomes: dict[str, np.ndarray], chosen: np.ndarray, pool_size: int
) -> tuple[People, dict[str, np.ndarray]]:
    """Return the members of the chosen households, in the order of `chosen`."""
    place = np.full(pool_size, -1)
    place[chosen] = np.arange(len(chosen))
    kept = np.flatnonzero(place[people.household] >= 0)
    kept = kept[np.argsort(place[people.household[kept]], kind="stable")]
    people = people.subset(kept)
    people = people._replace(household=place[people.household])
    return people, {name: array[kept] for name, array in incomes.items()}
