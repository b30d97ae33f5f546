"""The process that has the model loaded, and its children."""

import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection

import psutil
import pytest

from localcal.engine.client import WorkerError, keeper, run_with_engine
from tests.served_work import (
    ENGINE,
    REPOSITORY,
    client,
    fall_silent,
    servers,
    toil,
    vanish,
    warmed_up,
    who,
)

pytestmark = pytest.mark.usefixtures("own_folder")


def test_jobs_share_one_server_and_have_a_process_each(own_folder):
    first = run_with_engine(ENGINE, who, note="one")
    second = run_with_engine(ENGINE, who, note="two")
    assert first[2:] == ("stand-in 1", "one")
    assert first[1] == second[1] != os.getpid()
    assert first[0] != second[0]
    assert len(servers(own_folder)) == 1


def test_a_killed_child_fails_its_job_and_no_other(own_folder):
    server = run_with_engine(ENGINE, who)[1]
    with pytest.raises(MemoryError, match="killed from outside .* no more memory"):
        run_with_engine(ENGINE, vanish)
    with pytest.raises(WorkerError, match="ended by SIGBUS"):
        run_with_engine(ENGINE, vanish, number=signal.SIGBUS)
    with pytest.raises(WorkerError, match="died without a word"):
        run_with_engine(ENGINE, fall_silent)
    assert run_with_engine(ENGINE, who)[1] == server


def test_a_child_that_takes_more_than_it_may_is_ended_and_told_of(own_folder):
    assert run_with_engine(ENGINE, toil, limit_mb=5_000, seconds=0, megabytes=1) == 10**6
    words = r"ended since it took [\d,]+ MB of the 200 MB it may have"
    with pytest.raises(MemoryError, match=words):
        run_with_engine(ENGINE, toil, limit_mb=200, seconds=20, megabytes=300)


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


@pytest.mark.parametrize("slow", ["SlowToLoad", "SlowToWarmUp"])
def test_a_server_that_is_still_loading_ends_with_its_coordinator(own_folder, slow):
    coordinator = subprocess.Popen(["sleep", "600"])
    code = (
        "from localcal.engine.client import run_with_engine;"
        "from tests.served_work import who;"
        f"run_with_engine('tests.served_work:{slow}', who, calculated=['snap'])"
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


def test_the_server_warms_up_once_for_every_variable():
    engine = "tests.served_work:Remembering"
    assert run_with_engine(engine, warmed_up) == []
    assert run_with_engine(engine, warmed_up, calculated=["tax", "snap"]) == [["snap", "tax"]]
    twice = run_with_engine(engine, warmed_up, calculated=["tax", "ssi"])
    assert twice == [["snap", "tax"], ["ssi"]]


def test_a_client_that_is_gone_before_its_work_begins_leaves_the_server_alone(own_folder):
    server = run_with_engine(ENGINE, who)[1]
    (socket_path,) = (path for path in own_folder.rglob("*") if path.is_socket())
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(socket_path))
    connection = Connection(client.detach())
    job = (str(REPOSITORY), who, {})
    connection.send((socket_path.name, keeper(os.getpid()), frozenset(), job))
    connection.close()
    assert run_with_engine(ENGINE, who)[1] == server
    assert socket_path.is_socket()
    assert run_with_engine(ENGINE, who)[1] == server
