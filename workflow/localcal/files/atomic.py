"""Files that are complete whenever they exist under their final name."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from localcal.errors import InputError
from localcal.files.limits import largest_file, limit_of
from localcal.files.seal import sealed
from localcal.timing import WRITE, phase

PART_SUFFIX = ".part"

# Groups and attributes of a dataset with a thousand variables.
HDF5_MARGIN = 4 << 20


@contextlib.contextmanager
def atomic_path(path: str | Path, suffix: str = PART_SUFFIX) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` on success.

    The temporary name is fixed, so that a killed job's remainder is overwritten by its successor
    instead of piling up.

    Args:
        path: the file to write.
        suffix: what the temporary name has more; one of their own for those who may write the same
            file at the same time.

    Raises:
        InputError: the disk is full, or the machine or the shell refuses to write the file;
            nothing is left under either name.
    """
    path = Path(path)
    part = path.with_name(path.name + suffix)
    try:
        make_folder(path.parent)
        # Never through a link of this name.
        part.unlink(missing_ok=True)
        yield part
        with phase(WRITE):
            _flush_to_disk(part)
            part.rename(path)
    except (OSError, RuntimeError) as error:
        _remove(part)
        if (limit := limit_of(error)) is not None:
            raise InputError(f"{_subject(error, path)}: {limit}") from error
        raise
    except BaseException:
        _remove(part)
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and those above it where there are none.

    Raises:
        OSError: it cannot be made; NotADirectoryError where a file has its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, "Not a directory", str(folder)) from error


def _remove(part: Path) -> None:
    # What could not be written often cannot be removed either, or is not there.
    with contextlib.suppress(OSError):
        part.unlink(missing_ok=True)


def _subject(error: Exception, path: Path) -> str:
    """Return the file that an error is about: what is written, unless it names another one."""
    named = getattr(error, "filename", None)
    about_this = named is None or str(named).startswith((str(path), str(path.parent)))
    return str(path) if about_this else str(named)


def require_space(path: str | Path, n_bytes: int) -> None:
    """Refuse to begin a file that will not fit on its disk.

    HDF5 does not survive a disk that fills up while it writes: the process may crash when the
    file is closed. So whoever writes HDF5 asks first.

    Raises:
        InputError: less than `n_bytes` and a margin for HDF5's own structures are free, or more
            than the shell lets a file have; or its folder cannot be made.
    """
    path = Path(path)
    try:
        make_folder(path.parent)
    except OSError as error:
        if (limit := limit_of(error)) is not None:
            raise InputError(f"{path}: {limit}") from error
        raise
    largest = largest_file()
    if largest is not None and n_bytes + HDF5_MARGIN > largest:
        raise InputError(
            f"{path}: it needs {(n_bytes + HDF5_MARGIN) / 1e6:.1f} MB, but this shell lets a file "
            f"have {largest / 1e6:.1f} MB; raise it with ulimit -f and run the same command again"
        )
    free = shutil.disk_usage(path.parent).free
    if n_bytes + HDF5_MARGIN > free:
        raise InputError(
            f"{path}: no space left on the disk: it needs {(n_bytes + HDF5_MARGIN) / 1e6:.1f} MB, "
            f"{free / 1e6:.1f} MB are free; free some and run the same command again"
        )


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(path: str | Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@phase(WRITE)
def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write an object as JSON with its seal and sorted keys; NaN is refused, JSON has none."""
    with atomic_path(path) as part:
        part.write_text(
            json.dumps(sealed(content), indent=1, sort_keys=True, allow_nan=False) + "\n"
        )
