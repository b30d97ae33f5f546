"""Servers that belong to one test."""

import subprocess

import psutil
import pytest

from tests.served_work import servers


@pytest.fixture
def own_folder(tmp_path_factory, monkeypatch):
    """Keep the servers of this test to itself, and see that they end with their coordinator."""
    folder = tmp_path_factory.mktemp("w")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    coordinator = subprocess.Popen(["sleep", "600"])
    monkeypatch.setenv("LOCALCAL_COORDINATOR", str(coordinator.pid))
    yield folder
    running = servers(folder)
    coordinator.kill()
    coordinator.wait()
    _, alive = psutil.wait_procs(running, timeout=10)
    assert not alive, "a server outlived its coordinator"
    assert [path for path in folder.rglob("*") if path.is_socket()] == []
