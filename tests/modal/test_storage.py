"""The storage plugin against the emulator, from outside and from inside of a container."""

import io
import logging
import os
import time

import modal
import pytest
from grpclib import Status
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.tests import TestStorageBase

import snakemake_storage_plugin_modal as plugin
from snakemake_storage_plugin_modal import mounted, remote

LISTING = "VolumeListFiles2"


@pytest.fixture(autouse=True)
def server(emulator):
    """Each test has a server of its own, so nothing is known of the last one's."""
    plugin.forget_volumes()
    yield emulator
    plugin.forget_volumes()


@pytest.fixture
def volume(server):
    volume = modal.Volume.from_name("v", version=2, create_if_missing=True)
    return volume.hydrate()


@pytest.fixture
def provider(volume, tmp_path):
    return make_provider(tmp_path)


def make_provider(tmp_path, **settings):
    return plugin.StorageProvider(
        local_prefix=tmp_path / "local",
        logger=logging.getLogger("test"),
        settings=plugin.StorageProviderSettings(**settings),
    )


def put(volume, path, content):
    with volume.batch_upload(force=True) as batch:
        batch.put_file(io.BytesIO(content), path)


def prepared(storage_object):
    storage_object.local_path().parent.mkdir(parents=True, exist_ok=True)
    return storage_object


class StorageSuite(TestStorageBase):
    files_only = False

    def get_storage_provider_cls(self):
        return plugin.StorageProvider

    def get_storage_provider_settings(self):
        return plugin.StorageProviderSettings()

    def get_query(self, tmp_path):
        return "modal://v/test/x.txt"

    def get_query_not_existing(self, tmp_path):
        return "modal://v/test/y.txt"


class TestOutsideOfAContainer(StorageSuite):
    __test__ = True

    @pytest.fixture(autouse=True)
    def _volume(self, volume):
        pass


class TestInAContainer(StorageSuite):
    __test__ = True
    # The suite makes a directory where its file was linked; the test below is for directories.
    files_only = True

    @pytest.fixture(autouse=True)
    def _mount(self, mount):
        pass


@pytest.fixture
def mount(tmp_path, monkeypatch):
    folder = tmp_path / "vol"
    folder.mkdir()
    monkeypatch.setenv(mounted.MOUNTS_VARIABLE, f"v={folder}")
    return folder


# From outside


def test_one_listing_answers_for_all_files(provider, volume, server):
    with volume.batch_upload() as batch:
        for i in range(500):
            batch.put_file(io.BytesIO(b"x"), f"out/{i}.txt")
    server.calls.clear()
    files = [provider.object(f"modal://v/out/{i}.txt") for i in range(600)]
    assert [file.exists() for file in files] == [True] * 500 + [False] * 100
    assert all(file.size() == 1 and file.mtime() > 0 for file in files[:500])
    assert server.calls[LISTING] == 1


def test_times_are_whole_seconds_on_both_sides(provider, volume):
    put(volume, "a", b"1")
    file = prepared(provider.object("modal://v/a"))
    file.retrieve_object()
    assert file.mtime() == int(file.mtime()) == file.local_path().stat().st_mtime


def test_what_an_executor_reports_needs_no_call(provider, server):
    file = provider.object("modal://v/new/a")
    assert not file.exists()
    server.calls.clear()
    plugin.note_stored("v", [["new/a", 3, 1000]])
    plugin.note_stored("another", [["new/b", 3, 1000]])
    assert (file.exists(), file.size(), file.mtime()) == (True, 3, 1000.0)
    assert provider.object("modal://v/new").exists()
    assert not provider.object("modal://v/new/b").exists()
    assert not server.calls


def test_an_unknown_change_is_looked_up(provider, volume):
    file = provider.object("modal://v/a")
    assert not file.exists()
    put(volume, "a", b"1")
    assert not file.exists()
    plugin.note_stored("v", None)
    assert file.exists()


def test_an_absent_file_is_soon_looked_for_again(provider, volume, monkeypatch):
    file = provider.object("modal://v/a")
    assert not file.exists()
    put(volume, "a", b"1")
    monkeypatch.setattr(remote, "ABSENT_SECONDS", 0)
    assert file.exists()


def test_a_listing_gets_old(volume, tmp_path):
    provider = make_provider(tmp_path, snapshot_seconds=0.0)
    put(volume, "a", b"1")
    file = provider.object("modal://v/a")
    assert file.size() == 1
    put(volume, "a", b"22")
    assert file.size() == 2


def test_a_stored_file_has_the_time_of_the_server(provider, server):
    file = prepared(provider.object("modal://v/a"))
    assert not file.exists()
    file.local_path().write_bytes(b"123")
    os.utime(file.local_path(), (1, 1))
    file.store_object()
    on_volume = (server.volumes.committed("v") / "a").stat()
    assert (file.size(), file.mtime()) == (3, on_volume.st_mtime)
    file.remove()
    assert not file.exists()


def test_a_large_file_arrives_unchanged(provider, server):
    content = os.urandom(9 << 20) + bytes(1 << 20)
    file = prepared(provider.object("modal://v/large"))
    file.local_path().write_bytes(content)
    file.store_object()
    file.local_path().unlink()
    file.retrieve_object()
    assert file.local_path().read_bytes() == content


def test_an_interrupted_download_leaves_nothing(provider, volume, server, monkeypatch):
    put(volume, "a", b"1")
    file = prepared(provider.object("modal://v/a"))
    assert file.exists()
    volume.remove_file("a")
    with pytest.raises(FileNotFoundError):
        file.retrieve_object()
    assert list(file.local_path().parent.iterdir()) == []


def test_wildcards_are_found(provider, volume):
    for path in ("s/a.csv", "s/b.csv", "s/c.txt", "t/a.csv", ".smk-modal/d.csv"):
        put(volume, path, b"1")
    put(volume, "s/.e.csv.smk-tmp", b"1")
    matches = provider.object("modal://v/s/{sample}.csv").list_candidate_matches()
    assert sorted(matches) == ["modal://v/s/a.csv", "modal://v/s/b.csv", "modal://v/s/c.txt"]
    assert not [m for m in provider.object("modal://v/{x}").list_candidate_matches() if "smk" in m]


@pytest.mark.parametrize("status", [Status.UNAVAILABLE, Status.INTERNAL, Status.RESOURCE_EXHAUSTED])
def test_errors_that_pass_are_waited_out(provider, volume, server, caplog, monkeypatch, status):
    monkeypatch.setattr(remote, "FIRST_PAUSE", 0.02)
    put(volume, "a", b"1")
    server.fail(LISTING, 5, status)
    assert provider.object("modal://v/a").exists()
    assert "failure 5" in caplog.text


def test_errors_that_stay_end_clearly(volume, server, tmp_path):
    provider = make_provider(tmp_path, patience=1.0)
    server.fail(LISTING, 1000)
    with pytest.raises(WorkflowError) as caught:
        provider.object("modal://v/a").exists()
    assert "volume v: failed" in str(caught.value) and "Run the same command" in str(caught.value)
    server.fail(LISTING, 0)


def test_a_wrong_volume_name_is_one_clear_line(provider):
    with pytest.raises(WorkflowError) as caught:
        provider.object("modal://w/a").exists()
    text = str(caught.value)
    assert "no Modal volume 'w'" in text and "modal volume create --version=2 w" in text
    assert "\n" not in text


def test_a_volume_of_version_1_is_refused(provider):
    modal.Volume.from_name("old", version=1, create_if_missing=True).hydrate()
    with pytest.raises(WorkflowError) as caught:
        provider.object("modal://old/a").exists()
    assert "needs version 2" in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_token_is_one_clear_line(tmp_path, monkeypatch):
    with monkeypatch.context() as without, pytest.raises(WorkflowError) as caught:
        without.delenv("MODAL_TOKEN_ID")
        without.delenv("MODAL_TOKEN_SECRET")
        make_provider(tmp_path).object("modal://v/a").exists()
    assert "set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "query", ["s3://v/a", "modal://v", "modal://v/", "modal://a b/c", "modal://v/a/../b"]
)
def test_bad_queries_are_refused_with_a_reason(query):
    answer = plugin.StorageProvider.is_valid_query(query)
    assert not answer and answer.reason


# In a container


def test_a_mounted_file_is_linked_not_copied(mount, tmp_path, server):
    (mount / "a").write_bytes(b"1")
    file = prepared(make_provider(tmp_path).object("modal://v/a"))
    file.retrieve_object()
    file.retrieve_object()
    assert file.local_path().readlink() == mount / "a"
    assert file.local_footprint() == 0
    assert not server.calls


def test_a_stored_file_appears_at_once_with_whole_seconds(mount, tmp_path):
    file = prepared(make_provider(tmp_path).object("modal://v/out/a"))
    file.local_path().write_bytes(b"new")
    file.store_object()
    stored = mount / "out" / "a"
    assert stored.read_bytes() == b"new"
    assert stored.stat().st_mtime == file.mtime() == int(file.mtime())
    assert abs(file.mtime() - time.time()) < 5
    assert [path.name for path in stored.parent.iterdir()] == ["a"]


def test_a_mounted_file_has_whole_seconds(mount, tmp_path):
    (mount / "a").write_bytes(b"1")
    os.utime(mount / "a", (1000.9, 1000.9))
    assert make_provider(tmp_path).object("modal://v/a").mtime() == 1000.0


def test_a_half_copied_file_never_has_the_final_name(mount, tmp_path, monkeypatch):
    file = prepared(make_provider(tmp_path).object("modal://v/a"))
    file.local_path().write_bytes(b"new")
    (mount / "a").write_bytes(b"old")

    def copy(source, target):
        target.write_bytes(b"ne")
        assert (mount / "a").read_bytes() == b"old"
        raise OSError("killed")

    monkeypatch.setattr(mounted.shutil, "copy", copy)
    with pytest.raises(OSError, match="killed"):
        file.store_object()
    assert [path.read_bytes() for path in mount.iterdir()] == [b"old"]


def test_the_rest_of_a_killed_copy_is_no_file(mount, tmp_path):
    (mount / ".a.smk-tmp").write_bytes(b"ne")
    file = prepared(make_provider(tmp_path).object("modal://v/a"))
    assert not file.exists()
    assert file.provider.object("modal://v/{x}").list_candidate_matches() == []
    file.local_path().write_bytes(b"new")
    file.store_object()
    assert [path.name for path in mount.iterdir()] == ["a"]


def test_storing_what_is_a_link_to_the_volume_keeps_it(mount, tmp_path):
    (mount / "a").write_bytes(b"1")
    file = prepared(make_provider(tmp_path).object("modal://v/a"))
    file.retrieve_object()
    file.store_object()
    assert (mount / "a").read_bytes() == b"1"


def test_a_mounted_directory_is_replaced_whole(mount, tmp_path):
    folder = prepared(make_provider(tmp_path).object("modal://v/d"))
    for name in ("a", "b"):
        folder.local_path().mkdir()
        (folder.local_path() / name).write_bytes(b"1")
        folder.store_object()
        mounted.remove(folder.local_path())
    assert [path.name for path in (mount / "d").iterdir()] == ["b"]
    assert folder.exists() and folder.mtime() == int((mount / "d" / "b").stat().st_mtime)
    folder.retrieve_object()
    assert (folder.local_path() / "b").read_bytes() == b"1"
    folder.remove()
    assert not folder.exists()


@pytest.mark.parametrize("form", ["v={}", '{{"v": "{}"}}'])
def test_mounts_are_named_in_two_forms(tmp_path, monkeypatch, form):
    monkeypatch.setenv(mounted.MOUNTS_VARIABLE, form.format(tmp_path))
    assert mounted.mounted_folders() == {"v": tmp_path}


@pytest.mark.parametrize("text", ["v", "{v", "v=/nowhere"])
def test_wrong_mounts_are_refused(monkeypatch, text):
    monkeypatch.setenv(mounted.MOUNTS_VARIABLE, text)
    with pytest.raises(WorkflowError, match=mounted.MOUNTS_VARIABLE):
        mounted.mounted_folders()
