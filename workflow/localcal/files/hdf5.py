"""HDF5 files, written completely and read with clear errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from localcal.errors import REMAKE, InputError, one_line
from localcal.files.atomic import atomic_path, require_space
from localcal.files.limits import limit_of


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
        InputError: it is missing, truncated, damaged or something else; it takes data from other
            files; or it lacks a dataset or an attribute that is asked for.
    """
    try:
        with h5py.File(path, "r") as file:
            _refuse_elsewhere(path, file, remedy)
            yield file
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {remedy}") from error
    except KeyError as error:
        raise InputError(f"{path}: lacks something ({one_line(error)}); {remedy}") from error
    # What h5py raises depends on which of the file's bytes are wrong.
    except (OSError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        if (limit := limit_of(error)) is not None:
            raise InputError(f"{path}: {limit}") from error
        raise InputError(f"{path}: truncated or not an HDF5 file of its kind; {remedy}") from error


def _refuse_elsewhere(path: str | Path, file: h5py.File, remedy: str) -> None:
    """Refuse a file whose data lie in other files, of which it could name any of this machine.

    HDF5 follows external links, raw external storage and virtual datasets without a word, and has
    fill values for what they do not find.
    """

    def is_foreign(name: bytes, link: h5py.h5l.LinkInfo) -> bytes | None:
        return None if link.type in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT) else name

    def lies_elsewhere(name: bytes, info: h5py.h5o.ObjInfo) -> bytes | None:
        if info.type != h5py.h5o.TYPE_DATASET:
            return None
        created = h5py.h5d.open(file.id, name).get_create_plist()
        virtual = created.get_layout() == h5py.h5d.VIRTUAL
        return name if virtual or created.get_external_count() else None

    foreign = file.id.links.visit(is_foreign, info=True)
    foreign = foreign or h5py.h5o.visit(file.id, lies_elsewhere, info=True)
    if foreign:
        name = ascii(foreign.decode(errors="replace"))
        raise InputError(f"{path}: {name} lies in another file, which is not read; {remedy}")
