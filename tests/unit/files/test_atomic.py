"""Files that are complete whenever they exist."""

import errno
import json
import shutil
from collections import namedtuple

import numpy as np
import pytest
import scipy.sparse

from localcal.errors import InputError
from localcal.files.atomic import atomic_path, write_json
from localcal.files.csr import write_csr
from localcal.files.seal import is_whole
from localcal.geography.geography import write_geography
from localcal.population.dataset import write_population
from tests.households import random_places, random_population

Usage = namedtuple("Usage", "total used free")


def test_a_file_appears_only_when_its_writer_is_done(tmp_path):
    with atomic_path(tmp_path / "deep" / "x") as part:
        part.write_text("new")
        assert not (tmp_path / "deep" / "x").exists()
    assert (tmp_path / "deep" / "x").read_text() == "new"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_a_failed_writer_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "x").write_text("old")
    with pytest.raises(KeyError), atomic_path(tmp_path / "x") as part:
        part.write_text("half")
        raise KeyError
    assert (tmp_path / "x").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_remainder_of_a_killed_writer_is_overwritten(tmp_path):
    (tmp_path / "x.part").write_text("half of a file from a killed job")
    with atomic_path(tmp_path / "x") as part:
        part.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        # What h5py raises when it closes a file on a full disk.
        RuntimeError("Can't decrement id ref count (errno = 28, 'No space left on device')"),
    ],
)
def test_a_disk_that_fills_up_is_one_clear_line(tmp_path, error):
    message = r"x: no space left on the disk; free some and run"
    with pytest.raises(InputError, match=message), atomic_path(tmp_path / "x") as part:
        part.write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def matrix_on(path):
    matrix = scipy.sparse.csr_array(np.ones((100, 100), dtype=np.float32))
    write_csr(path, matrix, {})


def population_on(path):
    write_population(path, random_population(500, seed=1))


def geography_on(path):
    write_geography(path, random_places(random_population(50, seed=1), 40, seed=1), {})


@pytest.mark.parametrize("write", [matrix_on, population_on, geography_on])
def test_what_will_not_fit_is_refused_before_it_is_begun(tmp_path, monkeypatch, write):
    write(tmp_path / "fits")
    size = (tmp_path / "fits").stat().st_size
    # Room for HDF5's own structures and for half of the arrays.
    room = Usage(0, 0, (4 << 20) + size // 2)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room)
    with pytest.raises(InputError, match="no space left on the disk: it needs"):
        write(tmp_path / "full")
    assert [path.name for path in tmp_path.iterdir()] == ["fits"]


def test_json_is_written_in_one_order_and_without_nan(tmp_path):
    write_json(tmp_path / "x", {"b": 1, "a": [1.5]})
    text = (tmp_path / "x").read_text()
    assert text.startswith('{\n "a": [\n  1.5\n ],\n "b": 1,\n "seal": "') and text.endswith("}\n")
    assert is_whole(json.loads(text))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x", {"a": float("nan")})
