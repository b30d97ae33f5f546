"""HDF5 files: begun only where there is room, and refused by name where they cannot be read."""

import shutil
from collections import namedtuple

import h5py
import pytest

from localcal.errors import InputError
from localcal.files.hdf5 import create_h5, open_h5

Usage = namedtuple("Usage", "total used free")


def test_an_hdf5_file_is_not_begun_on_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 1000))
    with pytest.raises(InputError, match="no space left"), create_h5(tmp_path / "x"):
        raise AssertionError("begun")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_missing_cut_off_or_foreign_is_told_apart_from_a_good_one(tmp_path):
    with create_h5(tmp_path / "good.h5") as file:
        file["x"] = list(range(5_000))
    with open_h5(tmp_path / "good.h5") as file:
        assert file["x"][4_999] == 4_999
    with pytest.raises(InputError, match=r"none\.h5: no such file"), open_h5(tmp_path / "none.h5"):
        raise AssertionError("opened")
    content = (tmp_path / "good.h5").read_bytes()
    for name, bad in (("cut.h5", content[:9_000]), ("foreign.h5", b"not HDF5")):
        (tmp_path / name).write_bytes(bad)
        with (
            pytest.raises(InputError, match=rf"{name}: truncated or not an HDF5 file"),
            open_h5(tmp_path / name),
        ):
            raise AssertionError("opened")


def test_a_reader_cannot_write(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = [1]
    with open_h5(tmp_path / "x.h5") as file, pytest.raises(ValueError, match="no write intent"):
        file["y"] = [2]


def external_link(folder, file):
    file["a/2024"] = h5py.ExternalLink(str(folder / "secret.h5"), "/x")


def dangling_link(folder, file):
    file["b"] = h5py.ExternalLink(str(folder / "nowhere.h5"), "/")


def raw_storage(folder, file):
    # As long as it likes, and of any file.
    file.create_dataset(
        "a/2024", (5,), "u1", external=[(str(folder / "secret.txt"), 0, h5py.h5f.UNLIMITED)]
    )


def virtual(folder, file):
    layout = h5py.VirtualLayout((2,), "i8")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "x", (2,))
    file.create_virtual_dataset("a/2024", layout)


def virtual_of_itself(folder, file):
    file["x"] = [1, 2]
    layout = h5py.VirtualLayout((2,), "i8")
    layout[:] = h5py.VirtualSource(".", "x", (2,))
    file.create_virtual_dataset("deep/er/y", layout)


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (external_link, "a/2024"),
        (dangling_link, "b"),
        (raw_storage, "a/2024"),
        (virtual, "a/2024"),
        (virtual_of_itself, "deep/er/y"),
    ],
)
def test_a_file_that_takes_data_from_other_files_is_refused(tmp_path, build, name):
    (tmp_path / "secret.txt").write_text("hidden")
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = [1, 2]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["good"] = [1]
        build(tmp_path, file)
    message = f"x.h5: '{name}' lies in another file, which is not read; give another"
    with (
        pytest.raises(InputError, match=message),
        open_h5(tmp_path / "x.h5", "give another"),
    ):
        raise AssertionError("opened")


def test_links_inside_of_a_file_are_followed(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a/x"] = [1, 2]
        file["soft"] = h5py.SoftLink("/a/x")
        file["hard"] = file["a"]
        file["a/circle"] = file["a"]
    with open_h5(tmp_path / "x.h5") as file:
        assert file["soft"][1] == file["hard/circle/x"][1] == 2
