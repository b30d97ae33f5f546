"""From a matrix and its targets to the problem that is solved."""

from pathlib import Path

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.files.csr import CHECKSUM, CsrFile, CsrLike, open_csr
from localcal.files.origins import refuse_other_files
from localcal.geography.geography import Geography, read_geography
from localcal.weights.columns import Columns
from localcal.weights.preparation import make_problem, prepare
from localcal.weights.problem import Problem
from localcal.weights.settings import Settings

# What a matrix says of itself that is passed on to whatever is made from it.
ORIGINS = ("engine", "frozen", "geography", "population", "targets")


def open_matrix(path: Path, targets: Path, geography: Path) -> tuple[CsrFile, Geography]:
    """Open a matrix with the places of its columns, and make sure that they belong together.

    Raises:
        InputError: the matrix is damaged, or was made from other targets or another geography.
    """
    matrix = open_csr(path, ORIGINS)
    refuse_other_files(path, matrix.attributes, {"targets": targets, "geography": geography})
    matrix.verify()
    return matrix, read_geography(geography)


def content_of(matrix: CsrFile) -> dict[str, object]:
    """Return what tells a matrix from any other, for a problem posed from it to carry."""
    return {"matrix": matrix.attributes[CHECKSUM]}


def pose_problem(
    matrix: CsrLike,
    targets: pd.DataFrame,
    columns: Columns,
    settings: Settings,
    seed: int,
) -> tuple[Problem, np.ndarray]:
    """Return the problem that `fit_weights` solves, and its records' columns (int64 (n,)).

    The arguments are those of `fit_weights`; it raises the same errors.
    """
    check_input(matrix, targets, columns, settings)
    prepared = prepare(matrix, targets, columns, settings, seed)
    return make_problem(matrix, prepared, columns, settings), prepared.records


def check_input(
    matrix: CsrLike, targets: pd.DataFrame, columns: Columns, settings: Settings
) -> None:
    """Refuse a matrix, targets and columns that do not belong together or cannot be fitted.

    Raises:
        InputError: lengths differ, or a weight, a number or a value makes no sense.
    """
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
