"""The link leads to a complete run, or stays where it led."""

from pathlib import Path

import pytest

from localcal.errors import InputError
from localcal.run.artifacts import LINK, link_completed


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """Two runs of one file each."""
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second"):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "matrix.h5").write_text(name)


def link(name: str, *files: str) -> bool:
    return link_completed(f"runs/{name}", [f"runs/{name}/{file}" for file in files])


def test_the_link_leads_to_the_run_that_was_completed_last():
    assert link("first", "matrix.h5")
    assert Path(LINK, "matrix.h5").read_text() == "first"
    assert link("second", "matrix.h5")
    assert Path(LINK, "matrix.h5").read_text() == "second"
    assert link("second", "matrix.h5")
    # It may be moved with the runs.
    assert str(Path(LINK).readlink()) == "runs/second"
    assert sorted(path.name for path in Path().iterdir()) == [LINK, "runs"]


def test_a_run_that_lacks_a_file_does_not_move_it():
    assert not link("first", "matrix.h5", "weights.npy")
    assert not Path(LINK).is_symlink()
    assert link("first", "matrix.h5")
    assert not link("second", "matrix.h5", "weights.npy")
    assert str(Path(LINK).readlink()) == "runs/first"


def test_a_link_to_a_run_that_is_gone_is_replaced():
    Path(LINK).symlink_to("runs/gone")
    assert link("first", "matrix.h5")
    assert Path(LINK, "matrix.h5").read_text() == "first"


def test_whoever_reads_it_finds_a_run_at_every_moment(monkeypatch):
    link("first", "matrix.h5")
    before = Path.replace

    def look(self, target):
        assert Path(LINK, "matrix.h5").read_text() == "first"
        return before(self, target)

    monkeypatch.setattr(Path, "replace", look)
    assert link("second", "matrix.h5")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_link_is_left_alone(kind):
    if kind == "folder":
        Path(LINK).mkdir()
        Path(LINK, "mine.txt").write_text("mine")
    else:
        Path(LINK).write_text("mine")
    with pytest.raises(InputError, match="^artifacts: is no link, so it is left alone"):
        link("first", "matrix.h5")
    assert not Path(LINK).is_symlink()


def test_a_link_that_cannot_be_replaced_leaves_nothing_behind(monkeypatch):
    link("first", "matrix.h5")

    def refuse(*_):
        raise PermissionError(13, "Permission denied", LINK)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        link("second", "matrix.h5")
    assert str(Path(LINK).readlink()) == "runs/first"
    assert sorted(path.name for path in Path().iterdir()) == [LINK, "runs"]
