"""Give every clone of every household a place.

Each household has `n_clones` clones; each clone lives in one block of one congressional district.
Column `j = household * n_clones + clone` of the matrix is one clone.

How districts are drawn
-----------------------
A household's districts are drawn without replacement by systematic sampling with unequal
probabilities from a list put in random order anew for each household (Madow 1949; Hartley and Rao
1962; Tillé 2006, *Sampling Algorithms*, chapter 7). Over the districts d,

    q_d  = p_d * (population of d's state) ** state_exponent        what is drawn by
    pi_d = min(1, c * q_d),  c such that  sum_d pi_d = n_clones     inclusion probability

where p_d is the district's share of the population or, for households of high income, of total
adjusted gross income. A negative exponent gives small states more clones than their share. The
pi_d are exact, so the Horvitz-Thompson weight (Horvitz and Thompson 1952)

    design_weight = household_weight * p_d / pi_d

undoes both the tilt and the cap: over the draws, a household's design weights in a district have
the mean household_weight * p_d, and its design weights altogether the mean household_weight.

To be exact on every machine, probabilities and random points are whole multiples of 2**-48. The
random numbers are taken from streams in the order of the households, so a household's draws
depend on the seed and on its position only.
"""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.geography.blocks import at_large_as_01
from localcal.geography.geography import DTYPES, Geography, from_blocks
from localcal.geography.households import household_weight, values_of
from localcal.geography.places import AreaIncome, Places, read_district_population, read_places

logger = logging.getLogger(__name__)


# Enters every random stream of this stage, so that no other stage shares its numbers.
STAGE = int.from_bytes(b"geo")

# 2**48 units make a probability of 1. Sums over a thousand districts still fit into int64, and the
# smallest district's probability is rounded by less than one part in 10**9.
SCALE_BITS = 48
SCALE = 1 << SCALE_BITS

# Bounds the memory of one round of draws to some 300 MB; has no effect on the result.
CELLS_AT_ONCE = 1 << 22


def assign_geography(
    households: pd.DataFrame,
    places: str | Path,
    district_population: str | Path,
    n_clones: int,
    income_percentile: float | None,
    income: AreaIncome,
    state_exponent: float,
    seed: int,
) -> Geography:
    """Draw `n_clones` different districts for every household, and a place in each.

    Args:
        households: one row per household with household_weight and adjusted_gross_income.
        places: table of P(place | district); see `places.read_places`.
        district_population: table of populations.
        n_clones: clones of each household; at most the number of districts.
        income_percentile: households whose adjusted gross income is at or above this percentile
            over households, counted by household_weight, are drawn by the districts' total
            adjusted gross income instead of their population; None or 100 switches this off.
        income: adjusted gross income by district; that of states is used where not all districts
            are known, and spread over a state's districts by population.
        state_exponent: power of a state's population by which its districts' chances are tilted.
        seed: of the run.

    Raises:
        InputError: tables that are wrong or do not fit each other, or unusable households.
    """
    table = read_places(places)
    district, population = read_district_population(district_population)
    _check_same_districts(places, table.district, district_population, district)
    if not 1 <= n_clones <= len(district):
        raise InputError(
            f"geography.clones: {n_clones} clones in different districts are not possible with "
            f"the {len(district)} districts of {district_population}; set 1 to {len(district)}"
        )
    weight = household_weight(households)
    group = np.zeros(len(households), dtype=np.int64)
    target = [population / population.sum()]
    if income_percentile is not None and income_percentile < 100:
        target.append(_income_share(district, population, income))
        group = _is_high_income(households, weight, income_percentile).astype(np.int64)
    tilt = (_state_population(district, population) / population.sum()) ** state_exponent
    units = np.stack([_inclusion_units(share * tilt, n_clones) for share in target])
    chosen, block = _draw_columns(units, group, n_clones, _Ladder(table, district), seed)
    factor = np.stack(target) / (units / SCALE)
    design_weight = np.repeat(weight, n_clones) * factor[np.repeat(group, n_clones), chosen]
    return from_blocks(len(households), n_clones, block, district[chosen], design_weight)


def _draw_columns(
    units: np.ndarray, group: np.ndarray, n_clones: int, ladder: "_Ladder", seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the district position (J,) int64 and block (J,) S15 of every column."""
    chosen = np.empty(len(group) * n_clones, dtype=np.int64)
    block = np.empty(len(chosen), dtype=DTYPES["block"])
    streams = _Streams(seed)
    step = max(1, CELLS_AT_ONCE // units.shape[1])
    for start in range(0, len(group), step):
        drawn = _draw_districts(units, group[start : start + step], n_clones, streams).ravel()
        columns = slice(start * n_clones, start * n_clones + len(drawn))
        chosen[columns] = drawn
        block[columns] = ladder.draw(drawn, streams.place.random(len(drawn)))
    return chosen, block


class _Streams:
    """One stream of random numbers per purpose, each consumed in the order of the households."""

    def __init__(self, seed: int) -> None:
        self.order, self.start, self.clone, self.place = (
            np.random.default_rng(np.random.SeedSequence([seed, STAGE, purpose]))
            for purpose in range(4)
        )


def _draw_districts(
    units: np.ndarray, group: np.ndarray, n_clones: int, streams: _Streams
) -> np.ndarray:
    """Return the positions of the districts drawn for some households, (households, n_clones).

    `units` (groups, D) holds the inclusion probabilities, `group` (households,) says whose.
    """
    n_districts = units.shape[1]
    order = np.argsort(streams.order.random((len(group), n_districts)), axis=1, kind="stable")
    ends = np.cumsum(units[group[:, None], order], axis=1)
    start = _as_units(streams.start.random(len(group)))
    # The districts lie end to end on a line of n_clones units; one point in each unit, all at the
    # same offset, picks the district it falls on. No district is longer than a unit, so none is
    # picked twice.
    points_before_end = (ends - start[:, None] + (SCALE - 1)) >> SCALE_BITS
    picked = np.diff(points_before_end, axis=1, prepend=0) > 0
    districts = order[picked].reshape(len(group), n_clones)
    shuffle = np.argsort(streams.clone.random((len(group), n_clones)), axis=1, kind="stable")
    return np.take_along_axis(districts, shuffle, axis=1)


def _as_units(uniform: np.ndarray) -> np.ndarray:
    """Return numbers in [0, 1) as whole units (int64) in [0, SCALE)."""
    return (uniform * SCALE).astype(np.int64)


def _inclusion_units(draw_share: np.ndarray, n_clones: int) -> np.ndarray:
    """Return inclusion probabilities min(1, c * q) in units of 1 / SCALE (D,) int64.

    Their sum is exactly `n_clones * SCALE`.
    """
    certain = np.zeros(len(draw_share), dtype=bool)
    while True:
        left = n_clones - int(certain.sum())
        if left == 0 or certain.all():
            break
        probability = draw_share * (left / draw_share[~certain].sum())
        newly_certain = ~certain & (probability >= 1)
        if not newly_certain.any():
            break
        certain |= newly_certain
    units = np.full(len(draw_share), SCALE, dtype=np.int64)
    if not certain.all():
        units[~certain] = (probability[~certain] * SCALE).astype(np.int64) if left else 0
        # Rounding leaves the sum some units off; the district farthest from 0 and 1 takes them.
        middle = int(np.argmax(np.minimum(units, SCALE - units)))
        units[middle] += n_clones * SCALE - int(units.sum())
    if units.min() <= 0:
        raise InputError(
            "geography.state_exponent: so strong that some district would never be drawn; "
            "set it nearer to 0"
        )
    return units


class _Ladder:
    """Draws places by inverse distribution functions, those of all districts end to end.

    District k owns [k, k + 1) of one increasing sequence, so one search serves every district.
    """

    def __init__(self, places: Places, district: np.ndarray) -> None:
        position = np.searchsorted(district, places.district)
        mass = np.bincount(position, weights=places.share)
        running = np.cumsum(places.share / mass[position])
        last = np.searchsorted(position, np.arange(len(district)), side="right") - 1
        before = np.append(0.0, running[last[:-1]])
        # Numerator and denominator are the same at a district's last place, so that one ends at
        # exactly 1 and no point falls beyond it into the next district.
        within = (running - before[position]) / (running[last] - before)[position]
        self._ends = _as_units(within) + position * SCALE
        self._blocks = places.block

    def draw(self, district: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Return the block (S15) in each district position at each point of [0, 1)."""
        points = district * SCALE + _as_units(uniform)
        return self._blocks[np.searchsorted(self._ends, points, side="right")]


def _check_same_districts(
    places: str | Path, in_places: np.ndarray, population: str | Path, in_population: np.ndarray
) -> None:
    for codes, has, others, lacks in (
        (in_places, places, in_population, population),
        (in_population, population, in_places, places),
    ):
        alone = np.setdiff1d(codes, others)
        if len(alone):
            raise InputError(
                f"{lacks}: has no district {alone[0]}, which {has} has ({len(alone)} such); "
                "is one of them of another Congress? Give two tables of the same districts"
            )


def _state_population(district: np.ndarray, population: np.ndarray) -> np.ndarray:
    """Return the population of each district's state, (D,)."""
    _, position = np.unique(district // 100, return_inverse=True)
    return np.bincount(position, weights=population)[position]


def _income_share(
    district: np.ndarray,
    population: np.ndarray,
    published: AreaIncome,
) -> np.ndarray:
    """Return each district's share of adjusted gross income, (D,)."""
    codes = at_large_as_01(np.array(list(published.districts), dtype=np.int64))
    by_district = dict(zip(codes.tolist(), published.districts.values(), strict=True))
    states = district // 100
    if all(code in by_district for code in district.tolist()):
        basis, income = "district", np.array([by_district[code] for code in district.tolist()])
    elif all(state in published.states for state in states.tolist()):
        of_state = np.array([published.states[state] for state in states.tolist()])
        basis, income = "state", of_state * population / _state_population(district, population)
    else:
        unknown = [code for code in district.tolist() if code not in by_district]
        without = sorted({state for state in states.tolist() if state not in published.states})
        raise InputError(
            f"geography.income_percentile: adjusted gross income is not known for {len(unknown)} "
            f"districts (first {unknown[0]}) nor for {len(without)} states (first {without[0]}); "
            "add such targets to the database, or set it to null"
        )
    wrong = ~(np.isfinite(income) & (income > 0))
    if wrong.any():
        raise InputError(
            f"adjusted_gross_income of {basis} level: that of district {district[wrong][0]} is "
            f"{income[wrong][0]}, not above 0; correct it, or set geography.income_percentile to "
            "null"
        )
    logger.info("high-income households are drawn by adjusted gross income of %s level", basis)
    return income / income.sum()


def _is_high_income(households: pd.DataFrame, weight: np.ndarray, percentile: float) -> np.ndarray:
    """Say which households reach the weighted percentile of adjusted gross income.

    The threshold is the lowest income up to which there is more than `percentile` of the weight.
    """
    income = values_of(households, "adjusted_gross_income").astype(np.float64)
    if not np.isfinite(income).all():
        raise InputError(
            f"households: household {int(np.argmin(np.isfinite(income)))} has the adjusted gross "
            "income NaN or infinite; correct the population"
        )
    order = np.argsort(income, kind="stable")
    below = np.cumsum(weight[order])
    reached = np.searchsorted(below, percentile / 100 * below[-1], side="right")
    threshold = income[order[min(reached, len(order) - 1)]]
    is_high = income >= threshold
    logger.info(
        "%d of %d households have %.0f dollars or more and are drawn by income",
        is_high.sum(),
        len(is_high),
        threshold,
    )
    return is_high
