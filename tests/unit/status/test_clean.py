"""Old runs go, and nothing else does."""

import fcntl
import os
import shutil

import pytest

from localcal.errors import InputError
from localcal.run.lock import release_locks, take_lock
from localcal.status import clean
from localcal.status.clean import candidates, erase, leftovers, remove, seconds_of
from localcal.status.folder import LocalRuns
from tests.runs_case import NOW, RunFolder

DAY = 86400.0


@pytest.fixture
def runs(tmp_path):
    """Three runs: one of today, one of 10 and one of 40 days ago."""
    for name, days in (("a", 40), ("b", 10), ("c", 0)):
        run = RunFolder(tmp_path / "runs", name)
        run.freeze()
        os.utime(run.folder / "run.json", (NOW - days * DAY,) * 2)
        run.write("matrix/matrix.h5", "1234", ago=days * DAY)
    yield LocalRuns(tmp_path / "runs")
    release_locks()


def kept(runs, older_than=0.0, keep=None):
    """Return why each run stays; None for those that go."""
    return {one.run: one.kept for one in candidates(runs, NOW, older_than, keep)}


def test_age_and_number_both_protect(runs):
    assert [one.run for one in candidates(runs, NOW, 1.0, None)] == ["c", "b", "a"]
    assert {run for run, why in kept(runs, 30 * DAY).items() if why is None} == {"a"}
    assert kept(runs, 30 * DAY)["b"] == "written within the last 30 days"
    assert {run for run, why in kept(runs, None, 1).items() if why is None} == {"a", "b"}
    assert kept(runs, 5 * DAY, 2) == {
        "c": "among the newest 2",
        "b": "among the newest 2",
        "a": None,
    }
    assert set(kept(runs, None, 0).values()) == {None}


def test_one_run_that_cannot_be_looked_through_keeps_none_of_the_others(runs, tmp_path):
    # A lock is not followed to where a link leads.
    (runs.folder / "c/.lock").symlink_to(tmp_path / "x")
    (runs.folder / "everything").symlink_to("/")
    found = kept(runs, None, 1)
    assert found["c"].startswith(f"cannot be looked through: {runs.folder / 'c/.lock'}: ")
    assert found["everything"] == "a link to /, which nothing is removed through"
    assert (found["b"], found["a"]) == ("among the newest 1", None)


def test_one_of_the_two_must_be_said(runs):
    with pytest.raises(InputError, match="--older-than 30d, --keep 5"):
        candidates(runs, NOW, None, None)


@pytest.mark.parametrize("receipt", ["staged", "promoted", "rollback_1.0.0", "generations"])
def test_what_was_published_stays_also_where_its_receipt_is_damaged(runs, receipt):
    folder = runs.folder / "a/release"
    folder.mkdir()
    (folder / f"{receipt}.json").write_text("{")
    assert kept(runs)["a"] is not None
    # Or where it stands alone.
    assert kept(runs)["b"] is None


@pytest.mark.parametrize("lock", ["a", "a/logs"])
def test_what_somebody_works_on_or_is_about_to_stays(runs, lock):
    take_lock(runs.folder / lock)
    assert kept(runs)["a"] == "a process works on it"


@pytest.mark.parametrize("place", ["artifacts", "runs/latest"])
def test_what_a_link_leads_to_stays(runs, tmp_path, place):
    (tmp_path / place).symlink_to(tmp_path / "runs/a/matrix")
    assert kept(runs)["a"] == "a link leads to it"


def test_a_run_that_is_a_link_stays_and_so_does_what_is_no_run(runs, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(runs.folder / "a", elsewhere)
    (runs.folder / "a").symlink_to(elsewhere)
    (runs.folder / "notes").mkdir()
    found = kept(runs)
    assert found["a"] == f"a link to {elsewhere}, which nothing is removed through"
    assert found["notes"] == "no run: holds no run.json"


def test_what_is_no_run_is_not_counted_among_the_newest(runs):
    (runs.folder / "notes").mkdir()
    (runs.folder / "notes/today").write_text("")
    os.utime(runs.folder / "notes/today", (NOW + 1, NOW + 1))
    assert kept(runs, None, 1)["c"] == "among the newest 1"


def candidate(runs, name):
    return next(one for one in candidates(runs, NOW, 0.0, None) if one.run == name)


def test_removal_takes_the_run_and_nothing_that_it_links_to(runs, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("")
    (runs.folder / "a/matrix/link").symlink_to(outside)
    one = candidate(runs, "a")
    assert one.size >= 4
    remove(runs, one)
    assert runs.names() == ["b", "c"]
    assert (outside / "precious").exists()
    # Nothing is held any more.
    take_lock(runs.folder / "b")


def test_what_changed_since_it_was_looked_at_stays(runs):
    one = candidate(runs, "a")
    (runs.folder / "a/release").mkdir()
    (runs.folder / "a/release/staged.json").write_text("{}")
    with pytest.raises(InputError, match="has changed since it was looked at"):
        remove(runs, one)
    other = candidate(runs, "b")
    os.utime(runs.folder / "b/matrix/matrix.h5", (NOW, NOW))
    with pytest.raises(InputError, match="has changed"):
        remove(runs, other)
    shutil.rmtree(runs.folder / "b")
    with pytest.raises(InputError, match="has changed"):
        remove(runs, other)
    assert runs.names() == ["a", "c"]


def test_what_somebody_began_to_work_on_since_stays(runs):
    one = candidate(runs, "a")
    held = os.open(runs.folder / "a/.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(InputError, match="works on this run"):
        remove(runs, one)
    os.close(held)
    held = os.open(runs.folder / "b/.lock", os.O_RDWR | os.O_CREAT)
    one = candidate(runs, "b")
    (runs.folder / "b/logs").mkdir()
    begins = os.open(runs.folder / "b/logs/.lock", os.O_RDWR | os.O_CREAT)
    os.utime(runs.folder / "b/logs/.lock", (0, 0))
    fcntl.flock(begins, fcntl.LOCK_EX)
    with pytest.raises(InputError, match="has changed"):
        remove(runs, one)
    os.close(begins)
    os.close(held)


def test_a_death_midway_leaves_no_half_run_under_its_name(runs, monkeypatch):
    def die(path):
        (path / "run.json").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(clean.shutil, "rmtree", die)
    with pytest.raises(KeyboardInterrupt):
        remove(runs, candidate(runs, "a"))
    monkeypatch.undo()
    assert runs.names() == ["b", "c"]
    [rest] = leftovers(runs)
    # A new run of the name is removed as well.
    run = RunFolder(runs.folder, "a")
    run.freeze()
    remove(runs, candidate(runs, "a"))
    assert leftovers(runs) == []
    rest.mkdir()
    erase(rest)
    assert leftovers(runs) == []


def test_what_cannot_be_removed_is_said(runs, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path / "x"))

    monkeypatch.setattr(clean.shutil, "rmtree", refuse)
    with pytest.raises(InputError, match=r"\.removed-a: cannot be removed wholly"):
        remove(runs, candidate(runs, "a"))


@pytest.mark.parametrize("text, seconds", [("12h", 43200), ("1.5d", 129600), ("2w", 1209600)])
def test_ages(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "30 days", "1e3d", "30m"])
def test_what_is_no_age(text):
    with pytest.raises(InputError, match="is no age; write it as in 12h, 30d or 8w"):
        seconds_of(text)
