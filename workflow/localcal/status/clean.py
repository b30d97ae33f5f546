"""Removing old runs: which may go, and how one goes without leaving half of it under its name."""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from localcal.errors import InputError, one_line
from localcal.run.launch import LOGS
from localcal.run.lock import LOCK_FILE, release_locks, take_lock
from localcal.run.provenance import RUN_FILE
from localcal.status import receipts
from localcal.status.folder import File, LocalRuns
from localcal.status.words import in_words

# What a run is called while it is removed: hidden, so that nobody takes it for one.
REMOVED = ".removed-"
NO_RUN = f"no run: holds no {RUN_FILE}"

_SECONDS = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


@dataclass(frozen=True)
class Candidate:
    """A run that may have to go.

    Attributes:
        run: its name.
        size: of its files, bytes.
        written: when anything in it was last written, seconds since 1970.
        kept: why it stays; None where it goes.
    """

    run: str
    size: int
    written: float
    kept: str | None


def seconds_of(text: str) -> float:
    """Return the seconds of an age such as 12h, 30d or 8w.

    Raises:
        InputError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([hdw])", text)
    if match is None:
        raise InputError(f"--older-than: {text!r} is no age; write it as in 12h, 30d or 8w")
    return float(match[1]) * _SECONDS[match[2]]


def candidates(
    runs: LocalRuns, now: float, older_than: float | None, keep: int | None
) -> list[Candidate]:
    """Return the runs of a folder, the newest first, with what is to become of them.

    Args:
        runs: the folder.
        now: seconds since 1970.
        older_than: a run goes only where nothing in it was written for so many seconds.
        keep: so many of the newest runs stay.

    Raises:
        InputError: neither was said.
    """
    if older_than is None and keep is None:
        raise InputError("say which runs are old: --older-than 30d, --keep 5, or both")
    linked = _linked(runs.folder)
    found = [_look(runs, name, linked) for name in runs.names()]
    found.sort(key=lambda one: (-one.written, one.run))
    known = [one.run for one in found if one.kept != NO_RUN and one.written]
    newest = set(known if keep is None else known[:keep])
    return [_aged(one, one.run in newest, now, older_than, keep) for one in found]


def _look(runs: LocalRuns, name: str, linked: set[Path], is_mine: bool = False) -> Candidate:
    """Return what is known of a run, with why it stays however old it is."""
    folder = runs.folder / name
    if folder.is_symlink():
        # Perhaps to the whole disk.
        kept = f"a link to {folder.readlink()}, which nothing is removed through"
        return Candidate(name, 0, 0.0, kept)
    try:
        return _seen(runs, name, linked, is_mine)
    except InputError as error:
        return Candidate(name, 0, 0.0, f"cannot be looked through: {error}")


def _seen(runs: LocalRuns, name: str, linked: set[Path], is_mine: bool) -> Candidate:
    files = runs.files(name)
    # Whoever removes a run holds its lock, and has just written to it.
    times = [file.mtime for path, file in files.items() if path != LOCK_FILE]
    kept = _protected(runs, name, files, linked)
    held = runs.is_locked(runs.folder / name / LOGS) if is_mine else runs.is_held(name)
    if kept is None and held:
        kept = "a process works on it"
    size = sum(file.size for file in files.values())
    return Candidate(name, size, max(times, default=0.0), kept)


def _protected(
    runs: LocalRuns, name: str, files: Mapping[str, File], linked: set[Path]
) -> str | None:
    folder = runs.folder / name
    if RUN_FILE not in files:
        return NO_RUN
    # Also what a release that did not come to its end has noted.
    if published := sorted(file for file in files if file.startswith(receipts.FOLDER)):
        release, _ = receipts.read_release(runs, name, files)
        return str(release) if release else f"{published[0]} tells of a release"
    if folder.resolve() in linked:
        return "a link leads to it"
    return None


def _linked(folder: Path) -> set[Path]:
    """Return the runs that links in or beside the folder of runs lead to, such as artifacts."""
    inside = folder.resolve()
    found = set()
    for place in (folder, inside.parent):
        for path in place.iterdir():
            if path.is_symlink():
                target = path.resolve()
                found |= {parent for parent in (target, *target.parents) if parent.parent == inside}
    return found


def _aged(
    one: Candidate, is_new: bool, now: float, older_than: float | None, keep: int | None
) -> Candidate:
    """Return a run with why it stays if nothing protects it but its age."""
    if one.kept is not None:
        return one
    kept = None
    if keep is not None and is_new:
        kept = f"among the newest {keep}"
    elif older_than is not None and now - one.written <= older_than:
        kept = f"written within the last {in_words(older_than)}"
    return replace(one, kept=kept)


def leftovers(runs: LocalRuns) -> list[Path]:
    """Return what is left of runs whose removal was cut short."""
    return sorted(path for path in runs.folder.iterdir() if path.name.startswith(REMOVED))


def remove(runs: LocalRuns, one: Candidate) -> None:
    """Remove a run: first its name, then its files; links in it are not followed.

    Raises:
        InputError: somebody works on it or it was published since it was looked at, or a file
            cannot be removed.
    """
    folder = runs.folder / one.run
    hidden = runs.folder / f"{REMOVED}{one.run}"
    try:
        if RUN_FILE in runs.files(one.run):
            # Nobody can begin to work on it any more.
            take_lock(folder)
        again = _look(runs, one.run, _linked(runs.folder), is_mine=True)
        if again.kept is not None or again.written != one.written:
            raise InputError(f"{folder}: has changed since it was looked at; clean again")
        if os.path.lexists(hidden):
            erase(hidden)
        folder.rename(hidden)
    except OSError as error:
        raise InputError(f"{folder}: cannot be removed ({one_line(error)})") from error
    finally:
        release_locks()
    erase(hidden)


def erase(hidden: Path) -> None:
    """Remove what has lost its name.

    Raises:
        InputError: a file cannot be removed.
    """
    try:
        shutil.rmtree(hidden)
    except OSError as error:
        raise InputError(
            f"{hidden}: cannot be removed wholly ({one_line(error)}); mend that and clean again"
        ) from error
