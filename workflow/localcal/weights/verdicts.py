"""What becomes of a target in a fit."""

import numpy as np

# Verdicts on a target. FITTED is what the rows of the fit are called until their errors are known.
NOT_FITTED = "not_fitted"
HELD_OUT = "held_out"
ZERO = "zero"
NO_SUPPORT = "no_support"
THIN = "thin"
UNREACHABLE = "unreachable"
SUSPECT = "suspect"
FITTED = "fitted"
MERGED = "merged"
MET = "met"
MET_MOVED = "met_moved"
MISSED = "missed"
CONTRADICTED = "contradicted"

MEANING = {
    MET: "fitted; the final estimate is within 5 % of the harmonized value, or within the target's "
    "own tolerance if that is larger",
    MET_MOVED: "fitted, and met as harmonized, but farther than that from the uprated value that "
    "was published: making the levels agree moved it",
    MISSED: "fitted; the dense fit met it, the kept records do not",
    CONTRADICTED: "fitted; neither the dense nor the final fit meets it: other targets, the bounds "
    "or the penalty stand against it; see its huber_weight",
    MERGED: "fitted in a sum with others, since it is thin or they are; see merged",
    HELD_OUT: "not fitted by wish; its error says what the weights know of what they were not told",
    UNREACHABLE: "left out; no weights within the bounds reach it",
    SUSPECT: "left out; its level disagrees with another, and this value alone explains it: see "
    "suspects in fit.json, and correct it",
    THIN: "left out; too few columns or households contribute",
    NO_SUPPORT: "left out; no column contributes",
    ZERO: "left out; a relative error from zero has no meaning without an absolute floor",
    NOT_FITTED: "left out; its level is not among the fitted ones",
}
# What became of a target, for tables by group.
ROLES = ("fitted", "merged", "held_out", "left_out")
MISSED_ABOVE = 0.05
# An area that rests on fewer effective households than this is not publishable.
UNPUBLISHABLE_BELOW = 10.0
# A factor this close to its bound, relatively, counts as at it: weights have 24 bits.
AT_BOUND = 1e-6


def scaled_error(estimate: np.ndarray, value: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return (estimate - value) / scale; NaN where the scale is NaN."""
    return (estimate - value) / scale


def settle_verdicts(
    verdict: np.ndarray,
    dense_error: np.ndarray,
    final_error: np.ndarray,
    uprated_error: np.ndarray,
    tolerance: np.ndarray,
) -> np.ndarray:
    """Turn FITTED into MET, MET_MOVED, MISSED or CONTRADICTED by the relative errors.

    Errors are relative to the harmonized value, the last also to the one before that: (m,).
    """
    # Where the tolerance is 0.05 the error is often that to the last bit but one.
    allowed = np.maximum(MISSED_ABOVE, tolerance) * (1 + AT_BOUND)
    missed = np.abs(final_error) > allowed
    contradicted = missed & (np.abs(dense_error) > allowed)
    moved = np.abs(uprated_error) > allowed
    of_fitted = np.select(
        [contradicted, missed, moved], [CONTRADICTED, MISSED, MET_MOVED], default=MET
    )
    return np.where(verdict == FITTED, of_fitted, verdict)


def role_of(verdict: np.ndarray) -> np.ndarray:
    """Return the role, out of ROLES, that each verdict means; arrays of str (m,)."""
    return np.select(
        [
            np.isin(verdict, [FITTED, MET, MET_MOVED, MISSED, CONTRADICTED]),
            verdict == MERGED,
            verdict == HELD_OUT,
        ],
        ROLES[:3],
        ROLES[3],
    )
