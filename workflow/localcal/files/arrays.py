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
    try:
        array = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {REMAKE}") from error
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
            f"{path}: damaged, no NumPy array ({one_line(error)}); {REMAKE}"
        ) from error
    if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype != np.dtype(dtype):
        raise InputError(f"{path}: damaged, not a list of {dtype} numbers; {REMAKE}")
    return array
