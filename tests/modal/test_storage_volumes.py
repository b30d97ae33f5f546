"""The emulator's volumes, through the unmodified modal package and as containers see them."""

import io
import os
import time

import modal
import pytest
from grpclib import GRPCError

from tests.modal_emulator.volumes import Volumes


@pytest.fixture
def volume(emulator):
    return modal.Volume.from_name("v", version=2, create_if_missing=True).hydrate()


def put(volume, files, force=False):
    with volume.batch_upload(force=force) as batch:
        for path, content in files.items():
            batch.put_file(io.BytesIO(content), path)


def content(volume, path):
    return b"".join(volume.read_file(path))


def test_an_unknown_volume_is_not_found(emulator):
    with pytest.raises(modal.exception.NotFoundError):
        modal.Volume.from_name("v", version=2).hydrate()


def test_a_volume_keeps_its_version(volume):
    with pytest.raises(modal.exception.InvalidError, match="version"):
        modal.Volume.from_name("v", version=1).hydrate()


@pytest.mark.parametrize(
    "data",
    [b"", b"x", bytes(10), b"x" + bytes(9 << 20), bytes(9 << 20) + b"x", os.urandom(17 << 20)],
    ids=["empty", "small", "zeros", "ends in zeros", "begins with zeros", "three blocks"],
)
def test_content_comes_back(volume, data):
    put(volume, {"/d/ü b%?.bin": data})
    assert content(volume, "d/ü b%?.bin") == data


def test_listing(volume):
    put(volume, {"a": b"1", "d/b": b"22", "d/e/c": b"333"})
    entries = {entry.path: entry for entry in volume.listdir("/", recursive=True)}
    assert set(entries) == {"a", "d", "d/b", "d/e", "d/e/c"}
    assert entries["d/e/c"].size == 3
    assert abs(entries["d/e/c"].mtime - time.time()) < 5
    assert [entry.path for entry in volume.listdir("d")] == ["d/b", "d/e"]
    assert [entry.path for entry in volume.iterdir("/d/b")] == ["d/b"]
    with pytest.raises(modal.exception.NotFoundError):
        volume.listdir("nowhere")


def test_a_listing_of_thousands_comes_in_batches(volume, emulator):
    folder = emulator.volumes.committed("v") / "d"
    folder.mkdir()
    for i in range(2500):
        (folder / str(i)).touch()
    assert len(volume.listdir("d")) == 2500


def test_overwriting_has_to_be_asked_for(volume):
    put(volume, {"a": b"1"})
    with pytest.raises(FileExistsError):
        put(volume, {"a": b"2"})
    put(volume, {"a": b"2"}, force=True)
    assert content(volume, "a") == b"2"


def test_removing_and_copying(volume):
    put(volume, {"d/a": b"1", "d/e/b": b"2"})
    volume.copy_files(["d"], "f", recursive=True)
    volume.copy_files(["d/a"], "g")
    volume.remove_file("d", recursive=True)
    names = {entry.path for entry in volume.listdir("/", recursive=True)}
    assert names == {"f", "f/a", "f/e", "f/e/b", "g"}
    with pytest.raises(FileNotFoundError):
        volume.remove_file("d/a")
    with pytest.raises(FileNotFoundError):
        content(volume, "d/a")


def test_no_path_leads_out_of_a_volume(volume):
    with pytest.raises(modal.exception.InvalidError, match="leads out"):
        put(volume, {"../../a": b"1"})


def test_volumes_are_listed_renamed_and_deleted(volume):
    assert [one.name for one in modal.Volume.objects.list()] == ["v"]
    modal.Volume.rename("v", "w")
    assert [one.name for one in modal.Volume.objects.list()] == ["w"]
    modal.Volume.objects.delete("w")
    assert modal.Volume.objects.list() == []


# As containers see them


@pytest.fixture
def volumes(tmp_path):
    return Volumes(tmp_path)


@pytest.fixture
def volume_id(volumes):
    return volumes._create("v", "main", 2).volume_id


@pytest.fixture
def one(volumes, volume_id):
    return volumes.open_view(volume_id, "one")


@pytest.fixture
def other(volumes, volume_id):
    return volumes.open_view(volume_id, "other")


def test_nothing_is_seen_before_commit_and_reload(volumes, volume_id, one, other):
    (one / "d").mkdir()
    (one / "d/a").write_text("1")
    volumes.reload(volume_id, "other")
    assert not (other / "d").exists()
    volumes.commit(volume_id, "one")
    assert (volumes.committed("v") / "d/a").read_text() == "1"
    assert not (other / "d").exists()
    volumes.reload(volume_id, "other")
    assert (other / "d/a").read_text() == "1"


def test_a_reload_drops_what_was_not_committed(volumes, volume_id, one):
    (one / "a").write_text("1")
    volumes.commit(volume_id, "one")
    (one / "a").write_text("2")
    (one / "b").write_text("2")
    volumes.reload(volume_id, "one")
    assert {path.name: path.read_text() for path in one.iterdir()} == {"a": "1"}


def test_a_commit_publishes_changes_only(volumes, volume_id, one, other):
    for name in "abc":
        (one / name).write_text("old")
    volumes.commit(volume_id, "one")
    volumes.reload(volume_id, "other")
    (one / "a").write_text("one")
    (one / "b").unlink()
    (other / "c").write_text("other")
    volumes.commit(volume_id, "other")
    volumes.commit(volume_id, "one")
    committed = {path.name: path.read_text() for path in volumes.committed("v").iterdir()}
    assert committed == {"a": "one", "c": "other"}


def test_the_last_writer_wins(volumes, volume_id, one, other):
    (one / "a").write_text("1")
    (other / "a").write_text("2")
    volumes.commit(volume_id, "other")
    volumes.commit(volume_id, "one")
    assert (volumes.committed("v") / "a").read_text() == "1"


def test_a_change_of_the_same_size_in_the_same_second_is_seen(volumes, volume_id, one, other):
    for text in "12345":
        (one / "a").write_text(text)
        os.utime(one / "a", (1000, 1000))
        volumes.commit(volume_id, "one")
        volumes.reload(volume_id, "other")
        assert (other / "a").read_text() == text


def test_committed_times_are_whole_seconds(volumes, volume_id, one, other):
    (one / "a").write_text("1")
    os.utime(one / "a", (1000.9, 1000.9))
    volumes.commit(volume_id, "one")
    volumes.reload(volume_id, "other")
    assert (volumes.committed("v") / "a").stat().st_mtime == 1000
    assert (other / "a").stat().st_mtime == 1000


def test_a_file_can_become_a_directory_and_back(volumes, volume_id, one, other):
    (one / "a").write_text("1")
    volumes.commit(volume_id, "one")
    volumes.reload(volume_id, "other")
    (one / "a").unlink()
    (one / "a").mkdir()
    (one / "a/b").write_text("2")
    volumes.commit(volume_id, "one")
    volumes.reload(volume_id, "other")
    assert (other / "a/b").read_text() == "2"
    (one / "a/b").unlink()
    (one / "a").rmdir()
    (one / "a").write_text("3")
    volumes.commit(volume_id, "one")
    volumes.reload(volume_id, "other")
    assert (other / "a").read_text() == "3"


def test_open_files_prevent_a_reload(volumes, volume_id, one):
    (one / "a").write_text("1")
    with (one / "a").open(), pytest.raises(GRPCError, match="open files"):
        volumes.reload(volume_id, "one")
    volumes.reload(volume_id, "one")


def test_a_container_without_the_volume_cannot_commit(volumes, volume_id, one):
    volumes.close_view(volume_id, "one")
    assert not one.exists()
    with pytest.raises(GRPCError, match="not mounted"):
        volumes.commit(volume_id, "one")


def test_what_is_committed_survives_a_restart(volumes, volume_id, one, tmp_path):
    (one / "a").write_text("1")
    volumes.commit(volume_id, "one")
    assert (Volumes(tmp_path).committed("v") / "a").read_text() == "1"
