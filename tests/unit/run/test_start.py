"""A start refuses before it writes, and writes what decides first."""

import os
from pathlib import Path

import pytest

from localcal.errors import InputError
from localcal.run import start as starts
from localcal.run.lock import LOCK_FILE, release_locks
from localcal.run.start import RECORD_FILES, refuse_foreign, start_run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a run, below the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("runs/x/logs/build_chunk").mkdir(parents=True)
    Path("victim.txt").write_text("mine")
    yield Path("runs/x")
    release_locks()


@pytest.mark.parametrize(
    "name",
    [
        *RECORD_FILES,
        LOCK_FILE,
        "logs/build_chunk/000000.log",
        "benchmarks",
        "matrix/matrix.h5",
        "matrix/matrix.h5.part",
        "weights/local/.hidden",
    ],
)
@pytest.mark.parametrize("to", ["../../victim.txt", "../x2", "/tmp", "../../nowhere"])
def test_a_link_out_of_the_run_is_named_wherever_it_is(folder, name, to):
    Path("runs/x2").mkdir()
    link = folder / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to((folder / to).resolve())
    with pytest.raises(InputError, match=f"^runs/x/{name}: is a link to .*; remove it") as error:
        refuse_foreign(folder)
    assert "\n" not in str(error.value)


def test_links_inside_of_the_run_and_to_it_are_allowed(folder):
    (folder / "matrix").mkdir()
    (folder / "matrix/a").write_text("")
    (folder / "matrix/b").symlink_to("a")
    (folder / "latest").symlink_to("matrix")
    Path("elsewhere").mkdir()
    folder.rename("elsewhere/x")
    folder.symlink_to(Path("elsewhere/x").absolute())
    refuse_foreign(folder)
    refuse_foreign(Path("runs/no_such_run"))


def test_what_would_hang_a_reader_is_refused(folder):
    os.mkfifo(folder / "history.jsonl")
    with pytest.raises(InputError, match="history.jsonl: is neither a file nor a folder; remove"):
        refuse_foreign(folder)


def test_what_decides_is_written_before_the_history(folder, monkeypatch):
    (folder / "run.json").write_text('{"config": {}, "inputs": {}, "code": {}}')

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(starts, "record_changes", die)
    with pytest.raises(KeyboardInterrupt):
        start_run(folder, {"config.seed": 1}, {"fit": "1"}, amend=True)
    assert (folder / "since.jsonl").exists()


def test_a_run_that_is_no_folder_is_refused(folder):
    for path in (folder / "logs/build_chunk", folder / "logs", folder):
        path.rmdir()
    folder.write_text("")
    with pytest.raises(InputError, match="^runs/x: what should be its folder is a file; rename"):
        refuse_foreign(folder)
