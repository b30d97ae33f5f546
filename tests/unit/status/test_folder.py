"""A folder of runs is read without following what leads out of it."""

import pytest

from localcal.errors import InputError
from localcal.run.lock import release_locks, take_lock
from localcal.status.folder import LocalRuns
from tests.runs_case import NOW, RunFolder


@pytest.fixture
def run(tmp_path):
    """A run with one file."""
    made = RunFolder(tmp_path / "runs")
    made.write("matrix/plan.json", "12345", ago=7)
    yield made
    release_locks()


@pytest.fixture
def runs(run):
    """The folder it is in."""
    return LocalRuns(run.folder.parent)


def test_files_have_sizes_and_times_by_their_paths_below_the_run(runs):
    assert runs.files("demo") == {"matrix/plan.json": (5, NOW - 7)}
    assert runs.read("demo", "matrix/plan.json") == b"12345"


def test_links_are_not_followed(run, runs, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("")
    (run.folder / "matrix/link").symlink_to(outside)
    (run.folder / "matrix/file").symlink_to(outside / "secret")
    assert set(runs.files("demo")) == {"matrix/plan.json"}


def test_what_is_hidden_is_no_run_and_what_is_gone_has_no_files(runs, tmp_path):
    (tmp_path / "runs/.removed-x").mkdir()
    (tmp_path / "runs/a").mkdir()
    assert runs.names() == ["a", "demo"]
    assert runs.files("gone") == {}


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder; name the folder of the runs"):
        LocalRuns(tmp_path / "nowhere")


def test_a_file_that_cannot_be_read_is_said(runs):
    with pytest.raises(InputError, match=r"matrix/none\.json: cannot be read"):
        runs.read("demo", "matrix/none.json")


def test_a_lock_is_asked_for(run, runs):
    assert runs.is_held("demo") is False
    take_lock(run.folder)
    assert runs.is_held("demo") is True
