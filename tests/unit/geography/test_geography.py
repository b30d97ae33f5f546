"""The places of the columns and their file."""

import hashlib

import h5py
import numpy as np
import pytest

from localcal.errors import InputError
from localcal.geography.geography import DTYPES, read_geography, write_geography
from tests.places_case import assign, make_households, same


def test_a_written_geography_reads_back_whole_and_in_slices(tables, tmp_path):
    geography = assign(make_households(50), tables)
    path = tmp_path / "geography.h5"
    write_geography(path, geography, {"source": "random", "path": None, "seed": 1})
    assert same(read_geography(path), geography)
    part = read_geography(path, 37, 90)
    assert (part.n_households, part.n_clones, len(part)) == (50, 4, 53)
    for name in DTYPES:
        assert np.array_equal(getattr(part, name), getattr(geography, name)[37:90])
    with h5py.File(path) as file:
        assert dict(file.attrs) == {
            "n_clones": 4,
            "n_households": 50,
            "path": "null",
            "seed": 1,
            "source": "random",
        }
        assert all(file[name].chunks is None for name in DTYPES)


def test_the_same_geography_gives_the_same_bytes(tables, tmp_path):
    digests = set()
    for name, attributes in (("a", {"b": 1, "c": "x"}), ("b", {"c": "x", "b": 1})):
        write_geography(tmp_path / name, assign(make_households(50), tables), attributes)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_slice_cannot_be_written_as_a_geography(tables, tmp_path):
    path = tmp_path / "geography.h5"
    write_geography(path, assign(make_households(5), tables), {})
    with pytest.raises(ValueError, match="not a slice"):
        write_geography(tmp_path / "part.h5", read_geography(path, 0, 4), {})


def test_a_slice_beyond_the_end_is_refused(tables, tmp_path):
    path = tmp_path / "geography.h5"
    write_geography(path, assign(make_households(5), tables), {})
    with pytest.raises(InputError, match="has columns 0 to 20, not 10 to 30"):
        read_geography(path, 10, 30)


def _drop(file: h5py.File) -> None:
    del file["county"]


def _drop_attribute(file: h5py.File) -> None:
    del file.attrs["n_clones"]


def _shorten(file: h5py.File) -> None:
    state = file["state"][:-1]
    del file["state"]
    file["state"] = state


def _widen(file: h5py.File) -> None:
    state = file["state"][:].astype(np.int64)
    del file["state"]
    file["state"] = state


def _swap(file: h5py.File) -> None:
    file["household"][3] = 4


def _move(file: h5py.File) -> None:
    file["county"][3] = b"06037"


def _redistrict(file: h5py.File) -> None:
    file["district"][3] = 5601


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (_drop, "has no dataset 'county'"),
        (_drop_attribute, "has no whole number 'n_clones'"),
        (_shorten, r"dataset 'state' is int32 \(19,\), not int32 \(20,\)"),
        (_widen, "dataset 'state' is int64"),
        (_swap, "column 3 has household 4, not 0"),
        (_move, "column 3 has county b'06037', not"),
        (_redistrict, "column 3 puts block .* into district 5601"),
    ],
)
def test_a_damaged_geography_is_refused(tables, tmp_path, damage, complaint):
    path = tmp_path / "geography.h5"
    write_geography(path, assign(make_households(5), tables), {})
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(InputError, match=complaint):
        read_geography(path)


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all", None])
def test_a_foreign_or_truncated_geography_is_refused(tables, tmp_path, content):
    path = tmp_path / "geography.h5"
    write_geography(path, assign(make_households(500), tables), {})
    path.write_bytes(path.read_bytes()[:20_000] if content is None else content)
    with pytest.raises(InputError, match=r"geography\.h5: (truncated or not an HDF5|no such) file"):
        read_geography(path)


def test_an_absent_geography_is_named(tmp_path):
    with pytest.raises(InputError, match=r"geography\.h5: (truncated or not an HDF5|no such) file"):
        read_geography(tmp_path / "geography.h5")
