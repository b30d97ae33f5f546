"""The command `localcal clean` on folders of runs."""

import os
import time

import pytest

from localcal.command import main
from localcal.run.lock import release_locks
from localcal.status import clean
from tests.runs_case import RunFolder


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """Three runs, the first ones older."""
    monkeypatch.chdir(tmp_path)
    for days, name in ((50, "a"), (40, "b"), (0, "c")):
        run = RunFolder(tmp_path / "runs", name)
        run.freeze()
        then = time.time() - days * 86400
        os.utime(run.folder / "run.json", (then, then))
    yield tmp_path / "runs"
    release_locks()


def names(runs):
    return sorted(path.name for path in runs.iterdir())


def test_nothing_is_removed_without_being_told(runs, capsys):
    assert main(["clean", "--older-than", "30d"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if "would be removed" in line] == [
        "b",
        "a",
        "2",
    ]
    assert "add --yes to do it" in out
    assert names(runs) == ["a", "b", "c"]


def test_it_does_what_it_said(runs, capsys):
    assert main(["clean", "--older-than", "30d", "--yes"]) == 0
    assert names(runs) == ["c"]
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("2 of 3, 0.0 MB: removed")
    assert "kept: written within the last 30 days" in out


def test_one_that_cannot_be_removed_keeps_none_of_the_others(runs, capsys, monkeypatch):
    own = clean.shutil.rmtree

    def refuse(path):
        if path.name.endswith("-b"):
            raise PermissionError(13, "Permission denied")
        own(path)

    monkeypatch.setattr(clean.shutil, "rmtree", refuse)
    assert main(["clean", "--keep", "1", "--yes"]) == 1
    assert names(runs) == [".removed-b", "c"]
    captured = capsys.readouterr()
    assert captured.err.startswith("error: runs/.removed-b: cannot be removed wholly")
    assert "b    0.0 MB  40 days ago  not removed" in captured.out
    monkeypatch.undo()
    assert main(["clean", "--runs", str(runs), "--keep", "1"]) == 0
    assert ".removed-b: left of a removal that was cut short; would" in capsys.readouterr().out
    assert main(["clean", "--runs", str(runs), "--keep", "1", "--yes"]) == 0
    assert names(runs) == ["c"]


def test_a_bad_call_is_said(capsys):
    assert main(["clean"]) == 1
    assert main(["clean", "--older-than", "soon"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].startswith("error: say which runs are old")
    assert errors[1].startswith("error: --older-than: 'soon' is no age")
    with pytest.raises(SystemExit) as stopped:
        main(["clean", "--keep", "-1"])
    assert stopped.value.code == 2
