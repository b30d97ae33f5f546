"""`localcal promote` and what it has Snakemake do."""

import os

import pytest

from localcal.command import main
from localcal.commands import stage
from localcal.files.atomic import write_json
from tests.runs_case import RunFolder


@pytest.fixture(autouse=True)
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    made = RunFolder(tmp_path / "runs", "demo")
    made.freeze()
    return made.folder


def test_a_run_that_was_not_staged_is_refused(capsys):
    assert main(["promote", "other"]) == 1
    assert capsys.readouterr().err == "error: runs/other: no such run; there are demo\n"
    assert main(["promote", "demo"]) == 1
    said = capsys.readouterr().err
    assert said == (
        "error: runs/demo/release/staged.json: no such file; run `localcal stage demo` first\n"
    )


@pytest.mark.parametrize("status", [0, 1])
def test_what_is_published_is_said_whatever_became_of_the_hook(run, monkeypatch, capsys, status):
    write_json(run / "release/staged.json", {"version": "1.0.0"})
    receipt = {"version": "1.0.0", "repo_id": "me/data", "commit": "abc"}
    asked = []

    def snakemake(arguments):
        asked.append(arguments)
        write_json(run / "release/promoted.json", receipt)
        return status

    monkeypatch.setattr(stage, "snakemake", snakemake)
    assert main(["promote", "runs/demo", "-n"]) == status
    assert asked == [
        [
            "runs/demo/release/hook.json",
            "--allowed-rules",
            "promote_run",
            "run_hook",
            "--cores",
            "1",
            "--forcerun",
            "promote_run",
            "run_hook",
            "-n",
            "--config",
            "run_id=demo",
        ]
    ]
    assert capsys.readouterr().out == "me/data: 1.0.0 is run demo (commit abc)\n"


def test_why_a_job_failed_is_the_last_that_is_said(run, monkeypatch, capsys):
    write_json(run / "release/staged.json", {"version": "1.0.0"})
    logs = {rule: run / f"logs/{rule}/{rule}.log" for rule in ("promote_run", "run_hook")}
    for path in logs.values():
        path.parent.mkdir(parents=True)
        path.write_text("error: of another day\n")
        os.utime(path, (1.0, 1.0))

    def snakemake(arguments):
        logs["promote_run"].write_text("error: first\nlooks on\nerror: no token\n  said\n")
        return 1

    monkeypatch.setattr(stage, "snakemake", snakemake)
    assert main(["promote", "demo"]) == 1
    assert capsys.readouterr().err == "error: no token\n"


def test_a_receipt_of_before_says_nothing_of_now(run, monkeypatch, capsys):
    receipt = {"version": "1.0.0", "repo_id": "me/data", "commit": "abc"}
    write_json(run / "release/staged.json", {"version": "1.1.0"})
    write_json(run / "release/promoted.json", receipt)
    monkeypatch.setattr(stage, "snakemake", lambda arguments: 1)
    assert main(["promote", "demo"]) == 1
    assert capsys.readouterr().out == ""


def test_without_a_receipt_nothing_is_said(run, monkeypatch, capsys):
    write_json(run / "release/staged.json", {"version": "1.0.0"})
    monkeypatch.setattr(stage, "snakemake", lambda arguments: 1)
    assert main(["promote", "demo"]) == 1
    assert capsys.readouterr().out == ""
