"""What goes to l0-python and what comes back, as files.

The problem is an HDF5 file with one record after the other: `indptr` (int64, n + 1), `indices`
(int32, target numbers) and `data` (float32) of the scaled matrix A, `goal` (float64, m), `start`
(float64, n: scaled design weights) and `columns` (int64, n: where the records are in the matrix);
`localcal.weights.descent` has the formulas. What comes back holds `weights` (float32, n; 0 where
l0-python keeps no record) and `columns` again; its attributes say how they were made.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from localcal.errors import InputError
from localcal.files.hdf5 import create_h5, open_h5
from localcal.weights.problem import Problem


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


def write_l0_problem(path: Path, problem: Problem, columns: np.ndarray) -> None:
    """Write a problem whose record i is column `columns[i]` (int64 (n,)) of the matrix."""
    arrays = {
        "indptr": problem.indptr,
        "indices": problem.indices,
        "data": problem.data,
        "goal": problem.goal,
        "start": problem.base,
        "columns": columns,
    }
    with create_h5(path, sum(array.nbytes for array in arrays.values())) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)


def read_l0_weights(path: Path, n_columns: int) -> L0Weights:
    """Read what l0-python made of a problem with `n_columns` columns in its matrix.

    Raises:
        InputError: the file is not readable, of another matrix, not of finite weights, or of none.
    """
    with open_h5(path) as file:
        columns, found = file["columns"][:], file["weights"][:]
        origin = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in file.attrs.items()
        }
    if len(columns) and columns.max() >= n_columns:
        raise InputError(f"{path}: made for another matrix; delete it and run the same command")
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
