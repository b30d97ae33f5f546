"""The storage plugin against the emulator, as it is outside of a container."""

import io
import logging
import os

import modal
import pytest
from grpclib import Status
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.tests import TestStorageBase

import snakemake_storage_plugin_modal as plugin
from snakemake_storage_plugin_modal import remote

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


class TestOutsideOfAContainer(TestStorageBase):
    __test__ = True
    files_only = False

    @pytest.fixture(autouse=True)
    def _volume(self, volume):
        pass

    def get_storage_provider_cls(self):
        return plugin.StorageProvider

    def get_storage_provider_settings(self):
        return plugin.StorageProviderSettings()

    def get_query(self, tmp_path):
        return "modal://v/test/x.txt"

    def get_query_not_existing(self, tmp_path):
        return "modal://v/test/y.txt"


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
