"""From a matrix and its targets to the problem that is solved."""

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.weights.columns import Columns
from localcal.weights.preparation import make_problem, prepare
from localcal.weights.problem import Problem
from localcal.weights.settings import Settings


def pose_problem(
    matrix,
    targets: pd.DataFrame,
    design_weight: np.ndarray,
    household: np.ndarray,
    state: np.ndarray,
    district: np.ndarray,
    settings: Settings,
) -> tuple[Problem, np.ndarray]:
    """Return the problem that `fit_weights` solves, and its records' columns (int64 (n,)).

    The arguments are those of `fit_weights`; it raises the same errors.
    """
    columns = as_columns(design_weight, household, state, district)
    check_input(matrix, targets, columns, settings)
    prepared = prepare(matrix, targets, columns, settings)
    return make_problem(matrix, prepared, columns, settings), prepared.records


def as_columns(
    design_weight: np.ndarray, household: np.ndarray, state: np.ndarray, district: np.ndarray
) -> Columns:
    return Columns(
        np.asarray(design_weight, dtype=np.float64),
        np.asarray(household, dtype=np.int32),
        np.asarray(state, dtype=np.int32),
        np.asarray(district, dtype=np.int32),
    )


def check_input(matrix, targets: pd.DataFrame, columns: Columns, settings: Settings) -> None:
    n_rows, n_columns = matrix.shape
    if len(targets) != n_rows:
        raise InputError(
            f"matrix: it has {n_rows} rows but there are {len(targets)} targets; both must come "
            "from the same run, rebuild the matrix"
        )
    for name, values in vars(columns).items():
        if values.shape != (n_columns,):
            raise InputError(
                f"{name}: it has shape {values.shape} but the matrix has {n_columns} columns; "
                "both must come from the same run, rebuild the matrix"
            )
    weight = columns.design_weight
    if not np.isfinite(weight).all() or (weight < 0).any() or not (weight > 0).any():
        raise InputError(
            "design_weight: weights must be finite, none negative and some positive; "
            "rebuild the geography"
        )
    if columns.household.min() < 0:
        raise InputError("household: a number is negative; rebuild the geography")
    bad = targets.loc[~np.isfinite(targets["value"].to_numpy(np.float64)), "name"]
    if len(bad):
        raise InputError(
            f"target {bad.iloc[0]}: its value is not a finite number ({len(bad)} such targets); "
            "correct the target database or exclude it"
        )
    available = int(np.count_nonzero(weight))
    if settings.records != "all" and settings.records > available:
        raise InputError(
            f"weights.records: {settings.records} asked for, but only {available} columns have a "
            "design weight; ask for fewer or for 'all'"
        )
