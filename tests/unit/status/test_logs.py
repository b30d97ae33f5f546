"""What logs say of jobs."""

import pytest

from localcal.errors import InputError
from localcal.status.folder import LocalRuns
from localcal.status.logs import LogReader
from tests.runs_case import NOW, RunFolder, used


@pytest.fixture
def run(tmp_path):
    """A run without logs."""
    return RunFolder(tmp_path / "runs")


@pytest.fixture
def reader(run):
    """What reads its logs."""
    return LogReader(LocalRuns(run.folder.parent))


def read(run, reader, rule=""):
    files = LocalRuns(run.folder.parent).files("demo")
    return {log.file: log for log in reader.read("demo", files, rule)}


def test_the_end_of_a_log_says_what_became_of_the_job(run, reader):
    run.log("logs/a/1.log", used(wall_seconds=10), ago=5)
    run.log("logs/a/2.log", f"error: survived\n{used()}")
    run.log("logs/a/3.log", used(cpu_seconds=7) + "error: first\nTraceback\nerror: last\n")
    run.log("logs/a/4.log", "")
    found = read(run, reader)
    outcomes = [log.outcome for _, log in sorted(found.items())]
    assert outcomes == ["finished", "finished", "failed", "open"]
    assert found["logs/a/1.log"].begun == NOW - 15
    assert found["logs/a/3.log"].usage.cpu_seconds == 7
    assert found["logs/a/3.log"].message == "last"
    assert found["logs/a/4.log"].begun is None
    assert found["logs/a/1.log"].rule == "a"


def test_logs_come_oldest_first_and_of_one_rule_if_that_is_asked(run, reader):
    run.log("logs/b/states/CA.log", used(), ago=1)
    run.log("logs/a/1.log", used(), ago=9)
    run.write("logs/stray.log", "")
    run.write("logs/a/notes.txt", "")
    assert list(read(run, reader)) == ["logs/a/1.log", "logs/b/states/CA.log"]
    assert list(read(run, reader, "a")) == ["logs/a/1.log"]


def test_a_log_is_read_again_only_where_it_changed(run, reader, monkeypatch):
    run.log("logs/a/1.log", used(), ago=9)
    run.log("logs/a/2.log", "", ago=9)
    read(run, reader)
    names = []
    own = LocalRuns.read
    monkeypatch.setattr(LocalRuns, "read", lambda *key: names.append(key[2]) or own(*key))
    run.log("logs/a/2.log", used(), ago=0)
    assert read(run, reader)["logs/a/2.log"].outcome == "finished"
    assert names == ["logs/a/2.log"]


def test_a_log_that_goes_while_it_is_read_is_left_out(run, reader, monkeypatch):
    run.log("logs/a/1.log", used())

    def gone(*key):
        raise InputError("gone")

    monkeypatch.setattr(LocalRuns, "read", gone)
    assert read(run, reader) == {}
