"""The one published value that explains why a level disagrees with the level above it.

Levels that disagree are usually made to agree by scaling the lower one. Where one of the values is
simply wrong, that spreads its error over all others, and each of them is then fitted to what nobody
published. A value is named instead of spread if

- it is an outlier among its siblings, the other areas of its level in the same family; and
- without its error the levels agree: with what its siblings' ratios make of it in its place, or
  because what is left for it is no outlier.

Two witnesses say what a value should be. The ratios of its siblings to what the base weights come
to, each in units of its own uncertainty: that of a total of n effective households is about
1 / sqrt(n). And their rates per published count of their areas, of the count by which they differ
least, which no sample has a part in. Both speak of logarithms and are weighted by their precision;
no value is named that would make the levels agree only at what the witnesses together do not
believe. What cannot be told from another, two values that could each be the one, is not named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from localcal.weights.counts import Counts

# Above this, levels do not merely differ by rounding or timing.
CONTRADICTION = 0.02
# Estimates differ from published values by as much for reasons other than the sample.
USUAL_DIFFERENCE = 0.1
# In units of the uncertainty: an outlier, and what is none.
OUTLIER = 4.0
ORDINARY = 2.0
# Of fewer siblings none can be said to be unlike the others.
FEWEST_SIBLINGS = 4
# Among fewer rates one of many counts fits by chance, and a count must be known of this share.
FEWEST_RATES = 10
KNOWN_SHARE = 0.5
# The median absolute deviation times this is the standard deviation of normal errors.
MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True)
class Evidence:
    """What is known of every target beside its published value; arrays of (m,)."""

    estimate: np.ndarray
    """float64, in the target's unit, up to one factor common to all."""
    households: np.ndarray
    """float64: effective households that carry it."""
    counts: Counts | None = None
    """Published counts of the areas, without those of the target's own family."""


@dataclass(frozen=True)
class Culprit:
    """A value that alone explains a disagreement."""

    row: int
    """Its row in the targets."""
    implied: float
    """What would make the levels agree, in the target's unit."""
    expected: float
    """What its siblings make of it, in the target's unit."""
    score: float
    """How far it is from that, in units of the uncertainty; above zero if it is too large."""
    witnesses: tuple[str, ...]
    """What its siblings were compared by."""


def find_culprit(
    parent: int,
    parts: np.ndarray,
    levels: tuple[np.ndarray, np.ndarray],
    published: np.ndarray,
    evidence: Evidence,
) -> Culprit | None:
    """Return the one value that explains why parts do not sum to their parent; None if none does.

    Args:
        parent: row of the upper value.
        parts: int (k,), rows of the lower values.
        levels: rows of the family's targets of the parent's and of the parts' level, int.
        published: float64 (m,), in the target's unit.
        evidence: what else is known.
    """
    total, value = float(np.sum(published[parts])), float(published[parent])
    if abs(value / total - 1.0) <= CONTRADICTION:
        return None
    uppers, lowers = (rows[published[rows] > 0] for rows in levels)
    known = beside = _Known(published, evidence)
    if len(uppers) <= FEWEST_SIBLINGS:
        # The nation has no siblings: its parts speak for it. Its rate says no more than that the
        # levels disagree, as they also do where all parts are of another year.
        uppers = np.append(lowers, parent)
        beside = _Known(published, replace(evidence, counts=None))
    apart = abs(value - total)
    whole = _Disagreement(implied=total, apart=apart, size=total)
    found = [_judge(int(parent), beside.of_level(uppers), whole)]
    level = known.of_level(lowers)
    for row in parts.tolist():
        part = _Disagreement(
            implied=value - (total - float(published[row])), apart=apart, size=value
        )
        found.append(_judge(row, level, part))
    named = [culprit for culprit in found if culprit is not None]
    return named[0] if len(named) == 1 else None


@dataclass(frozen=True)
class _Disagreement:
    """How a level disagrees, seen from one of its values."""

    implied: float
    """What the value would have to be."""
    apart: float
    """By how much the levels differ."""
    size: float
    """What they would both be, were the value that."""


@dataclass(frozen=True)
class _Witness:
    """What one comparison with its siblings makes of a value."""

    name: str
    expected: float
    """Logarithm of the target's unit."""
    uncertainty: float
    """Standard deviation of that."""


@dataclass(frozen=True)
class _Known:
    """All targets; arrays of (m,)."""

    published: np.ndarray
    evidence: Evidence

    def of_level(self, rows: np.ndarray) -> "_Siblings":
        return _Siblings(rows, self.published, self.evidence, self._best_count(rows))

    def _best_count(self, rows: np.ndarray) -> int | None:
        """Return the number of the count by whose rates the rows differ least; None if none."""
        counts = self.evidence.counts
        if counts is None or not len(counts.families):
            return None
        rates = np.log(self.published[rows] / counts.of(rows))
        known = np.isfinite(rates).sum(axis=1)
        enough = np.flatnonzero(known >= max(FEWEST_RATES, KNOWN_SHARE * len(rows)))
        if not len(enough):
            return None
        rates = rates[enough]
        apart = np.abs(rates - np.nanmedian(rates, axis=1, keepdims=True))
        return int(enough[np.argmin(np.nanmedian(apart, axis=1))])


@dataclass(frozen=True)
class _Siblings:
    """The values above zero of one level."""

    rows: np.ndarray
    published: np.ndarray
    evidence: Evidence
    count: int | None
    """By which published count they are compared."""

    def witnesses(self, row: int) -> list[_Witness]:
        """Return what there is to compare one of the rows with."""
        others = self.rows[self.rows != row]
        found = [self._by_base_weights(row, others), self._by_published_count(row, others)]
        return [witness for witness in found if witness is not None]

    def _by_base_weights(self, row: int, others: np.ndarray) -> _Witness | None:
        estimate = self.evidence.estimate
        others = others[estimate[others] > 0]
        if estimate[row] <= 0 or len(others) < FEWEST_SIBLINGS:
            return None
        ratios = np.log(self.published[others] / estimate[others])
        middle = float(np.median(ratios))
        apart = np.abs(ratios - middle) / self._sampling(others)
        # Siblings may differ by more than their samples do.
        unit = max(1.0, MAD_TO_DEVIATION * float(np.median(apart)))
        unit *= float(self._sampling(np.array([row]))[0])
        return _Witness("the base weights", float(np.log(estimate[row])) + middle, unit)

    def _by_published_count(self, row: int, others: np.ndarray) -> _Witness | None:
        counts = self.evidence.counts
        if counts is None or self.count is None:
            return None
        own = float(counts.of(np.array([row]))[self.count, 0])
        rates = np.log(self.published[others] / counts.of(others)[self.count])
        rates = rates[np.isfinite(rates)]
        if np.isnan(own) or len(rates) < FEWEST_SIBLINGS:
            return None
        middle = float(np.median(rates))
        spread = MAD_TO_DEVIATION * float(np.median(np.abs(rates - middle)))
        name = f"the published {counts.name(self.count)}"
        return _Witness(name, float(np.log(own)) + middle, max(USUAL_DIFFERENCE, spread))

    def _sampling(self, rows: np.ndarray) -> np.ndarray:
        """Return the standard deviations of the logarithms of the rows' ratios."""
        sampling = 1.0 / np.maximum(self.evidence.households[rows], 1.0)
        return np.sqrt(USUAL_DIFFERENCE**2 + sampling)


def _judge(row: int, siblings: _Siblings, seen: _Disagreement) -> Culprit | None:
    """Return the value as a culprit if it is one."""
    witnesses = siblings.witnesses(row) if row in siblings.rows else []
    if not witnesses:
        return None
    middle, unit = _together(witnesses)
    expected = float(np.exp(middle))
    score = (float(np.log(siblings.published[row])) - middle) / unit
    # What is expected, as far as the levels then agree.
    slack = CONTRADICTION * seen.size
    agreeing = float(np.clip(expected, seen.implied - slack, seen.implied + slack))
    if abs(score) < OUTLIER or abs(expected - seen.implied) > seen.apart / 2.0 or agreeing <= 0.0:
        return None
    apart = [(float(np.log(agreeing)) - each.expected) / each.uncertainty for each in witnesses]
    if float(np.sum(np.square(apart))) > ORDINARY**2 * len(witnesses):
        return None
    return Culprit(row, seen.implied, expected, score, tuple(each.name for each in witnesses))


def _together(witnesses: Sequence[_Witness]) -> tuple[float, float]:
    """Return the mean of what is expected, weighted by its precision, and its standard deviation.

    In logarithms of the target's unit.
    """
    precision = np.array([witness.uncertainty for witness in witnesses]) ** -2.0
    middle = np.average([witness.expected for witness in witnesses], weights=precision)
    return float(middle), float(np.sum(precision) ** -0.5)
