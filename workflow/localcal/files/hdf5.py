"""HDF5 files, written completely and read with clear errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from localcal.errors import InputError
from localcal.files.atomic import atomic_path, require_space


@contextmanager
def create_h5(path: str | Path, n_bytes: int = 0) -> Iterator[h5py.File]:
    """Yield a new file that appears under `path` only when all went well.

    Args:
        path: the file.
        n_bytes: what its arrays will take, as far as it is known.

    Raises:
        InputError: the disk has no room for it.
    """
    require_space(path, n_bytes)
    with atomic_path(path) as part, h5py.File(part, "w") as file:
        yield file


@contextmanager
def open_h5(path: str | Path) -> Iterator[h5py.File]:
    """Yield an existing file for reading.

    Raises:
        InputError: it is missing, truncated or something else.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: truncated or not an HDF5 file") from error
