"""A run is named by id or folder, and its Snakemake is asked to end."""

from pathlib import Path

import pytest

from localcal.command import main
from localcal.commands import stop as stopping


@pytest.fixture(autouse=True)
def stopped(tmp_path, monkeypatch):
    """Return which runs were stopped, in a folder with one run that somebody works on."""
    monkeypatch.chdir(tmp_path)
    for name in ("demo", "idle"):
        Path("runs", name).mkdir(parents=True)
    asked = []

    def stop(run_id, seconds):
        asked.append(run_id)
        return run_id == "demo"

    monkeypatch.setattr(stopping, "stop", stop)
    return asked


@pytest.mark.parametrize("name", ["demo", "runs/demo", "runs/demo/"])
def test_a_run_is_ended_by_its_name_or_folder(stopped, name, capsys):
    assert main(["stop", name]) == 0
    assert stopped == ["demo"]
    assert capsys.readouterr().out == "run demo: ended; `localcal run --resume demo` goes on\n"


def test_a_run_that_nobody_works_on_is_as_wanted(capsys):
    assert main(["stop", "idle"]) == 0
    assert capsys.readouterr().out == "run idle: no process works on it\n"


@pytest.mark.parametrize("name", ["other", "runs/other", "../demo", ""])
def test_what_is_no_run_is_refused(stopped, name, capsys):
    assert main(["stop", name]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert stopped == []
