"""The unmodified client, talking to a Hub on this machine."""

import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import pytest

from localcal.release import bucket as buckets
from localcal.release import storage
from localcal.release.contents import read_manifest
from localcal.release.hub import Hub
from localcal.release.promote import promote
from localcal.release.rollback import rollback
from localcal.release.stage import stage
from localcal.run.sections import Release
from tests.gates_case import finished_run
from tests.hub_server import OWNER, HubServer
from tests.hub_server import serving as serving_hub
from tests.release_case import NAMES, write_run
from tests.storage_server import Bucket, serving


@pytest.fixture
def hub(monkeypatch):
    """A Hub with an empty repository, for a client that waits for nobody."""
    with serving_hub() as server, warnings.catch_warnings():
        # The client's own way to send a file.
        warnings.filterwarnings("ignore", "Use 'content=<...>'", DeprecationWarning)
        # Hundreds of folders of links are made and removed.
        if Path("/dev/shm").is_dir():
            monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", OWNER)
        monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", os.devnull)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", True)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        clock = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
        monkeypatch.setattr("huggingface_hub.utils._http.time", clock)
        yield server
        huggingface_hub.utils.close_session()


@dataclass
class Desk:
    """Whoever releases runs, from a folder of runs."""

    runs: Path
    server: HubServer
    names: list[str] = field(default_factory=lambda: NAMES)
    waits: list[float] = field(default_factory=list)

    def hub(self) -> Hub:
        return Hub(self.server.name, self.server.kind, pause=self.waits.append)

    def settings(self, version: str, **more) -> Release:
        return Release(version=version, repo_id=self.server.name, **more)

    def run(self, run_id: str, marker: str | None = None) -> Path:
        folder = self.runs / run_id
        return folder if folder.exists() else write_run(folder, marker or run_id)

    def stage(self, run_id: str, version: str) -> dict:
        settings = self.settings(version)
        return stage(self.run(run_id), self.names, settings, self.hub(), lambda state: [])

    def promote(self, run_id: str, version: str, cloud=None) -> dict:
        settings = self.settings(version)
        return promote(self.runs / run_id, settings, self.hub(), cloud, lambda state: [])

    def release(self, run_id: str, version: str) -> dict:
        self.stage(run_id, version)
        return self.promote(run_id, version)

    def rollback(self, run_id: str, version: str, cloud=None) -> dict:
        return rollback(run_id, version, self.hub(), lambda generations: cloud)

    def contents(self, run_id: str, version: str) -> dict[str, str]:
        """Return the SHA-256 of each file that a run was staged with."""
        files = read_manifest(self.runs / run_id, run_id, version)["files"]
        return {path: file["sha256"] for path, file in files.items()}

    def versions(self) -> dict:
        """Return what consumers are told."""
        return json.loads(self.server.repository.files()["version_manifest.json"])

    def production(self) -> dict[str, str]:
        """Return the SHA-256 of the files that consumers read."""
        return {
            path: hashlib.sha256(content).hexdigest()
            for path, content in self.server.repository.files().items()
            if path.startswith(("national/", "states/", "districts/", "calibration/", "manifest."))
        }


@pytest.fixture
def desk(tmp_path, hub):
    """Whoever releases runs to that Hub."""
    return Desk(tmp_path / "runs", hub)


@pytest.fixture
def server(monkeypatch):
    """A server with an empty bucket named `releases`, for a client that waits for nobody."""
    monkeypatch.setattr(buckets, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(buckets, "LONGEST_WAIT", 0.01)
    monkeypatch.setattr(buckets, "GIVE_UP", 0.05)
    with serving() as server:
        server.storage.buckets["releases"] = Bucket()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


@pytest.fixture
def files(tmp_path):
    """Two small files; one has what a parser of multipart bodies might change."""
    contents = {"states/CA.h5": b"\x89HDF\r\n\x1a\n--===\r\n", "national/US.h5": b"x" * 1000}
    for name, content in contents.items():
        path = tmp_path / name
        path.parent.mkdir()
        path.write_bytes(content)
    return {name: tmp_path / name for name in contents}


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A file that is sent in three pieces."""
    monkeypatch.setattr(storage, "CHUNK", 4 << 20)
    path = tmp_path / "large.h5"
    path.write_bytes(bytes(range(256)) * (9 << 12))
    return {"large.h5": path}


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A finished run for all tests, which leave it as it is."""
    return finished_run(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def run(whole, tmp_path):
    """A finished run of its own, to be damaged."""
    return shutil.copytree(whole, tmp_path / "runs" / "demo")
