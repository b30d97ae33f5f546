"""What goes to l0-python and what comes back, as files.

The problem is an HDF5 file with one record after the other: `indptr` (int64, n + 1), `indices`
(int32, target numbers) and `data` (float32) of the scaled matrix A, `goal` (float64, m), `base`
(float64, n: base weights) and `columns` (int64, n: where the records are in the matrix);
`localcal.weights.descent` has the formulas. What comes back holds `weights` (float32, n; 0 where
l0-python keeps no record) and `columns` again; its attributes say how they were made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from localcal.errors import REMAKE, InputError
from localcal.files.hdf5 import create_h5, open_h5
from localcal.files.origins import refuse_other
from localcal.timing import WRITE, phase
from localcal.weights.problem import Problem

# How weights were made, as the report of the refit says it.
ABOUT = ("device", "epochs", "l0_python", "seconds", "seed", "torch")


@dataclass(frozen=True)
class L0Weights:
    """What l0-python made of a problem."""

    weights: np.ndarray
    """float32 (J,), households each column stands for; 0 where it keeps none."""
    origin: dict
    """How they were made: versions, device, seed, epochs, seconds."""

    @property
    def support(self) -> np.ndarray:
        """Return bool (J,): the columns it keeps."""
        return self.weights > 0


@phase(WRITE)
def write_l0_problem(
    path: Path, problem: Problem, columns: np.ndarray, origins: Mapping[str, object]
) -> None:
    """Write a problem whose record i is column `columns[i]` (int64 (n,)) of the matrix.

    `origins` says which matrix that is; the weights that come back carry it too.
    """
    arrays = {
        "indptr": problem.indptr,
        "indices": problem.indices,
        "data": problem.data,
        "goal": problem.goal,
        "base": problem.base,
        "columns": columns,
    }
    with create_h5(path, sum(array.nbytes for array in arrays.values())) as file:
        file.attrs.update(origins)
        for name, array in arrays.items():
            file.create_dataset(name, data=array)


def read_l0_weights(path: Path, n_columns: int, origins: Mapping[str, object]) -> L0Weights:
    """Read what l0-python made of a problem of this matrix, which has `n_columns` columns.

    Raises:
        InputError: the file is not readable, of another matrix, not of finite weights, or of none.
    """
    with open_h5(path) as file:
        missing = [name for name in ("columns", "weights") if name not in file]
        missing += [name for name in ABOUT if name not in file.attrs]
        if missing:
            raise InputError(f"{path}: lacks {', '.join(missing)}; {REMAKE}")
        columns, found = file["columns"][:], file["weights"][:]
        origin = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in file.attrs.items()
        }
    refuse_other(path, origin, origins)
    origin = {name: value for name, value in origin.items() if name not in origins}
    if found.shape != columns.shape or not 0 <= columns.min(initial=0) <= columns.max(
        initial=0
    ) < max(n_columns, 1):
        raise InputError(
            f"{path}: made for another matrix, whose columns this one does not have; {REMAKE}"
        )
    if not np.isfinite(found).all() or (found < 0).any():
        raise InputError(
            f"{path}: l0-python ended with weights that are not finite; lower "
            "weights.<scope>.l0.learning_rate or lambda_l2"
        )
    if not found.any():
        raise InputError(f"{path}: l0-python keeps no record; lower weights.<scope>.l0.lambda_l0")
    weights = np.zeros(n_columns, dtype=np.float32)
    weights[columns] = found
    return L0Weights(weights, origin)
