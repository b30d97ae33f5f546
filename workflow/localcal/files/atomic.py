"""Files that are complete whenever they exist under their final name."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from localcal.errors import InputError

PART_SUFFIX = ".part"

# Groups and attributes of a dataset with a thousand variables.
HDF5_MARGIN = 4 << 20


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` on success.

    The temporary name is fixed, so that a killed job's remainder is overwritten by its successor
    instead of piling up.

    Raises:
        InputError: the disk is full; nothing is left under either name.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART_SUFFIX)
    part.unlink(missing_ok=True)
    try:
        yield part
        _flush_to_disk(part)
        part.rename(path)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        if is_disk_full(error):
            raise InputError(
                f"{path}: no space left on the disk; free some and run the same command again"
            ) from error
        raise
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def is_disk_full(error: Exception) -> bool:
    """Say whether `error` means a full disk; HDF5 only tells so in its text."""
    code = getattr(error, "errno", None)
    return code in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)


def require_space(path: str | Path, n_bytes: int) -> None:
    """Refuse to begin a file that will not fit on its disk.

    HDF5 does not survive a disk that fills up while it writes: the process may crash when the
    file is closed. So whoever writes HDF5 asks first.

    Raises:
        InputError: less than `n_bytes` and a margin for HDF5's own structures are free.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
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


def write_json(path: str | Path, content: object) -> None:
    """Write `content` as JSON with sorted keys; NaN is refused, since JSON has none."""
    with atomic_path(path) as part:
        part.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")
