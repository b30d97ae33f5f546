"""NumPy arrays of a run, read with clear errors."""

import tokenize
from pathlib import Path
from typing import Literal

import numpy as np

from localcal.errors import REMAKE, InputError, one_line


def read_array(path: str | Path, dtype: str, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    """Read the one-dimensional array of a .npy file.

    Args:
        path: the file.
        dtype: the type it must have.
        mmap_mode: "r" leaves it on the disk.

    Raises:
        InputError: the file is missing, damaged or holds another kind of array.
    """
    array = load_array(path, REMAKE, mmap_mode)
    if array.ndim != 1 or array.dtype != np.dtype(dtype):
        raise InputError(f"{path}: damaged, not a list of {dtype} numbers; {REMAKE}")
    return array


def load_array(path: str | Path, remedy: str, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    """Read the array of a .npy file, whatever it is of; but nothing that could run code.

    Args:
        path: the file.
        remedy: what to do if it cannot be read.
        mmap_mode: "r" leaves it on the disk.

    Raises:
        InputError: the file is missing or damaged, or holds objects or several arrays.
    """
    try:
        array = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {remedy}") from error
    # NumPy reads the header as Python, and makes room for as many numbers as it says there are.
    except (
        OSError,
        ValueError,
        EOFError,
        TypeError,
        SyntaxError,
        OverflowError,
        MemoryError,
        tokenize.TokenError,
    ) as error:
        raise InputError(
            f"{path}: damaged, no NumPy array ({one_line(error)}); {remedy}"
        ) from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{path}: damaged, an archive and not one NumPy array; {remedy}")
    return array


def read_weights(path: str | Path, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    """Read a fit's weights.npy, (columns,) float32.

    Raises:
        InputError: the file is missing or damaged, or a weight is no number of households.
    """
    weights = read_array(path, "<f4", mmap_mode)
    refuse_bad_weights(path, weights)
    return weights


def refuse_bad_weights(path: str | Path, weights: np.ndarray) -> None:
    """Refuse weights that are NaN, infinite or negative; comparisons would just drop them.

    Raises:
        InputError: names the first of them.
    """
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{path}: damaged, weight {row} is {weights[row]} ({np.count_nonzero(wrong)} of "
            f"{wrong.size} are no numbers of households); {REMAKE}"
        )
