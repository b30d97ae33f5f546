"""The command `localcal diff`."""

import json

import pytest

from localcal.command import main
from tests.results_case import Results


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """Two runs that are the same."""
    monkeypatch.chdir(tmp_path)
    return [Results(tmp_path / "runs" / name).complete() for name in ("a", "b")]


def test_as_text_and_as_json(capsys):
    assert main(["diff", "runs/a", "runs/b"]) == 0
    assert capsys.readouterr().out.startswith("runs/a and runs/b, in this order\n")
    assert main(["diff", "runs/a", "runs/b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == ["runs/a", "runs/b"]


def test_a_damaged_file_ends_with_1_and_what_is_no_run_is_said(runs, capsys):
    (runs[1].folder / "targets/targets.parquet").write_bytes(b"")
    assert main(["diff", "runs/a", "runs/b"]) == 1
    captured = capsys.readouterr()
    assert "Targets: not compared: runs/b/targets/targets.parquet: damaged" in captured.out
    assert captured.err.startswith("error: runs/b/targets/targets.parquet: damaged")
    assert main(["diff", "runs/a", "runs/c"]) == 1
    assert capsys.readouterr().err.startswith("error: runs/c: holds no run.json")
