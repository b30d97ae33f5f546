"""HDF5 files, written completely and read with clear errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from localcal.errors import REMAKE, InputError, one_line
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
def open_h5(path: str | Path, remedy: str = REMAKE) -> Iterator[h5py.File]:
    """Yield an existing file for reading; nothing but reading belongs inside.

    Args:
        path: the file.
        remedy: what to do if it cannot be read.

    Raises:
        InputError: it is missing, truncated, damaged or something else; or it lacks a dataset or
            an attribute that is asked for.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {remedy}") from error
    except KeyError as error:
        raise InputError(f"{path}: lacks something ({one_line(error)}); {remedy}") from error
    # What h5py raises depends on which of the file's bytes are wrong.
    except (OSError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: truncated or not an HDF5 file of its kind; {remedy}") from error
