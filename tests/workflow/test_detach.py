"""A run goes on without its terminal, ends when it is asked to, and is resumed after a death.

With Snakemake itself and a workflow of two jobs, which takes the lock of its run as ours does.
"""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localcal.run.launch import LOG_FILE, coordinator_of, snakemake_of
from tests.workflow.conftest import REPOSITORY

RUN = Path("runs/x")
SNAKEFILE = """
from localcal.jobs import job
from localcal.run.lock import LOCK_FILE, take_lock

job.announce_coordinator()

rule all:
    input: expand("runs/x/{name}.txt", name=["a", "b"])

rule write:
    output: "runs/x/{name}.txt"
    log: "runs/x/logs/write/{name}.log"
    script: "write.py"

onstart:
    take_lock("runs/x")
    job.announce_lock("runs/x/" + LOCK_FILE)
"""
# The first job ends at once, the second when it is let.
SCRIPT = """
import time
from pathlib import Path
from localcal.files.atomic import atomic_path
from localcal.jobs.job import logged

with logged(snakemake.log[0]), atomic_path(snakemake.output[0]) as part:
    part.write_text("made")
    while snakemake.wildcards.name == "b" and not Path("go").exists():
        time.sleep(0.05)
"""
ARGUMENTS = ("--nolock", "--ignore-incomplete", "--cores", "2", "--config", "run_id=x")
# The leader of a session, to which a terminal belongs; it begins a run in it and waits.
SHELL = """
import fcntl, subprocess, sys, termios, time
from pathlib import Path
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
Path("status").write_text(str(subprocess.call(sys.argv[1:])))
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working folder, with the workflow."""
    monkeypatch.chdir(tmp_path)
    Path("Snakefile").write_text(SNAKEFILE)
    Path("write.py").write_text(SCRIPT)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "workflow"))
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    yield
    # Whatever has failed, nothing goes on.
    Path("go").write_text("")


def localcal(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "localcal.command", *arguments]


def session(command: list[str], terminal: int) -> subprocess.Popen:
    """Start a command in a session of its own, to which a terminal belongs."""
    arguments = [sys.executable, "-c", SHELL, *command]
    streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    shell = subprocess.Popen(arguments, **streams, start_new_session=True)
    os.close(terminal)
    return shell


def said(*arguments: str) -> str:
    """Run the command to its end and return what it prints."""
    result = subprocess.run(localcal(*arguments), capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def until(condition, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def made() -> list[str]:
    return sorted(path.name for path in RUN.glob("*.txt*"))


def test_a_detached_run_outlives_its_terminal_and_then_its_coordinator():
    begin = localcal("run", "--detach", *ARGUMENTS)
    main, terminal = pty.openpty()
    shell = session(begin, terminal)
    until(Path("status").exists)
    until(lambda: made() == ["a.txt", "b.txt.part"])
    assert Path("status").read_text() == "0"
    words = os.read(main, 10_000).decode()
    assert "run x: goes on without this terminal" in words
    coordinator = snakemake_of("x").process

    # The terminal is closed, for which its session is hung up.
    os.close(main)
    assert shell.wait(60) == -signal.SIGHUP
    assert snakemake_of("x").process == coordinator

    # One that is killed is resumed by the same command.
    os.kill(coordinator, signal.SIGKILL)
    until(lambda: coordinator_of("x") is None)
    assert "Snakemake ended with status 137" in (RUN / LOG_FILE).read_text()
    assert said("run", "--detach", *ARGUMENTS).startswith("run x\n")
    Path("go").write_text("")
    until(lambda: "Snakemake ended with status 0" in (RUN / LOG_FILE).read_text())
    assert made() == ["a.txt", "b.txt"]
    log = (RUN / LOG_FILE).read_text()
    # The second time, what was made was not made again.
    assert len(re.findall("output: runs/x/a.txt", log)) == 1
    assert len(re.findall("output: runs/x/b.txt", log)) == 2


def test_a_run_that_is_asked_to_end_ends_its_jobs_and_leaves_nothing_half_written():
    said("run", "--detach", *ARGUMENTS)
    until(lambda: made() == ["a.txt", "b.txt.part"])
    second = subprocess.run(localcal("run", "--detach", *ARGUMENTS), capture_output=True, text=True)
    assert second.returncode == 1
    assert "works on this run; follow it with `localcal status x --watch`" in second.stderr
    assert said("stop", "x").startswith("run x: ended; ")
    assert made() == ["a.txt"]
    assert "interrupted" in (RUN / "logs/write/b.log").read_text()
    assert "Snakemake ended with status 1" in (RUN / LOG_FILE).read_text()
    assert said("stop", "x") == "run x: no process works on it\n"


def test_a_session_without_detaching_ends_with_its_terminal():
    """What the tests above would not notice if nothing were hung up."""
    main, terminal = pty.openpty()
    shell = session(localcal("run", *ARGUMENTS), terminal)
    until(lambda: made() == ["a.txt", "b.txt.part"])
    os.close(main)
    assert shell.wait(60) == -signal.SIGHUP
    until(lambda: coordinator_of("x") is None)
    assert not Path("status").exists()
