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

from localcal.engine.client import WorkerError, keeper, run_where_warm, run_with_engine
from localcal.errors import OverLimit
from localcal.jobs.job import same_arithmetic
from localcal.jobs.supervisor import Watch
from tests.served_work import (
    ENGINE,
    REPOSITORY,
    client,
    hoard,
    leave,
    servers,
    setting_of,
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


DEATHS = {
    "killed by the kernel": (vanish, {}, MemoryError, r"was killed from outside \(SIGKILL, -9\)"),
    "killed behind a shell": (leave, {"status": 137}, MemoryError, r"\(SIGKILL, 137\)"),
    "no memory in Python": (hoard, {}, MemoryError, "^no more$"),
    "over its limit": (
        toil,
        {"limit_mb": 300, "seconds": 20, "megabytes": 300},
        OverLimit,
        r"was ended since it took [\d,]+ MB of the 300 MB it may have",
    ),
    "a broken library": (vanish, {"number": signal.SIGBUS}, WorkerError, "was ended by SIGBUS"),
    "an exit": (leave, {"status": 3}, WorkerError, "left with exit status 3"),
    "without a word": (leave, {"status": 0}, WorkerError, "status 0 .*before that was done"),
}


def test_a_child_that_dies_fails_its_job_and_no_other_and_is_told_of(own_folder):
    server = run_with_engine(ENGINE, who)[1]
    for how, (work, arguments, kind, words) in DEATHS.items():
        with pytest.raises(kind, match=words) as found:
            run_with_engine(ENGINE, work, **arguments)
        assert type(found.value) is kind, how
    assert run_with_engine(ENGINE, who)[1] == server


def test_a_child_within_its_limit_goes_on(own_folder):
    assert run_with_engine(ENGINE, toil, limit_mb=5_000, seconds=0, megabytes=1) == 10**6
    given = {"limit_mb": 5_000, "note": "warm"}
    assert run_where_warm(ENGINE, "tests.served_work:whereabouts", **given)[1] == "warm"
    with pytest.raises(OverLimit, match="of the 10 MB it may have"):
        run_where_warm(ENGINE, "tests.served_work:rest", limit_mb=10, seconds=20)


def test_the_model_computes_the_same_whoever_has_it_loaded(own_folder, monkeypatch):
    """Or sums would depend on whether a job or a container's preparation came first."""
    for threads in ("8", None):
        if threads:
            monkeypatch.setenv("OMP_NUM_THREADS", threads)
            monkeypatch.setenv("SLURM_JOB_ID", threads)
        else:
            monkeypatch.delenv("OMP_NUM_THREADS")
            monkeypatch.delenv("SLURM_JOB_ID")
        monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
        for name, value in same_arithmetic().items():
            assert run_with_engine(ENGINE, setting_of, name=name) == value


def test_a_server_of_one_job_alone_counts_as_the_job_s(own_folder, monkeypatch):
    monkeypatch.setattr(Watch, "_look", lambda self: seen.append(self._counted))
    seen = []
    child, server, *_ = run_with_engine(ENGINE, who)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    own_child, own_server, *_ = run_with_engine(ENGINE, who)
    assert seen == [(child, os.getpid()), (own_child, os.getpid(), own_server)]
    assert own_server != server


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
