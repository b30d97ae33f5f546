"""One coordinator at a time works on a run."""

import errno
import fcntl
import multiprocessing
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from localcal.errors import InputError
from localcal.run import lock
from localcal.run.lock import LOCK_FILE, Holder, holder_of, release_locks, take_lock


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


def test_who_holds_the_lock_is_told_while_they_live(folder):
    assert holder_of(folder) is None
    context = multiprocessing.get_context("spawn")
    taken, finish = context.Event(), context.Event()
    first = context.Process(target=_hold, args=(folder, taken, finish))
    first.start()
    assert taken.wait(60)
    text = (folder / LOCK_FILE).read_text().strip()
    expected = Holder(text, first.pid, socket.gethostname())
    assert holder_of(folder) == expected
    # Looking takes nothing away.
    assert holder_of(folder) == expected
    (folder / LOCK_FILE).write_text("")
    assert holder_of(folder) == Holder("another process", None, None)
    (folder / LOCK_FILE).write_text(text)
    first.kill()
    first.join()
    # What a dead process has left is not believed.
    assert holder_of(folder) is None
    assert (folder / LOCK_FILE).read_text() == text


def test_whoever_looks_at_the_moment_keeps_nobody_out(folder):
    folder.mkdir(parents=True)
    (folder / LOCK_FILE).write_text("")
    with (folder / LOCK_FILE).open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        take_lock(folder)
        time.sleep(0.1)


def test_a_lock_that_is_a_link_is_not_looked_through(folder):
    folder.mkdir(parents=True)
    (folder / LOCK_FILE).symlink_to(Path("victim.txt").absolute())
    with pytest.raises(InputError, match=r"^runs/x/.lock: "):
        holder_of(folder)


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
