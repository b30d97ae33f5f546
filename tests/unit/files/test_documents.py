"""JSON files and arrays are read whole, or refused with their name and what to do."""

import json

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.files.arrays import read_array
from localcal.files.documents import read_json

REMEDY = "; remove it and run the same command again$"


def test_an_object_is_read_with_the_keys_it_has_to_have(tmp_path):
    (tmp_path / "a.json").write_text('{"one": 1, "two": [2]}')
    assert read_json(tmp_path / "a.json", ["one"]) == {"one": 1, "two": [2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b'{"one": 1', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"two": 2}', "lacks one"),
    ],
)
def test_a_damaged_document_is_named_with_what_to_do(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.json: damaged, {message}.*{REMEDY}"):
        read_json(tmp_path / "a.json", ["one"])
    with pytest.raises(InputError, match=rf"b\.json: no such file{REMEDY}"):
        read_json(tmp_path / "b.json")


def test_an_array_is_read_from_memory_or_left_on_the_disk(tmp_path):
    values = np.arange(5, dtype=np.float32)
    np.save(tmp_path / "a.npy", values)
    assert np.array_equal(read_array(tmp_path / "a.npy", "<f4"), values)
    assert isinstance(read_array(tmp_path / "a.npy", "<f4", mmap_mode="r"), np.memmap)


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
