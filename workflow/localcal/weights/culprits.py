"""The one published value that explains why a level disagrees with the level above it.

Levels that disagree are usually made to agree by scaling the lower one. Where one of the values is
simply wrong, that spreads its error over all others, and each of them is then fitted to what nobody
published. A value is named instead of spread if

- its ratio to what the base weights come to is an outlier among the ratios of its siblings, the
  other areas of its level in the same family; and
- without its error the levels agree: with what its siblings' ratios make of it in its place, or
  because what is left for it is no outlier.

Ratios are compared as logarithms, each in units of its own uncertainty: that of a total of n
effective households is about 1 / sqrt(n). What cannot be told from another, two values that could
each be the one, is not named.
"""

from dataclasses import dataclass

import numpy as np

# Above this, levels do not merely differ by rounding or timing.
CONTRADICTION = 0.02
# Estimates differ from published values by as much for reasons other than the sample.
USUAL_DIFFERENCE = 0.1
# In units of the uncertainty: an outlier, and what is none.
OUTLIER = 4.0
ORDINARY = 2.0
# Of fewer siblings none can be said to be unlike the others.
FEWEST_SIBLINGS = 4
# The median absolute deviation times this is the standard deviation of normal errors.
MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True)
class Evidence:
    """What the base weights say of every target; arrays of (m,)."""

    estimate: np.ndarray
    """float64, in the target's unit, up to one factor common to all."""
    households: np.ndarray
    """float64: effective households that carry it."""


@dataclass(frozen=True)
class Culprit:
    """A value that alone explains a disagreement."""

    row: int
    """Its row in the targets."""
    implied: float
    """What would make the levels agree, in the target's unit."""
    expected: float
    """What its siblings make of it: its base estimate times their median ratio."""
    score: float
    """How far its ratio is from its siblings', in units of the uncertainty."""


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
        evidence: what the base weights say.
    """
    total, value = float(np.sum(published[parts])), float(published[parent])
    if abs(value / total - 1.0) <= CONTRADICTION:
        return None
    uppers, lowers = (_usable(rows, published, evidence) for rows in levels)
    if len(uppers) <= FEWEST_SIBLINGS:
        # The nation has no siblings: its parts speak for it.
        uppers = np.append(lowers, parent)
    apart = abs(value - total)
    whole = _Disagreement(implied=total, apart=apart, size=total)
    found = [_judge(int(parent), uppers, whole, published, evidence)]
    for row in parts.tolist():
        part = _Disagreement(implied=value - (total - published[row]), apart=apart, size=value)
        found.append(_judge(row, lowers, part, published, evidence))
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


def _usable(rows: np.ndarray, published: np.ndarray, evidence: Evidence) -> np.ndarray:
    """Return the rows that have a ratio."""
    return rows[(published[rows] > 0) & (evidence.estimate[rows] > 0)]


def _judge(
    row: int,
    level: np.ndarray,
    seen: _Disagreement,
    published: np.ndarray,
    evidence: Evidence,
) -> Culprit | None:
    """Return the value as a culprit if it is one."""
    siblings = level[level != row]
    estimate = float(evidence.estimate[row])
    if len(siblings) < FEWEST_SIBLINGS or len(siblings) == len(level):
        return None
    ratios = np.log(published[siblings] / evidence.estimate[siblings])
    middle = float(np.median(ratios))
    apart = np.abs(ratios - middle) / _uncertainty(siblings, evidence)
    # Siblings may differ by more than their samples do.
    unit = max(1.0, MAD_TO_DEVIATION * float(np.median(apart)))
    unit *= float(_uncertainty(np.array([row]), evidence)[0])
    score = (float(np.log(published[row] / estimate)) - middle) / unit
    expected = estimate * float(np.exp(middle))
    remaining = abs(expected - seen.implied)
    agrees = remaining <= CONTRADICTION * seen.size
    if not agrees and seen.implied > 0.0:
        agrees = abs(float(np.log(seen.implied / expected))) <= ORDINARY * unit
    if abs(score) < OUTLIER or not agrees or remaining > seen.apart / 2.0:
        return None
    return Culprit(row, seen.implied, expected, score)


def _uncertainty(rows: np.ndarray, evidence: Evidence) -> np.ndarray:
    """Return the standard deviations of the logarithms of the rows' ratios."""
    sampling = 1.0 / np.maximum(evidence.households[rows], 1.0)
    return np.sqrt(USUAL_DIFFERENCE**2 + sampling)
