"""Work in a process that has the model loaded already."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

import localcal.engine.client
from localcal.engine.client import WorkerError, run_with_engine, server_key
from localcal.errors import InputError
from tests.standin_engine import StandIn

ENGINE = "tests.standin_engine:StandIn"
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
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
    assert list(folder.iterdir()) == []


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


def refuse(engine):
    raise InputError("given.h5: is wrong; mend it")


def stumble(engine):
    raise KeyError("something nobody thought of")


def vanish(engine, number=signal.SIGKILL):
    os.kill(os.getpid(), number)


def fall_silent(engine):
    os._exit(0)


def hoard(engine):
    raise MemoryError("no more")


def wait(engine, path):
    path.write_text(str(os.getpid()))
    time.sleep(600)


def talk(engine):
    import logging

    logging.getLogger("localcal.somewhere").info("halfway")


def test_jobs_share_one_server_and_have_a_process_each(own_folder):
    first = run_with_engine(ENGINE, who, note="one")
    second = run_with_engine(ENGINE, who, note="two")
    assert first[2:] == ("stand-in 1", "one")
    assert first[1] == second[1] != os.getpid()
    assert first[0] != second[0]
    assert len(servers(own_folder)) == 1


def test_errors_arrive_as_what_they_are():
    with pytest.raises(InputError, match=r"^given\.h5: is wrong; mend it$"):
        run_with_engine(ENGINE, refuse)
    with pytest.raises(WorkerError, match=r"Traceback(.|\n)*something nobody thought of"):
        run_with_engine(ENGINE, stumble)
    with pytest.raises(MemoryError, match="no more"):
        run_with_engine(ENGINE, hoard)


def test_a_killed_child_fails_its_job_and_no_other(own_folder):
    server = run_with_engine(ENGINE, who)[1]
    with pytest.raises(MemoryError, match="killed from outside .* no more memory"):
        run_with_engine(ENGINE, vanish)
    with pytest.raises(WorkerError, match="died of SIGBUS"):
        run_with_engine(ENGINE, vanish, number=signal.SIGBUS)
    with pytest.raises(WorkerError, match="died without a word"):
        run_with_engine(ENGINE, fall_silent)
    assert run_with_engine(ENGINE, who)[1] == server


def test_log_lines_come_to_the_client(caplog):
    caplog.set_level("INFO")
    run_with_engine(ENGINE, talk)
    assert ("localcal.somewhere", 20, "halfway") in caplog.record_tuples
    assert re.search(r"the work took \d+\.\d s .* at most \d+ MB", caplog.text)


def client(path):
    """Start a client whose job never ends and return it and the child that works for it."""
    code = (
        "from pathlib import Path; from localcal.engine.client import run_with_engine;"
        f"from tests.unit.engine.test_server import wait; run_with_engine({ENGINE!r}, wait, path="
        f"Path({str(path)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    for _ in range(300):
        if path.exists() and path.read_text():
            return process, psutil.Process(int(path.read_text()))
        time.sleep(0.1)
    raise AssertionError("the job never began")


def test_a_child_ends_with_its_client(tmp_path):
    process, child = client(tmp_path / "pid")
    process.kill()
    process.wait()
    child.wait(timeout=5)


def test_children_end_with_their_server_and_the_next_job_starts_another(own_folder, tmp_path):
    process, child = client(tmp_path / "pid")
    (server,) = servers(own_folder)
    server.kill()
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert process.wait(timeout=10) != 0
    assert run_with_engine(ENGINE, who)[1] != server.pid


class SlowToLoad(StandIn):
    def __init__(self):
        time.sleep(600)


class SlowToWarmUp(StandIn):
    def warm_up(self, variables):
        time.sleep(600)


@pytest.mark.parametrize("slow", ["SlowToLoad", "SlowToWarmUp"])
def test_a_server_that_is_still_loading_ends_with_its_coordinator(own_folder, slow):
    coordinator = subprocess.Popen(["sleep", "600"])
    code = (
        "from localcal.engine.client import run_with_engine;"
        "from tests.unit.engine.test_server import who;"
        f"run_with_engine('tests.unit.engine.test_server:{slow}', who, calculated=['snap'])"
    )
    environment = os.environ | {"LOCALCAL_COORDINATOR": str(coordinator.pid)}
    client = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, env=environment)
    while not (loading := servers(own_folder)):
        time.sleep(0.1)
    for process in (client, coordinator):
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(loading, timeout=5)
    assert not alive


class Remembering(StandIn):
    warmed_up: ClassVar[list] = []

    def warm_up(self, variables):
        self.warmed_up.append(sorted(variables))


def warmed_up(engine):
    return engine.warmed_up


def test_the_server_warms_up_once_for_every_variable():
    engine = "tests.unit.engine.test_server:Remembering"
    assert run_with_engine(engine, warmed_up) == []
    assert run_with_engine(engine, warmed_up, calculated=["tax", "snap"]) == [["snap", "tax"]]
    twice = run_with_engine(engine, warmed_up, calculated=["tax", "ssi"])
    assert twice == [["snap", "tax"], ["ssi"]]


def test_other_code_gets_another_server(monkeypatch):
    before = server_key(ENGINE)
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    assert server_key(ENGINE) != before


def test_every_job_of_a_scheduler_has_a_server_of_its_own(own_folder, monkeypatch):
    found = set()
    for number in ("7", "8", "7"):
        monkeypatch.setenv("SLURM_JOB_ID", number)
        found.add(run_with_engine(ENGINE, who)[1])
    assert len(found) == 2


def test_hosts_that_share_a_folder_do_not_share_a_server(monkeypatch):
    before = server_key(ENGINE)
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert server_key(ENGINE) != before


def test_sockets_have_a_place_where_the_environment_names_none(own_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(own_folder))
    name = f"localcal-{os.getuid()}"
    for runtime in ("", str(tmp_path / "of-another-machine")):
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        assert run_with_engine(ENGINE, who)[2] == "stand-in 1"
        assert (own_folder / name).exists()
    # Where not even the temporary folder's path is short enough.
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.setattr(localcal.engine.client, "LAST_RESORT", str(own_folder))
    assert localcal.engine.client._folder() == own_folder / name


def test_a_server_does_not_answer_a_client_of_another_version(monkeypatch):
    run_with_engine(ENGINE, who)
    key = server_key(ENGINE)
    original = localcal.engine.client._connect
    monkeypatch.setattr(localcal.engine.client, "server_key", lambda engine: "0" * 16)
    monkeypatch.setattr(localcal.engine.client, "_connect", lambda _, engine: original(key, engine))
    with pytest.raises(WorkerError, match="ended 3 times before it answered"):
        run_with_engine(ENGINE, who)


def test_an_engine_that_cannot_be_loaded_is_named():
    with pytest.raises(InputError, match="tests.standin_engine:Nothing"):
        run_with_engine("tests.standin_engine:Nothing", who)
    with pytest.raises(InputError, match="no_such_module"):
        run_with_engine("no_such_module.deep:Engine", who)


def test_a_folder_that_others_can_read_is_refused(own_folder):
    folder = own_folder / f"localcal-{os.getuid()}"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with pytest.raises(InputError, match="open to somebody else"):
        run_with_engine(ENGINE, who)
    folder.rmdir()
