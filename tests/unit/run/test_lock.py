"""One coordinator at a time works on a run."""

import errno
import multiprocessing
import os
from pathlib import Path

import pytest

from localcal.errors import InputError
from localcal.run import lock
from localcal.run.lock import LOCK_FILE, release_locks, take_lock


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a run, below the working folder."""
    monkeypatch.chdir(tmp_path)
    yield Path("runs/x")
    release_locks()


def _hold(run_folder: Path, taken, finish) -> None:
    take_lock(run_folder)
    taken.set()
    finish.wait()


def test_the_lock_keeps_a_second_process_out_and_ends_with_the_first(folder):
    context = multiprocessing.get_context("spawn")
    taken, finish = context.Event(), context.Event()
    first = context.Process(target=_hold, args=(folder, taken, finish))
    first.start()
    assert taken.wait(60)
    with pytest.raises(InputError, match=f"runs/x: process {first.pid} on .* works on this run"):
        take_lock(folder)
    take_lock(Path("runs/another"))
    first.kill()
    first.join()
    take_lock(folder)


def test_started_programs_do_not_inherit_the_lock(folder):
    take_lock(folder)
    assert not any(os.get_inheritable(descriptor) for descriptor in lock._held)


def test_a_lock_that_is_a_link_is_refused_and_what_it_names_stays(folder):
    victim = Path("victim.txt").absolute()
    victim.write_text("mine")
    folder.mkdir(parents=True)
    (folder / LOCK_FILE).symlink_to(victim)
    with pytest.raises(InputError, match=r"runs/x/.lock: is a link, .*; remove it"):
        take_lock(folder)
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("kind", ["runs is a file", "no rights"])
def test_a_folder_that_cannot_be_written_is_one_line(folder, monkeypatch, kind):
    if kind == "no rights":

        def refuse(path, *_):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(os, "open", refuse)
    else:
        folder.parent.write_text("")
    with pytest.raises(InputError, match=r"^runs/x/.lock: .*; .* and run the same command again$"):
        take_lock(folder)


def test_to_ask_whether_a_run_is_held_takes_nothing_from_anyone(folder):
    assert not lock.is_held(folder)
    assert not folder.exists()
    take_lock(folder)
    assert lock.is_held(folder)
    release_locks()
    assert not lock.is_held(folder)
    take_lock(folder)


def test_a_question_in_this_moment_does_not_refuse_a_start(folder, monkeypatch):
    """Whoever asks holds the file for a moment."""
    take_lock(folder)
    release_locks()
    asking = os.open(folder / LOCK_FILE, os.O_RDONLY)
    lock.fcntl.flock(asking, lock.fcntl.LOCK_SH)
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: os.close(asking))
    take_lock(folder)


def test_a_lock_that_is_a_link_is_no_lock(folder):
    folder.mkdir(parents=True)
    (folder / LOCK_FILE).symlink_to("/dev/null")
    with pytest.raises(InputError, match="cannot be opened"):
        lock.is_held(folder)
