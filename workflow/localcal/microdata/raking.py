"""Weights that add up to published counts."""

import numpy as np

from localcal.errors import InputError

MOST_STEPS = 100
EXACT = 1e-9


def raked(source: str, weight: np.ndarray, counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Return the weights nearest to the given ones with which counts add up to totals.

    Nearest in relative entropy, so that a weight is multiplied by exp(counts . a) and stays above
    0 (Deville and Särndal, "Calibration estimators in survey sampling", JASA 1992, the
    multiplicative method). The numbers a solve a convex problem, by Newton's method.

    Args:
        source: what to call the data in an error.
        weight: (units,), above 0.
        counts: (units, totals): how many of what is counted each unit has, 0 or more.
        totals: (totals,), above 0.

    Raises:
        InputError: no weights give the totals.
    """
    step = np.zeros(totals.size)
    result = weight * (totals[0] / (weight @ counts[:, 0]))
    for _ in range(MOST_STEPS):
        gap = totals - result @ counts
        if (np.abs(gap) <= EXACT * totals).all():
            return result
        slope = (counts * result[:, None]).T @ counts
        step = np.linalg.lstsq(slope, gap)[0]
        # A unit's weight changes by a factor of e at most in one step.
        change = counts @ step
        result = result * np.exp(change / max(1.0, np.abs(change).max()))
    raise InputError(
        f"{source}: no weights give {', '.join(f'{total:,.0f}' for total in totals)}; "
        "correct these totals"
    )
