"""`localcal stage` and what it has Snakemake do."""

import pytest

from localcal.command import main
from localcal.commands import stage
from tests.runs_case import RunFolder


@pytest.fixture(autouse=True)
def asked(tmp_path, monkeypatch):
    """The command lines of Snakemake, which is not started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    found = []
    monkeypatch.setattr(stage, "snakemake", lambda arguments: found.append(arguments) or 0)
    return found


def test_a_run_that_is_not_here_is_refused(tmp_path, asked, capsys):
    RunFolder(tmp_path / "runs", "demo").freeze()
    assert main(["stage", "dem"]) == 1
    said = capsys.readouterr().err
    assert said == "error: runs/dem: no such run (did you mean demo?); there are demo\n"
    assert main(["stage", "de/mo"]) == 1
    assert "is no run id" in capsys.readouterr().err
    assert asked == []


def test_a_run_that_is_not_complete_is_refused(tmp_path, asked, capsys):
    RunFolder(tmp_path / "runs", "demo").freeze()
    assert main(["stage", "demo"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: runs/demo: is not complete, it lacks targets/policy_data.db (")
    assert said.count("\n") == 1
    assert asked == []


def test_nothing_but_the_stage_is_made_and_options_are_snakemake_s(asked):
    options = [
        "--configfile",
        "mine.yaml",
        "--config",
        "release={version: 2.0.0}",
        "--profile",
        "x",
    ]
    assert main(["stage", "runs/demo", *options]) == 0
    assert asked == [
        [
            "runs/demo/release/staged.json",
            "--allowed-rules",
            "stage_run",
            "--cores",
            "1",
            "--forcerun",
            "stage_run",
            "--configfile",
            "mine.yaml",
            "--config",
            "release={version: 2.0.0}",
            "run_id=demo",
            "--profile",
            "x",
        ]
    ]
