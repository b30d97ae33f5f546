"""The lock of a run: while Snakemake works on a run, no other one does.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import contextlib
import errno
import fcntl
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

from localcal.errors import InputError, one_line
from localcal.files.atomic import make_folder
from localcal.files.limits import limit_of

LOCK_FILE = ".lock"

_TRIES = 5
_SECONDS_BETWEEN_TRIES = 0.05

# Descriptors of held locks; closing one, or the end of the process, gives the lock back.
_held: list[int] = []


def take_lock(folder: str | Path) -> None:
    """Make this process the only one to work on a run, until it ends in whatever way.

    Raises:
        InputError: another process holds the lock, the file is a link, or it cannot be written.
    """
    path = Path(folder) / LOCK_FILE
    try:
        make_folder(path.parent)
        # Descriptors made here are not inherited by the programs this process starts.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            words = f"{path}: is a link, which nothing is written through; remove it"
            raise InputError(words) from error
        raise InputError(f"{path}: {limit_of(error) or one_line(error)}") from error
    try:
        _lock(descriptor)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise InputError(
            f"{folder}: {holder or 'another process'} works on this run; wait for it or stop it"
        ) from error
    # With the time, since a job compares it with what its own coordinator wrote.
    now = datetime.now(UTC).isoformat(timespec="seconds")
    holder = f"process {os.getpid()} on {socket.gethostname()} since {now}"
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{holder}\n".encode(), 0)
    _held.append(descriptor)


def _lock(descriptor: int) -> None:
    """Lock a file, also while somebody asks whether it is locked, which takes no time."""
    for _ in range(_TRIES - 1):
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_SECONDS_BETWEEN_TRIES)
    return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(folder: str | Path) -> bool:
    """Say whether a process works on a run, without keeping one from it.

    Raises:
        InputError: the lock file cannot be opened.
    """
    path = Path(folder) / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({one_line(error)})") from error
    try:
        # Whoever works on the run holds it for himself; any number may hold it together.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def release_locks() -> None:
    """Give back every lock this process holds."""
    while _held:
        with contextlib.suppress(OSError):
            os.close(_held.pop())
