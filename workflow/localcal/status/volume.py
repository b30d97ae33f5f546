"""A folder of runs on a Modal Volume, for whoever asks about them from anywhere.

The plugins of this checkout know Modal, and are imported only where a volume is asked for.
"""

import importlib
import time
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any

from localcal.errors import InputError
from localcal.status.folder import File, LocalRuns, Runs

SCHEME = "modal://"
STORAGE = "snakemake_storage_plugin_modal.look"
EXECUTOR = "snakemake_executor_plugin_modal.leftovers"

# A coordinator writes its record every thirty seconds, and is taken for dead after so many.
SILENT_SECONDS = 180.0
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
        """Return what lies in it, sorted, without what is hidden."""
        below = {path.partition("/")[0] for path in self._below(self._folder)}
        return sorted(name for name in below if name[0] != ".")

    def files(self, run: str) -> dict[str, File]:
        """Return the files of a run by their paths below its folder."""
        return self._below(f"{self._folder}/{run}")

    def read(self, run: str, file: str) -> bytes:
        """Return the content of a file of a run.

        A log is read with all others of the run that have changed, side by side: one after the
        other they would take minutes.
        """
        files = self.files(run)
        if file not in files:
            raise InputError(f"{self.name}/{run}/{file}: no such file")
        if file.startswith("logs/"):
            self._fetch(run, {name: one for name, one in files.items() if name.startswith("logs/")})
        else:
            self._fetch(run, {file: files[file]})
        if (found := self._contents.get(f"{run}/{file}")) is None:
            raise InputError(f"{self.name}/{run}/{file}: was removed since it was listed")
        return found[1]

    def is_held(self, run: str) -> bool:
        """Say whether a coordinator works on a run: one whose record was written just now."""
        listed = self._listing()
        records = plugin(EXECUTOR, self._address)
        fresh = [
            path
            for path in records.records_of(listed)
            if time.time() - listed[path].mtime < SILENT_SECONDS
        ]
        folder = PurePosixPath(self._folder, run)
        for content in self._asked(self._volume.contents, fresh).values() if fresh else ():
            work = records.parse(content).get("folder")
            if work is not None and folder in (PurePosixPath(work), *PurePosixPath(work).parents):
                return True
        return False

    def _fetch(self, run: str, wanted: Mapping[str, File]) -> None:
        """Read files that are not known as they are listed now."""
        new = {
            f"{self._folder}/{run}/{name}": (f"{run}/{name}", file)
            for name, file in wanted.items()
            if self._contents.get(f"{run}/{name}", (None,))[0] != file
        }
        if not new:
            return
        contents = self._asked(self._volume.contents, new)
        self._contents |= {
            key: (file, contents[path]) for path, (key, file) in new.items() if path in contents
        }

    def _below(self, folder: str) -> dict[str, File]:
        before = f"{folder}/"
        return {
            path.removeprefix(before): File(entry.size, float(entry.mtime))
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
