"""How many times as much one arm takes as the other, with a spread that needs no law of the noise.

Measurements of a pair are taken one after the other, so both have the same of a machine's drift,
and their ratio has little of it. The median of the pairs' ratios is what is told, and the spread
is the interval between two of them that holds the median of all pairs there could be: the sign
test's (Hollander, Wolfe and Chicken 2014, section 3.6). Of two results that were measured apart
there are no pairs. For these it is the median of all ratios of one from each, and the interval is
that of Mann and Whitney's test (the same, section 4.3). Both are exact whatever the noise is, as
long as it is the same for all measurements of an arm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

LEAST_COVERAGE = 0.93
"""Of all intervals those are taken that are the narrowest with at least this probability."""


@dataclass(frozen=True)
class Ratio:
    """What one arm takes, by what the other takes.

    Attributes:
        ratio: the median; None where a measurement is zero, of which there is no ratio.
        low: the lower end of the interval.
        high: its upper end.
        coverage: the probability that such an interval holds the true median.
        count: pairs, or measurements of the side that has fewer where there are none.
    """

    ratio: float | None
    low: float | None
    high: float | None
    coverage: float
    count: int

    @property
    def is_enough(self) -> bool:
        """Say whether there are so many measurements that noise would be told from an effect."""
        return self.coverage >= LEAST_COVERAGE

    @property
    def is_different(self) -> bool:
        """Say whether one takes more than the other beyond the noise."""
        if self.low is None or self.high is None:
            return False
        return self.is_enough and not self.low <= 1 <= self.high


def of_pairs(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """Return second by first, pair by pair.

    Args:
        first: (pairs,) what the first arm took, at least one.
        second: (pairs,) what the second one took.
    """
    count = len(first)
    coverages = [1 - 2 * float(binom.cdf(cut, count, 0.5)) for cut in range((count + 1) // 2)]
    cut = _narrowest(coverages)
    if not _have_ratios(first, second):
        return Ratio(None, None, None, coverages[cut], count)
    return _between(np.log(second) - np.log(first), cut, coverages[cut], count)


def of_groups(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """Return second by first, each of the one with each of the other.

    Args:
        first: (n,) what was measured for one result, at least once.
        second: (m,) what was measured for the other.
    """
    count = min(len(first), len(second))
    ways = np.array(_rank_sums(len(first), len(second)), dtype=np.float64)
    below = np.cumsum(ways / ways.sum())
    coverages = [float(1 - 2 * below[cut]) for cut in range((ways.size) // 2)]
    cut = _narrowest(coverages)
    if not _have_ratios(first, second):
        return Ratio(None, None, None, coverages[cut], count)
    ratios = np.log(np.asarray(second))[:, None] - np.log(np.asarray(first))[None, :]
    return _between(ratios.ravel(), cut, coverages[cut], count)


def _narrowest(coverages: Sequence[float]) -> int:
    """Return how many extremes on each side an interval leaves out; at first none."""
    return max([cut for cut, found in enumerate(coverages) if found >= LEAST_COVERAGE], default=0)


def _have_ratios(first: Sequence[float], second: Sequence[float]) -> bool:
    return min(*first, *second) > 0


def _between(logarithms: np.ndarray, cut: int, coverage: float, count: int) -> Ratio:
    ordered = np.sort(logarithms)
    middle, low, high = np.exp([np.median(ordered), ordered[cut], ordered[-1 - cut]])
    return Ratio(float(middle), float(low), float(high), coverage, count)


def _rank_sums(n: int, m: int) -> list[int]:
    """Return in how many orders of n and m measurements u of the n m pairs are upside down.

    For each u from 0 to n m: the coefficients of the Gaussian binomial, the product over i of
    (1 - q^(m + i)) / (1 - q^i), where i is 1 to n (Mann and Whitney 1947).
    """
    ways = [1] + [0] * (n * m)
    for i in range(1, n + 1):
        for u in range(n * m, m + i - 1, -1):
            ways[u] -= ways[u - m - i]
        for u in range(i, n * m + 1):
            ways[u] += ways[u - i]
    return ways
