"""Weights that are not fitted but given: PolicyEngine's `calibration_weights.npy`."""

from pathlib import Path

import numpy as np

from localcal.errors import InputError
from localcal.files.arrays import load_array
from localcal.geography.geography import Geography, clone_order
from localcal.weights.preparation import Preparation
from localcal.weights.trace import Trace

REMEDY = "give weights.<scope>.path a calibration_weights.npy of this run's households and clones"
# Kinds of numbers that can be households.
KINDS = "fiu"


def read_given_weights(path: Path, places: Geography) -> np.ndarray:
    """Return given weights in the order of the columns, float32 (J,), households.

    Args:
        path: a .npy file with one number for each column, in the order `clone * n_households +
            household`; its records are taken to be the population's households in its order.
        places: the columns' places.

    Raises:
        InputError: no such file, not a list of numbers, another length, a weight that is not
            finite or negative, or none that is positive.
    """
    found = _load(path)
    if found.shape != (len(places),):
        raise InputError(
            f"{path}: has {found.size:,} weights, but the run has {places.n_households:,} "
            f"households x {places.n_clones:,} clones = {len(places):,} columns; set "
            "population.households and geography.clones to those of the file, or " + REMEDY
        )
    with np.errstate(over="ignore", under="ignore"):
        weights = found.astype(np.float32)
    wrong = ~(np.isfinite(weights) & (found >= 0)) | ((weights == 0) & (found != 0))
    if wrong.any():
        position = int(np.argmax(wrong))
        clone, record = divmod(position, places.n_households)
        raise InputError(
            f"{path}: weight {position} (record {record}, clone {clone}) is {found[position]}, no "
            f"number of households ({np.count_nonzero(wrong):,} such); {REMEDY}"
        )
    if not weights.any():
        raise InputError(f"{path}: every weight is zero; {REMEDY}")
    ours = np.empty_like(weights)
    ours[clone_order(places)] = weights
    return ours


def _load(path: Path) -> np.ndarray:
    found = load_array(path, REMEDY)
    if found.ndim != 1 or found.dtype.kind not in KINDS:
        raise InputError(
            f"{path}: is {found.dtype} of shape {found.shape}, not a list of numbers; {REMEDY}"
        )
    return found


def trace_of(weights: np.ndarray, prepared: Preparation) -> Trace:
    """Return given weights (float32 (J,)) taken apart, so that they come out to the last bit.

    A column without design weight has no base that could be multiplied: its base is the weight
    itself, its factor 1.
    """
    given = weights.astype(np.float64)
    base = np.where(prepared.base > 0.0, prepared.base, given)
    factor = np.divide(given, base, out=np.zeros(len(given)), where=base > 0.0)
    return Trace(base, np.ones(len(given)), factor, factor)
