"""Arrays are read whole, or refused with their name and what to do."""

import json

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.files.arrays import read_array

REMEDY = "; remove it and run the same command again$"


def test_an_array_is_read_from_memory_or_left_on_the_disk(tmp_path):
    values = np.arange(5, dtype=np.float32)
    np.save(tmp_path / "a.npy", values)
    assert np.array_equal(read_array(tmp_path / "a.npy", "<f4"), values)
    assert isinstance(read_array(tmp_path / "a.npy", "<f4", mmap_mode="r"), np.memmap)


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999,), }",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (500,), \0}",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (500,), 'x",
    ],
)
def test_a_damaged_header_is_damage(tmp_path, header):
    """NumPy reads it as Python, and makes room for as many numbers as it promises."""
    whole = npy(tmp_path, np.arange(500, dtype=np.float32))
    (tmp_path / "a.npy").write_bytes(whole[:10] + header.ljust(117) + b"\n" + whole[128:])
    with pytest.raises(InputError, match=rf"a\.npy: damaged, .*{REMEDY}"):
        read_array(tmp_path / "a.npy", "<f4")


def npy(tmp_path, array) -> bytes:
    np.save(tmp_path / "other.npy", array, allow_pickle=True)
    return (tmp_path / "other.npy").read_bytes()


@pytest.mark.parametrize("mmap_mode", [None, "r"])
@pytest.mark.parametrize(
    "kind", ["empty", "half", "header", "text", "float64", "table", "pickle", "archive"]
)
def test_a_damaged_array_is_named_with_what_to_do(tmp_path, kind, mmap_mode):
    whole = npy(tmp_path, np.arange(500, dtype=np.float32))
    np.savez(tmp_path / "archive.npz", a=np.zeros(3, np.float32))
    content = {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "header": whole[:20],
        "text": json.dumps([1, 2]).encode(),
        "float64": npy(tmp_path, np.zeros(3)),
        "table": npy(tmp_path, np.zeros((3, 2), np.float32)),
        "pickle": npy(tmp_path, np.array([{}], dtype=object)),
        "archive": (tmp_path / "archive.npz").read_bytes(),
    }[kind]
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.npy: damaged, .*{REMEDY}"):
        read_array(tmp_path / "a.npy", "<f4", mmap_mode)
