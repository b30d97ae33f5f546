"""A folder of runs as its readers see it, wherever it is: names, sizes, times and bytes."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from localcal.errors import InputError, one_line
from localcal.run.launch import LOGS
from localcal.run.lock import LOCK_FILE, holder_of

# Held by Snakemake while it works on a run; and from before that by what was started to run it.
LOCKS = (LOCK_FILE, f"{LOGS}/{LOCK_FILE}")


class File(NamedTuple):
    """What is known of a file without reading it: bytes, and seconds since 1970."""

    size: int
    mtime: float


class Runs(Protocol):
    """A folder with one folder per run."""

    @property
    def name(self) -> str:
        """Return what messages call it."""

    def names(self) -> list[str]:
        """Return what lies in it, sorted, without what is hidden."""

    def files(self, run: str) -> dict[str, File]:
        """Return the files of a run by their paths below its folder; links are not followed."""

    def read(self, run: str, file: str) -> bytes:
        """Return the content of a file of a run.

        Raises:
            InputError: it cannot be read.
        """

    def is_held(self, run: str) -> bool | None:
        """Say whether a process works on a run; None where nobody can tell from here."""


class LocalRuns:
    """A folder of runs on this machine, or on a disk that it shares.

    Args:
        folder: the folder, such as runs.

    Raises:
        InputError: there is no such folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InputError(
                f"{folder}: no such folder; name the folder of the runs with --runs, or go to the "
                "one that has it"
            )

    @property
    def name(self) -> str:
        """Return the folder's path."""
        return str(self.folder)

    def names(self) -> list[str]:
        """Return what lies in it, sorted, without what is hidden."""
        return sorted(path.name for path in self.folder.iterdir() if path.name[0] != ".")

    def files(self, run: str) -> dict[str, File]:
        """Return the files of a run by their paths below its folder; links are not followed."""
        return dict(_files(str(self.folder / run), ""))

    def read(self, run: str, file: str) -> bytes:
        """Return the content of a file of a run."""
        path = self.folder / run / file
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({one_line(error)})") from error

    def is_held(self, run: str) -> bool:
        """Say whether a process works on a run, or is about to: a detached one begins its log."""
        return any(map(self.is_locked, [self.folder / run, self.folder / run / LOGS]))

    @staticmethod
    def is_locked(folder: Path) -> bool:
        """Say whether a process holds the lock of a folder."""
        return folder.is_dir() and holder_of(folder) is not None


def _files(folder: str, before: str) -> Iterator[tuple[str, File]]:
    try:
        entries = list(os.scandir(folder))
    except (NotADirectoryError, FileNotFoundError):
        # No folder, or one that was removed in this moment.
        return
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({one_line(error)})") from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path, f"{before}{entry.name}/")
            continue
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISREG(found.st_mode):
            yield before + entry.name, File(found.st_size, found.st_mtime)
