"""The storage plugin where no server is needed: queries, and volumes mounted in a container."""

import logging
import os
import time

import pytest
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.tests import TestStorageBase

import snakemake_storage_plugin_modal as plugin
from snakemake_storage_plugin_modal import mounted


@pytest.fixture(autouse=True)
def nobody_to_ask(monkeypatch):
    """Without a token, nor a developer's own, any question to Modal fails."""
    for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODAL_CONFIG_PATH", "/nonexistent")


@pytest.fixture
def mount(tmp_path, monkeypatch):
    folder = tmp_path / "vol"
    folder.mkdir()
    monkeypatch.setenv(mounted.MOUNTS_VARIABLE, f"v={folder}")
    return folder


@pytest.fixture
def provider(mount, tmp_path):
    return plugin.StorageProvider(
        local_prefix=tmp_path / "local",
        logger=logging.getLogger("test"),
        settings=plugin.StorageProviderSettings(),
    )


def prepared(storage_object):
    storage_object.local_path().parent.mkdir(parents=True, exist_ok=True)
    return storage_object


class TestInAContainer(TestStorageBase):
    """Snakemake's own tests of storage plugins."""

    __test__ = True
    # The suite makes a directory where its file was linked; the test below is for directories.
    files_only = True

    @pytest.fixture(autouse=True)
    def _mount(self, mount):
        pass

    def get_storage_provider_cls(self):
        return plugin.StorageProvider

    def get_storage_provider_settings(self):
        return plugin.StorageProviderSettings()

    def get_query(self, tmp_path):
        return "modal://v/test/x.txt"

    def get_query_not_existing(self, tmp_path):
        return "modal://v/test/y.txt"


@pytest.mark.parametrize(
    "query", ["s3://v/a", "modal://v", "modal://v/", "modal://a b/c", "modal://v/a/../b"]
)
def test_bad_queries_are_refused_with_a_reason(query):
    answer = plugin.StorageProvider.is_valid_query(query)
    assert not answer and answer.reason


def test_a_mounted_file_is_linked_not_copied(mount, provider):
    (mount / "a").write_bytes(b"1")
    file = prepared(provider.object("modal://v/a"))
    file.retrieve_object()
    file.retrieve_object()
    assert file.local_path().readlink() == mount / "a"
    assert file.local_footprint() == 0


def test_a_stored_file_appears_at_once_with_whole_seconds(mount, provider):
    file = prepared(provider.object("modal://v/out/a"))
    file.local_path().write_bytes(b"new")
    file.store_object()
    stored = mount / "out" / "a"
    assert stored.read_bytes() == b"new"
    assert stored.stat().st_mtime == file.mtime() == int(file.mtime())
    assert abs(file.mtime() - time.time()) < 5
    assert [path.name for path in stored.parent.iterdir()] == ["a"]


def test_a_mounted_file_has_whole_seconds(mount, provider):
    (mount / "a").write_bytes(b"1")
    os.utime(mount / "a", (1000.9, 1000.9))
    assert provider.object("modal://v/a").mtime() == 1000.0


def test_a_half_copied_file_never_has_the_final_name(mount, provider, monkeypatch):
    file = prepared(provider.object("modal://v/a"))
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


def test_the_rest_of_a_killed_copy_is_no_file(mount, provider):
    (mount / ".a.smk-tmp").write_bytes(b"ne")
    file = prepared(provider.object("modal://v/a"))
    assert not file.exists()
    assert file.provider.object("modal://v/{x}").list_candidate_matches() == []
    file.local_path().write_bytes(b"new")
    file.store_object()
    assert [path.name for path in mount.iterdir()] == ["a"]


def test_storing_what_is_a_link_to_the_volume_keeps_it(mount, provider):
    (mount / "a").write_bytes(b"1")
    file = prepared(provider.object("modal://v/a"))
    file.retrieve_object()
    file.store_object()
    assert (mount / "a").read_bytes() == b"1"


def test_a_mounted_directory_is_replaced_whole(mount, provider):
    folder = prepared(provider.object("modal://v/d"))
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
