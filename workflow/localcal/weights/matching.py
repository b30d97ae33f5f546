"""Where to begin a fit whose columns are others than an earlier fit's: a new year's data.

Every column gets a factor (weight / base, see `localcal.weights.trace`) of the earlier fit, the
mean over a cell of its columns: those of the same household in the same district, else of the
household in the same state, else of all households in the district, else of the state; else 1.

The mean over the earlier columns k of a cell is that of their factors f_k weighted by their base
weights b_k,

    f = sum b_k f_k / sum b_k,

what the earlier fit made of the cell over what it was before. So new columns whose base weights
add up to what the earlier ones' did begin with the total that was found for them, whatever the
number of clones and whichever of them has the larger part; a plain mean would keep it only where
all have the same base weight. A cell whose sum b_k f_k is 0 says nothing and is passed over: none
of its records was kept.

Where a fit begins decides how long it takes and not where it ends, for its problem is convex; so
a household that is taken for another one costs sweeps and nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from localcal.population.population import PERSON, Population

# The cells that are looked for, the finest first, and what is said of columns that have none.
LEVELS = ("household_district", "household_state", "district", "state")
NOTHING = "nothing"

# Above every number of a district.
PLACES = 100_000

# Ages are rounded to whole years in most surveys, and stored as 32-bit floats in some.
SAME_AGE = 0.01


@dataclass(frozen=True)
class Households:
    """The households of one year; H of them."""

    period: int
    identity: np.ndarray
    """int64 (H,): ids, each once."""
    persons: np.ndarray
    """int64 (H,)."""
    ages: np.ndarray | None
    """float64 (H,), years: the sum of the persons' ages; None where the data have no ages."""

    @classmethod
    def of(cls, population: Population) -> "Households":
        """Return what is known of a population's households."""
        home, count = population.household_of[PERSON], population.count("household")
        age = population.values.get("age")
        return cls(
            period=population.period,
            identity=population.ids["household"],
            persons=np.bincount(home, minlength=count),
            ages=None if age is None else np.bincount(home, age, minlength=count),
        )


@dataclass(frozen=True)
class Located:
    """Columns and their places; arrays of (J,)."""

    household: np.ndarray
    """int32: position of the column's household."""
    state: np.ndarray
    """int32, FIPS."""
    district: np.ndarray
    """int32, state * 100 + district."""


@dataclass(frozen=True)
class Matched:
    """Where the J columns of a fit begin, of what an earlier fit of others came to."""

    dense_factor: np.ndarray
    """float64 (J,): weight in the fit of all columns / base; 1 where nothing is known."""
    columns: dict[str, int]
    """By which of LEVELS, or by NOTHING, how many columns were matched."""
    households: int
    """Those that both fits have."""

    @property
    def is_empty(self) -> bool:
        """Say whether nothing at all was matched."""
        return self.columns[NOTHING] == len(self.dense_factor)


def match_households(new: Households, old: Households) -> np.ndarray:
    """Return the position that each new household has among the old ones, int64 (H,); -1 for none.

    A survey numbers its households anew every year, so that the same id need not be the same
    household: it must have as many persons as well, and their ages must have added up to the same,
    or to as much less as they may have grown by in between (one file brought to another year keeps
    the ages, a household that is asked again is older). Without ages in both, persons must do.
    """
    order = np.argsort(old.identity, kind="stable")
    sought = np.searchsorted(old.identity, new.identity, sorter=order)
    there = order[np.minimum(sought, len(order) - 1)]
    same = (old.identity[there] == new.identity) & (old.persons[there] == new.persons)
    if new.ages is not None and old.ages is not None:
        grown = new.ages - old.ages[there]
        most = (new.period - old.period) * new.persons
        same &= grown >= np.minimum(most, 0) - SAME_AGE
        same &= grown <= np.maximum(most, 0) + SAME_AGE
    return np.where(same, there, -1)


def match_columns(
    new: Located, old: Located, base: np.ndarray, dense_factor: np.ndarray, there: np.ndarray
) -> Matched:
    """Return the factors that new columns begin with.

    5.16 million columns on both sides take 3 s and 0.75 GB besides the arguments.

    Args:
        new: J columns.
        old: K columns.
        base: float64 (K,), households: their base weights; columns with 0 say nothing.
        dense_factor: float64 (K,), of the fit of all of them: that of all records knows about
            every column, whichever were kept.
        there: int64 (H,), of `match_households`.
    """
    known = np.flatnonzero(base > 0.0)
    base, fitted = base[known], base[known] * dense_factor[known]
    here = np.full(max(int(old.household.max(initial=-1)), int(there.max(initial=-1))) + 1, -1)
    matched = np.flatnonzero(there >= 0)
    here[there[matched]] = matched
    factor = np.ones(len(new.household))
    missing = np.arange(len(factor))
    counts = {}
    for level, ours, theirs in _cells(new, old, here, known):
        shared = np.flatnonzero(theirs >= 0)
        mean = _means(theirs[shared], base[shared], fitted[shared], ours[missing])
        found = mean > 0.0
        factor[missing[found]] = mean[found]
        missing = missing[~found]
        counts[level] = int(found.sum())
    counts[NOTHING] = len(missing)
    return Matched(factor, counts, len(matched))


def _cells(
    new: Located, old: Located, here: np.ndarray, known: np.ndarray
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield each level with the cells of the new columns and of the `known` old ones, int64.

    `here` is the new position of each old household, -1 for none; so is the cell of its columns.
    """
    for level in LEVELS:
        place = level.removeprefix("household_")
        ours = getattr(new, place).astype(np.int64)
        theirs = getattr(old, place)[known].astype(np.int64)
        if place != level:
            ours += new.household.astype(np.int64) * PLACES
            home = here[old.household[known]]
            theirs = np.where(home < 0, -1, home * PLACES + theirs)
        yield level, ours, theirs


def _means(
    cell: np.ndarray, base: np.ndarray, fitted: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """Return the mean factor of each wanted cell, float64; 0 where there is none."""
    cells, number = np.unique(cell, return_inverse=True)
    if not len(cells):
        return np.zeros(len(wanted))
    mean = np.bincount(number, fitted) / np.bincount(number, base)
    place = np.minimum(np.searchsorted(cells, wanted), len(cells) - 1)
    return np.where(cells[place] == wanted, mean[place], 0.0)
