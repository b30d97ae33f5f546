"""Work for a process that has the model loaded, and a look at such processes."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from localcal.errors import InputError
from localcal.files.origins import known_digests
from tests.standin_engine import StandIn

ENGINE = "tests.standin_engine:StandIn"
REPOSITORY = Path(__file__).parents[1]


def servers(folder):
    """Return the processes that serve from a folder, forked children not among them."""
    found = []
    for process in psutil.process_iter(["cmdline", "ppid", "status"]):
        line = process.info["cmdline"] or []
        if any(str(folder) in part for part in line) and "localcal.engine.server" in line:
            found.append(process)
    pids = {process.pid for process in found}
    return [process for process in found if process.info["ppid"] not in pids]


def who(engine, note=""):
    """Return the child's and its server's process numbers and what it was told."""
    return os.getpid(), os.getppid(), engine.version, note


def whereabouts(note=""):
    """Return the number of the process that does this, and what it was told."""
    return os.getpid(), note


def known_to(engine):
    """Return the digests of files that need not be taken again."""
    return dict(known_digests())


def refuse(engine=None):
    raise InputError("given.h5: is wrong; mend it")


def open_too_much(engine):
    raise OSError(errno.EMFILE, "Too many open files", "x.h5")


def stumble(engine):
    raise KeyError("something nobody thought of")


def vanish(engine, number=signal.SIGKILL):
    os.kill(os.getpid(), number)


def leave(engine, status):
    os._exit(status)


def hoard(engine):
    raise MemoryError("no more")


def wait(engine, path):
    path.write_text(str(os.getpid()))
    time.sleep(600)


def setting_of(engine, name):
    """Return a variable of the environment of the process that does this."""
    return os.environ.get(name)


def rest(seconds):
    time.sleep(seconds)


def talk(engine):
    import logging

    logging.getLogger("localcal.somewhere").info("halfway")


def client(path):
    """Start a client whose job never ends and return it and the child that works for it."""
    code = (
        "from pathlib import Path; from localcal.engine.client import run_with_engine;"
        f"from tests.served_work import wait; run_with_engine({ENGINE!r}, wait, path="
        f"Path({str(path)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    for _ in range(300):
        if path.exists() and path.read_text():
            return process, psutil.Process(int(path.read_text()))
        time.sleep(0.1)
    raise AssertionError("the job never began")


class SlowToLoad(StandIn):
    def __init__(self):
        time.sleep(600)


class SlowToWarmUp(StandIn):
    def warm_up(self, variables):
        time.sleep(600)


class Remembering(StandIn):
    warmed_up: ClassVar[list] = []

    def warm_up(self, variables):
        self.warmed_up.append(sorted(variables))


class TooLarge(StandIn):
    """Is killed for its memory where it has more than 40 households."""

    def simulate(self, population, common=None, units=None):
        if population.count("household") > 40:
            vanish(self)
        return super().simulate(population, common, units)


def warmed_up(engine):
    return engine.warmed_up


def toil(engine, seconds, megabytes):
    """Use that much of the processor and of memory."""
    held = b"x" * (megabytes * 10**6)
    while time.process_time() < seconds:
        pass
    return len(held)


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
