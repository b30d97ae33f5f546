"""A folder of runs on a Modal Volume, for whoever asks about them from anywhere.

The plugins of this checkout know Modal, and are imported only where a volume is asked for.
"""

import importlib
import time
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any, NamedTuple

from localcal.errors import InputError
from localcal.run.lock import LOCK_FILE
from localcal.run.provenance import RUN_FILE
from localcal.status.folder import File, LocalRuns, Runs

SCHEME = "modal://"
STORAGE = "snakemake_storage_plugin_modal.look"
EXECUTOR = "snakemake_executor_plugin_modal.leftovers"

# A coordinator writes its record every thirty seconds, and is taken for dead after so many.
SILENT_SECONDS = 180.0
# So long a detached one may wait for its first container.
START_SECONDS = 900.0
STATE = "state.json"
ENDED = ("completed", "failed", "stopped")
COORDINATOR_LOG = "logs/coordinator/coordinator.log"
RUNS = "runs"


def runs_at(place: str) -> Runs:
    """Return the folder of runs that a path or an address leads to.

    Args:
        place: a folder such as runs, or modal://VOLUME, whose runs are in its folder `runs`.

    Raises:
        InputError: there is none, or it cannot be read from here.
    """
    return VolumeRuns(place) if place.startswith(SCHEME) else LocalRuns(place)


class VolumeRuns:
    """A folder of runs on a Modal Volume, seen by one listing at a time.

    Args:
        address: modal://VOLUME, or modal://VOLUME/FOLDER where runs/ is in a folder of it.

    Raises:
        InputError: there is no such volume, or Modal cannot be asked.
    """

    def __init__(self, address: str) -> None:
        self._look = plugin(STORAGE, address)
        self._records = plugin(EXECUTOR, address)
        self._address = address
        self._contents: dict[str, tuple[File, bytes]] = {}
        self._volume, folder = self._asked(self._look.open_volume, address)
        self._folder = f"{folder}/{RUNS}" if folder else RUNS
        self.names()

    @property
    def name(self) -> str:
        """Return the address of the folder."""
        return f"{self._address.rstrip('/')}/{RUNS}"

    def names(self) -> list[str]:
        """Return what lies in it, sorted, without what is hidden.

        With runs that a detached coordinator has yet to make the first file of, or could not.
        """
        below = {path.partition("/")[0] for path in self._below(self._folder)}
        return sorted({name for name in below if name[0] != "."} | set(self._detached()))

    def files(self, run: str) -> dict[str, File]:
        """Return the files of a run by their paths below its folder.

        What a coordinator has written of itself stands for the lock that it has on one's own
        machine, and the log of one that could not begin is among the run's.
        """
        found = self._below(f"{self._folder}/{run}")
        if (detached := self._detached().get(run)) is not None and RUN_FILE not in found:
            found[LOCK_FILE] = File(0, detached.written)
            if detached.log is not None and detached.state == "failed":
                found[COORDINATOR_LOG] = _file(self._listing()[detached.log])
        return found

    def read(self, run: str, file: str) -> bytes:
        """Return the content of a file of a run.

        A log is read with all others of the run that have changed, side by side: one after the
        other they would take minutes.
        """
        files = self.files(run)
        if file not in files:
            raise InputError(f"{self.name}/{run}/{file}: no such file")
        if file.startswith("logs/"):
            wanted = [name for name in files if name.startswith("logs/")]
        else:
            wanted = [file]
        self._fetch([self._path(run, name) for name in wanted])
        if (found := self._contents.get(self._path(run, file))) is None:
            raise InputError(f"{self.name}/{run}/{file}: was removed since it was listed")
        return found[1]

    def is_held(self, run: str) -> bool:
        """Say whether a coordinator works on a run: one that has just said so, or was just sent."""
        detached = self._detached().get(run)
        if detached is not None and detached.state not in ENDED:
            patience = SILENT_SECONDS if detached.state else START_SECONDS
            if time.time() - detached.written < patience:
                return True
        folder = PurePosixPath(self._folder, run)
        return any(folder in (work, *work.parents) for work in self._work())

    def _work(self) -> Iterator[PurePosixPath]:
        """Yield the folders that live coordinators make files in."""
        listed = self._listing()
        fresh = [
            path
            for path in self._records.records_of(listed)
            if time.time() - listed[path].mtime < SILENT_SECONDS
        ]
        self._fetch(fresh)
        for path in fresh:
            work = self._parsed(path).get("folder")
            if work is not None:
                yield PurePosixPath(work)

    def _detached(self) -> dict[str, "_Detached"]:
        """Return the detached coordinators, by their names, which are those of runs."""
        before = f"{self._records.FOLDER}/"
        desks: dict[str, dict[str, File]] = {}
        for path, file in self._below(self._records.FOLDER).items():
            name, _, rest = path.partition("/")
            if rest:
                desks.setdefault(name, {})[rest] = file
        self._fetch([f"{before}{name}/{STATE}" for name in desks if STATE in desks[name]])
        found = {}
        for name, files in desks.items():
            logs = sorted(file for file in files if file.startswith("log_"))
            found[name] = _Detached(
                max(file.mtime for file in files.values()),
                str(self._parsed(f"{before}{name}/{STATE}").get("state", "")),
                f"{before}{name}/{logs[-1]}" if logs else None,
            )
        return found

    def _path(self, run: str, file: str) -> str:
        """Return where a file of a run is on the volume."""
        if file == COORDINATOR_LOG and (detached := self._detached().get(run)) is not None:
            return detached.log or ""
        return f"{self._folder}/{run}/{file}"

    def _parsed(self, path: str) -> dict[str, Any]:
        known = self._contents.get(path)
        return self._records.parse(known[1]) if known is not None else {}

    def _fetch(self, paths: Iterable[str]) -> None:
        """Read files that are not known as they are listed now."""
        listed = self._listing()
        now = {path: _file(listed[path]) for path in paths if path in listed}
        new = [path for path in now if self._contents.get(path, (None,))[0] != now[path]]
        if new:
            contents = self._asked(self._volume.contents, new)
            self._contents |= {path: (now[path], contents[path]) for path in contents}

    def _below(self, folder: str) -> dict[str, File]:
        before = f"{folder}/"
        return {
            path.removeprefix(before): _file(entry)
            for path, entry in self._listing().items()
            if path.startswith(before)
        }

    def _listing(self) -> dict[str, Any]:
        return self._asked(self._volume.files)

    def _asked(self, question: Any, *arguments: Any) -> Any:
        """Return an answer of Modal; raise InputError where there is none."""
        try:
            return question(*arguments)
        except self._look.VolumeError as error:
            raise InputError(f"{self._address}: {error}") from error


def _file(entry: Any) -> File:
    return File(entry.size, float(entry.mtime))


class _Detached(NamedTuple):
    """When a detached coordinator last wrote, its state ("" before it begins), and its last log."""

    written: float
    state: str
    log: str | None


class VolumeLeftovers:
    """What dead coordinators have left on a Modal Volume, beside the runs.

    Args:
        address: modal://VOLUME.
        now: seconds since 1970.
        older_than: what was written within so many seconds stays.

    Raises:
        InputError: there is no such volume, or Modal cannot be asked.
    """

    def __init__(self, address: str, now: float, older_than: float | None) -> None:
        self._look = plugin(STORAGE, address)
        module = plugin(EXECUTOR, address)
        self._address = address
        try:
            self._volume, _ = self._look.open_volume(address)
            files = self._volume.files()
            contents = self._volume.contents(module.records_of(files))
        except self._look.VolumeError as error:
            raise InputError(f"{address}: {error}") from error
        self.found = [
            (one.path, one.size, float(one.mtime), one.what)
            for one in module.leftovers(files, contents, now, older_than or 0.0)
        ]

    def remove(self, path: str) -> None:
        """Remove one of them.

        Raises:
            InputError: Modal did not.
        """
        try:
            self._volume.remove(path)
        except self._look.VolumeError as error:
            raise InputError(f"{self._address}/{path}: {error}") from error


def plugin(name: str, address: str) -> ModuleType:
    """Return a module of the plugins that know Modal.

    Raises:
        InputError: they, or the package modal, are not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{address}: reading a Modal Volume needs {error.name}, which is not installed; "
            "run `pip install -e .` in the checkout"
        ) from error
