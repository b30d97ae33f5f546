"""A volume's runs look as they would here; what is asked of the volume is little.

The volume is a stand-in: `tests/modal/test_runs.py` has the real client's.
"""

import json
import time
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from localcal.errors import InputError
from localcal.run.lock import LOCK_FILE
from localcal.status import volume
from localcal.status.folder import LocalRuns
from localcal.status.volume import COORDINATOR_LOG, VolumeLeftovers, VolumeRuns, runs_at

COORDINATORS = ".smk-modal/coordinators"


class Entry(NamedTuple):
    size: int
    mtime: int


class VolumeError(Exception):
    """What the plugin says if Modal cannot be asked."""


class Volume:
    """Files by their paths, with how they were asked for."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, int]] = {}
        self.read: list[list[str]] = []
        self.broken = False

    def put(self, path: str, text: str = "", ago: int = 0) -> None:
        self.known[path] = text, int(time.time()) - ago

    def files(self) -> dict[str, Entry]:
        if self.broken:
            raise VolumeError("no answer")
        return {path: Entry(len(text), when) for path, (text, when) in self.known.items()}

    def contents(self, paths) -> dict[str, bytes]:
        self.read.append(sorted(paths))
        return {path: self.known[path][0].encode() for path in paths if path in self.known}

    def remove(self, path: str) -> None:
        del self.known[path]


@pytest.fixture
def there(monkeypatch):
    """A volume with two runs."""
    made = Volume()
    made.put("runs/a/run.json", "{}")
    for number in range(3):
        made.put(f"runs/a/logs/build_chunk/{number}.log", f"log {number}")
    made.put("runs/b/run.json", "{}")
    made.put("runs/.hidden/x")
    made.put("elsewhere/runs/c/run.json")
    look = SimpleNamespace(
        VolumeError=VolumeError,
        open_volume=lambda address: (made, address.removeprefix("modal://data").strip("/")),
    )
    real = volume.plugin
    monkeypatch.setattr(
        volume, "plugin", lambda name, *more: look if name == volume.STORAGE else real(name, *more)
    )
    return made


def test_an_address_leads_to_a_volume_and_a_path_to_a_folder(there, tmp_path):
    assert isinstance(runs_at("modal://data"), VolumeRuns)
    assert isinstance(runs_at(str(tmp_path)), LocalRuns)


def test_runs_are_in_the_folder_runs_of_what_the_address_names(there):
    assert VolumeRuns("modal://data").names() == ["a", "b"]
    assert VolumeRuns("modal://data/elsewhere").names() == ["c"]
    assert VolumeRuns("modal://data/elsewhere").name == "modal://data/elsewhere/runs"


def test_all_changed_logs_of_a_run_are_read_at_once_and_other_files_by_themselves(there):
    runs = VolumeRuns("modal://data")
    assert runs.read("a", "logs/build_chunk/1.log") == b"log 1"
    assert runs.read("a", "logs/build_chunk/2.log") == b"log 2"
    assert runs.read("a", "run.json") == b"{}"
    there.put("runs/a/logs/build_chunk/1.log", "log 1 goes on")
    assert runs.read("a", "logs/build_chunk/1.log") == b"log 1 goes on"
    logs = [f"runs/a/logs/build_chunk/{number}.log" for number in range(3)]
    assert there.read == [logs, ["runs/a/run.json"], [logs[1]]]


def test_what_is_not_there_is_said(there):
    runs = VolumeRuns("modal://data")
    with pytest.raises(InputError, match="modal://data/runs/a/absent: no such file"):
        runs.read("a", "absent")
    there.broken = True
    with pytest.raises(InputError, match="modal://data: no answer"):
        runs.files("a")


@pytest.mark.parametrize(
    ("folder", "ago", "held"),
    [("runs/a", 10, True), ("runs/a/areas", 10, True), ("runs/ab", 10, False), ("", 10, False),
     ("runs/a", 200, False)],
)  # fmt: skip
def test_a_run_is_held_while_a_coordinator_writes_that_it_makes_its_files(there, folder, ago, held):
    there.put(f"{COORDINATORS}/1.json", json.dumps({"folder": folder, "calls": {}}), ago)
    there.put(f"{COORDINATORS}/2.json", "half a fi")
    runs = VolumeRuns("modal://data")
    assert runs.is_held("a") == held
    assert not runs.is_held("b")


@pytest.mark.parametrize(
    ("state", "ago", "held"),
    [
        (None, 600, True),
        (None, 1000, False),
        ("running", 60, True),
        ("running", 300, False),
        ("interrupted", 60, True),
        ("completed", 1, False),
        ("failed", 1, False),
    ],
)
def test_a_detached_coordinator_holds_its_run_until_it_has_ended_or_is_silent(
    there, state, ago, held
):
    there.put(f"{COORDINATORS}/new/request.json", "{}", ago)
    if state is not None:
        there.put(f"{COORDINATORS}/new/state.json", json.dumps({"state": state}), ago)
    runs = VolumeRuns("modal://data")
    assert runs.names() == ["a", "b", "new"]
    assert runs.is_held("new") == held
    assert set(runs.files("new")) == {LOCK_FILE}


def test_the_log_of_one_that_could_not_begin_is_the_runs(there):
    for name in ("new", "a"):
        there.put(f"{COORDINATORS}/{name}/state.json", '{"state": "failed"}')
        there.put(f"{COORDINATORS}/{name}/log_001.txt", "error: old")
        there.put(f"{COORDINATORS}/{name}/log_002.txt", "error: seed")
    runs = VolumeRuns("modal://data")
    assert runs.read("new", COORDINATOR_LOG) == b"error: seed"
    assert COORDINATOR_LOG not in runs.files("a")


def test_leftovers_are_found_and_removed(there):
    archive = f"snakemake-workflow-sources.{'a' * 64}.tar.xz"
    there.put(archive, ago=90_000)
    left = VolumeLeftovers("modal://data", time.time(), None)
    assert [(path, what) for path, _, _, what in left.found] == [(archive, "sources of jobs")]
    assert not VolumeLeftovers("modal://data", time.time(), 100_000).found
    left.remove(archive)
    assert archive not in there.known


def test_a_plugin_that_is_not_installed_is_said():
    with pytest.raises(InputError, match="modal://x: reading a Modal Volume needs no_such_module"):
        volume.plugin("no_such_module", "modal://x")
