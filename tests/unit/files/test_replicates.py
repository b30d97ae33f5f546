"""Replicate weights in a file."""

import h5py
import numpy as np
import pytest

from localcal.errors import InputError
from localcal.files import replicates as replicate_file
from localcal.files.replicates import read_about, read_replicates, write_replicates

COLUMNS = np.array([7, 2, 9, 4])


@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
def test_replicates_come_back_for_any_of_the_columns(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(replicate_file, "CHUNK", chunk)
    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    made = ((row, 10 + number, 0.1 * number) for number, row in enumerate(weights))
    path = tmp_path / "replicates.h5"
    write_replicates(COLUMNS, made, 3, {"method": "jackknife"}, path)
    found = read_replicates(path, np.array([9, 7]))
    attributes = read_about(path, ["method"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, weights[:, [2, 0]])
    assert attributes == {"method": "jackknife"}
    with h5py.File(path) as file:
        assert file["columns"][:].tolist() == [2, 4, 7, 9]
        assert file["sweeps"][:].tolist() == [10, 11, 12]
        assert file["weights"].chunks == (1, min(chunk, 4))


@pytest.mark.parametrize("columns", [[3], [2, 10], [1]])
def test_other_columns_are_refused(tmp_path, columns):
    path = tmp_path / "replicates.h5"
    write_replicates(COLUMNS, [(np.ones(4, np.float32), 1, 0.0)], 1, {}, path)
    with pytest.raises(InputError, match="replicates.h5: of a fit that keeps other columns"):
        read_replicates(path, np.array(columns))


def test_a_file_appears_only_when_all_replicates_are_in_it(tmp_path):
    def made():
        yield np.ones(4, np.float32), 1, 0.0
        raise KeyboardInterrupt

    path = tmp_path / "replicates.h5"
    with pytest.raises(KeyboardInterrupt):
        write_replicates(COLUMNS, made(), 2, {}, path)
    assert not list(tmp_path.iterdir())


def test_a_file_that_does_not_say_how_it_was_made_is_refused(tmp_path):
    path = tmp_path / "replicates.h5"
    write_replicates(COLUMNS, [(np.ones(4, np.float32), 1, 0.0)], 1, {"method": "x"}, path)
    with pytest.raises(InputError, match="replicates.h5: lacks the attribute factor; remove it"):
        read_about(path, ["method", "factor"])
