"""The command `localcal status` on folders of runs."""

import json
import sys
import time

import pytest

from localcal.command import main
from localcal.commands.status import FILTERS
from localcal.run.lock import release_locks, take_lock
from localcal.run.sessions import record_begin, record_end
from localcal.status import watch
from localcal.status.look import STATES
from tests.runs_case import RunFolder


@pytest.fixture(autouse=True)
def run(tmp_path, monkeypatch):
    """A run that somebody works on, and a folder that is none."""
    monkeypatch.chdir(tmp_path)
    made = RunFolder(tmp_path / "runs", "demo")
    made.freeze()
    (tmp_path / "runs/notes").mkdir()
    take_lock(made.folder)
    record_begin(made.folder, "process 1", 3)
    yield made
    release_locks()


def finish(run):
    run.finish_all(ago=-time.time())
    record_end(run.folder, "process 1", succeeded=True, failed=[])
    release_locks()


def test_all_runs_are_listed_and_one_is_told_at_length(capsys):
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["demo", "active"], ["notes", "foreign"]]
    for name in ("demo", "runs/demo", "runs/demo/"):
        assert main(["status", name]) == 0
        assert "STAGE" in capsys.readouterr().out


def test_a_damaged_run_hides_no_other(run, capsys):
    RunFolder(run.folder.parent, "broken").write("run.json", "{")
    assert main(["status"]) == 0
    out = capsys.readouterr().out
    assert "broken  damaged" in out and "demo    active" in out


def test_there_is_a_filter_only_for_states_that_there_are():
    assert set(FILTERS) <= set(STATES)


@pytest.mark.parametrize(
    "options, names",
    [
        (["--active"], ["demo"]),
        (["--failed"], []),
        (["--failed", "--active"], ["demo"]),
        (["--promoted"], ["old"]),
        (["--promoted", "--active"], []),
    ],
)
def test_filters(run, capsys, options, names):
    RunFolder(run.folder.parent, "old").write("release/promoted.json", '{"version": "1.0.0"}')
    (run.folder.parent / "old/.lock").write_text("")
    RunFolder(run.folder.parent, "new").write("release/staged.json", '{"version": "1.0.0"}')
    (run.folder.parent / "new/.lock").write_text("")
    assert main(["status", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)["runs"]
    assert [one["run"] for one in found] == names


def test_json_of_one_run_has_what_it_took(capsys):
    assert main(["status", "demo", "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)["runs"]
    # There is run.json, but no log of the job that wrote it: not a job that cost nothing.
    assert found["cost"] == {"cpu_hours": None, "gb_hours": None, "jobs": 0, "without_figures": 1}


def test_a_run_of_another_folder_is_not_taken_for_its_namesake_here(tmp_path, capsys):
    for name in ("elsewhere/demo", "../demo", str(tmp_path / "elsewhere/demo")):
        assert main(["status", name]) == 1
        said = capsys.readouterr().err
        folder = name.removesuffix("/demo")
        assert said == f"error: {name}: does not lie in runs; add --runs {folder}\n"
    assert main(["status", str(tmp_path / "runs/demo")]) == 0


def test_an_unknown_run_and_an_unknown_folder_are_said(capsys):
    assert main(["status", "dmo"]) == 1
    assert capsys.readouterr().err == "error: runs/dmo: no such run (did you mean demo?)\n"
    assert main(["status", "--runs", "nowhere"]) == 1
    assert "nowhere: no such folder" in capsys.readouterr().err


def test_watching_says_what_is_new_until_the_run_ends(run, capsys, monkeypatch):
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            finish(run)

    monkeypatch.setattr(watch.time, "sleep", sleep)
    assert main(["status", "demo", "--watch", "--every", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert looks == [2.0, 2.0, 2.0]
    # The second and third look had nothing new to say.
    assert [line.split()[:2] for line in lines] == [["demo", "active"], ["demo", "completed"]]


def test_watching_a_run_that_fails_or_is_killed_ends_with_1(run, monkeypatch):
    looks = []

    def fail(seconds):
        looks.append(seconds)
        record_end(run.folder, "process 1", succeeded=False, failed=["logs/a/1.log"])
        release_locks()

    monkeypatch.setattr(watch.time, "sleep", fail)
    assert main(["status", "demo", "--watch"]) == 1
    assert looks == [60.0]
    take_lock(run.folder)
    record_begin(run.folder, "process 2", 3)
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: release_locks())
    assert main(["status", "--watch"]) == 1


def test_a_run_that_ends_is_watched_also_where_only_active_ones_are_asked_for(monkeypatch):
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: release_locks())
    assert main(["status", "--active", "--watch"]) == 1


def test_watching_ends_at_once_where_nobody_is_at_work(run, monkeypatch):
    finish(run)
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: pytest.fail("slept"))
    assert main(["status", "--watch"]) == 0
    assert main(["status", "demo", "--watch"]) == 0


def test_watching_goes_on_with_a_run_that_is_quiet_but_held(run, monkeypatch):
    monkeypatch.setattr(watch, "QUIET_SECONDS", -1.0)
    looks = []
    monkeypatch.setattr(watch.time, "sleep", lambda s: looks.append(s) or finish(run))
    assert main(["status", "demo", "--watch"]) == 0
    assert looks


def test_watching_on_a_terminal_writes_over_what_it_wrote(run, capsys, monkeypatch):
    looks = []
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: looks.append(seconds) or finish(run))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LINES", "10")
    assert main(["status", "--watch"]) == 0
    assert looks == [5.0]
    screens = capsys.readouterr().out.split("\x1b[H")
    assert len(screens) == 3
    for screen in screens[1:]:
        lines = screen.replace("\x1b[J", "").split("\x1b[K\n")
        assert len(lines) <= 10
        assert all(len(line) <= 30 for line in lines)


def test_one_may_stop_watching(monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", interrupt)
    assert main(["status", "--watch"]) == 130


@pytest.mark.parametrize("every", ["0", "-1", "x", "inf", "nan"])
def test_seconds_between_looks_are_above_0(capsys, every):
    with pytest.raises(SystemExit) as stopped:
        main(["status", "--watch", f"--every={every}"])
    assert stopped.value.code == 2
    assert "is no number of seconds above 0" in capsys.readouterr().err
