"""The command says what `localcal.run.verify` finds, and its exit status whether all is well."""

import json
from pathlib import Path

import pytest

from localcal.command import main


@pytest.fixture(autouse=True)
def run(tmp_path, monkeypatch):
    """A run in which nothing has been made."""
    monkeypatch.chdir(tmp_path)
    Path("runs/x").mkdir(parents=True)
    Path("runs/x/run.json").write_text(json.dumps({"config": {}, "inputs": {}, "code": {}}))


def test_a_whole_run_is_whole(capsys):
    assert main(["verify", "runs/x/"]) == 0
    assert capsys.readouterr().out == "1 as made\n"


def test_a_file_without_a_record_is_told_and_is_the_exit_status(capsys):
    Path("runs/x/weights").mkdir()
    Path("runs/x/weights/mine.npy").write_text("")
    assert main(["verify", "runs/x"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("weights/mine.npy  without a record; ")
    assert out.endswith("\n1 as made, 1 without a record\n")


def test_what_is_no_run_is_refused_in_a_line(capsys):
    assert main(["verify", "runs"]) == 1
    assert capsys.readouterr().err.startswith("error: runs: holds no run.json; ")
