"""The lock of a run: while Snakemake works on a run, no other one does.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import contextlib
import errno
import fcntl
import os
import re
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from localcal.errors import InputError, one_line
from localcal.files.atomic import make_folder
from localcal.files.limits import limit_of

LOCK_FILE = ".lock"

# Whoever only looks holds the lock for an instant, see `holder_of`.
_SECONDS_TO_LOOK = 0.5

# Descriptors of held locks; closing one, or the end of the process, gives the lock back.
_held: list[int] = []


def take_lock(folder: str | Path) -> None:
    """Make this process the only one to work on a run, until it ends in whatever way.

    Raises:
        InputError: another process holds the lock, the file is a link, or it cannot be written.
    """
    descriptor = claim(folder)
    write_holder(descriptor, os.getpid())
    _held.append(descriptor)


def claim(folder: str | Path) -> int:
    """Lock a folder; whoever has the returned descriptor open holds the lock.

    Programs that this process starts do not have it, unless they are given it.

    Raises:
        InputError: as `take_lock`.
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
    # The last one is not this one.
    os.ftruncate(descriptor, 0)
    return descriptor


def write_holder(descriptor: int, process: int) -> None:
    """Say in a lock which process of this machine holds it.

    Raises:
        InputError: the disk is full, or fails.
    """
    # With the time, since a job compares it with what its own coordinator wrote.
    now = datetime.now(UTC).isoformat(timespec="seconds")
    holder = f"process {process} on {socket.gethostname()} since {now}"
    try:
        os.pwrite(descriptor, f"{holder}\n".encode(), 0)
    except OSError as error:
        raise InputError(f"the run's {LOCK_FILE}: {limit_of(error) or one_line(error)}") from error


def _lock(descriptor: int) -> None:
    """Lock a file, or raise BlockingIOError where another process does more than look."""
    end = time.monotonic() + _SECONDS_TO_LOOK
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
        time.sleep(_SECONDS_TO_LOOK / 10)


class Holder(NamedTuple):
    """Who works on a run."""

    text: str
    """`process 12 on host since 2026-03-18T14:30:22+00:00`, or `another process`."""
    process: int | None
    """Its number on its machine; None where the lock does not say it."""
    host: str | None
    """The name of its machine."""


_HOLDER = re.compile(r"process (\d+) on (\S+) since \S+")


def holder_of(folder: str | Path) -> Holder | None:
    """Return who holds the lock of a run, None where nobody does.

    The lock ends with its process, in whatever way, so what the file says of a dead one is not
    taken for true.

    Raises:
        InputError: the lock file cannot be opened.
    """
    path = Path(folder) / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: {limit_of(error) or one_line(error)}") from error
    try:
        # Shared, so that any number of processes may look.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
        match = _HOLDER.fullmatch(text)
        if match is None:
            return Holder(text or "another process", None, None)
        return Holder(text, int(match[1]), match[2])
    finally:
        os.close(descriptor)
    return None


def release_locks() -> None:
    """Give back every lock this process holds."""
    while _held:
        with contextlib.suppress(OSError):
            os.close(_held.pop())
