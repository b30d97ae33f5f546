"""Fewer households than a dataset has, with the tail of incomes kept."""

import numpy as np

from localcal.errors import InputError
from localcal.population.population import Population, clone_households

# Households to keep per bracket of adjusted gross income (dollars, lower bound inclusive) when
# the sample has REFERENCE_SAMPLE households: the tail carries dollars that a uniform sample of
# this size would miss. The counts are those of PolicyEngine's stratified CPS.
HIGH_INCOME_CAPS = {500e3: 400, 1e6: 400, 2e6: 400, 5e6: 300, 10e6: 300}
REFERENCE_SAMPLE = 12_000

_SAMPLING_STREAM = 1


def stratified_sample(
    source: str, population: Population, income: np.ndarray, wanted: int, seed: int
) -> tuple[Population, np.ndarray]:
    """Draw exactly `wanted` households, most of the high-income ones among them.

    Below the first bracket of `HIGH_INCOME_CAPS` the households are split at the quartile of
    their incomes and sampled at one rate. Weights are scaled so that every stratum keeps its sum.

    Raises:
        InputError: there are fewer households than wanted.
    """
    total = population.count("household")
    if wanted > total:
        raise InputError(
            f"{source}: holds {total} households; population.households asks for {wanted}"
        )
    weight = population.values["household_weight"].astype(np.float64)
    stratum = income_strata(income)
    sizes = _sample_sizes(stratum, wanted)
    random = np.random.default_rng(np.random.SeedSequence([seed, _SAMPLING_STREAM]))
    chosen, scale = [], np.ones(total)
    for number, size in enumerate(sizes):
        members = np.flatnonzero(stratum == number)
        shuffled = random.permutation(members)
        # Records without weight are templates for imputation: taken only where others run out.
        preferred = shuffled[np.argsort(weight[shuffled] <= 0, kind="stable")][:size]
        kept = weight[preferred].sum()
        scale[preferred] = weight[members].sum() / kept if kept > 0 else 1.0
        chosen.append(preferred)
    households = np.sort(np.concatenate(chosen))
    ids = population.ids["household"][households]
    sample = clone_households(population, households, dict.fromkeys(population.ids, 1))
    weights = (weight * scale)[households].astype(np.float32)
    sample = sample.with_values("household", {"household_weight": weights})
    sample.ids["household"][:] = ids
    return sample, income[households]


def income_strata(income: np.ndarray) -> np.ndarray:
    """Return each household's stratum: 0 bottom quarter, 1 middle, 2.. the high brackets."""
    bounds = np.array(sorted(HIGH_INCOME_CAPS))
    bracket = np.searchsorted(bounds, income, side="right")
    rest = income[bracket == 0]
    quartile = np.quantile(rest, 0.25) if rest.size else 0.0
    return np.where(bracket > 0, bracket + 1, np.where(income < quartile, 0, 1))


def _sample_sizes(stratum: np.ndarray, wanted: int) -> np.ndarray:
    """Return how many households to draw per stratum; the sum is exactly `wanted`."""
    counts = np.bincount(stratum, minlength=2 + len(HIGH_INCOME_CAPS))
    share = min(1.0, wanted / REFERENCE_SAMPLE)
    caps = np.array([HIGH_INCOME_CAPS[bound] for bound in sorted(HIGH_INCOME_CAPS)])
    sizes = np.concatenate([[0, 0], np.minimum(counts[2:], np.floor(caps * share))]).astype(int)
    below = counts[:2].sum()
    if wanted - sizes.sum() > below:  # then the tail has to give more than its caps
        sizes[:2] = counts[:2]
        return _fill(sizes, counts, wanted)
    rate = (wanted - sizes.sum()) / max(below, 1)
    sizes[:2] = np.floor(counts[:2] * rate)
    return _fill(sizes, counts, wanted)


def _fill(sizes: np.ndarray, counts: np.ndarray, wanted: int) -> np.ndarray:
    """Hand out what rounding left over, to the strata with the most room."""
    while (left := wanted - sizes.sum()) > 0:
        room = counts - sizes
        widest = int(np.argmax(room))
        sizes[widest] += min(left, room[widest])
    return sizes
