"""Sparse rows on disk."""

import anndata.io
import h5py
import numpy as np
import pytest
import scipy.sparse

from localcal.errors import InputError
from localcal.files.csr import csr_sink, index_dtype, open_csr, row_ranges, write_csr


def random_matrix(rows=20, columns=50, density=0.2, seed=0):
    matrix = scipy.sparse.random_array(
        (rows, columns), density=density, rng=seed, dtype=np.float32, format="csr"
    )
    matrix.sort_indices()
    return matrix


def test_a_written_matrix_is_read_back_by_us_and_by_anndata(tmp_path):
    matrix = random_matrix()
    write_csr(tmp_path / "m.h5", matrix, {"note": "x"})
    ours = open_csr(tmp_path / "m.h5")
    ours.verify()
    assert (ours.matrix() != matrix).nnz == 0
    assert ours.attributes["note"] == "x"
    with h5py.File(tmp_path / "m.h5") as file:
        theirs = anndata.io.read_elem(file["matrix"])
    assert (theirs != scipy.sparse.csr_matrix(matrix)).nnz == 0


def test_a_matrix_without_entries_is_read_back(tmp_path):
    write_csr(tmp_path / "m.h5", random_matrix(density=0.0), {})
    ours = open_csr(tmp_path / "m.h5")
    ours.verify()
    assert ours.matrix().nnz == 0
    assert ours.shape == (20, 50)


def test_the_checksum_does_not_depend_on_how_rows_are_appended(tmp_path):
    matrix = random_matrix()
    write_csr(tmp_path / "whole.h5", matrix, {})
    with csr_sink(tmp_path / "cut.h5", matrix.indptr, matrix.shape, {}) as write:
        for start, stop in ((0, 0), (0, 7), (7, 8), (8, 20)):
            piece = slice(matrix.indptr[start], matrix.indptr[stop])
            write((matrix.data[piece], matrix.indices[piece]))
    assert (tmp_path / "whole.h5").read_bytes() == (tmp_path / "cut.h5").read_bytes()


def test_rows_are_read_in_the_order_asked_for(tmp_path):
    matrix = random_matrix()
    write_csr(tmp_path / "m.h5", matrix, {})
    rows = np.array([7, 3, 3, 19])
    assert (open_csr(tmp_path / "m.h5").rows(rows) != matrix[rows]).nnz == 0


@pytest.mark.parametrize("column", [50, -1])
def test_rows_with_a_column_outside_of_the_matrix_are_refused(tmp_path, column):
    matrix = random_matrix()
    write_csr(tmp_path / "m.h5", matrix, {})
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file["matrix/indices"][matrix.indptr[3]] = column
    opened = open_csr(tmp_path / "m.h5")
    assert (opened.rows(np.array([2, 4])) != matrix[[2, 4]]).nnz == 0
    with pytest.raises(InputError, match=r"m\.h5: damaged, a column lies outside"):
        opened.rows(np.array([2, 3]))


def test_index_width_grows_only_when_it_must():
    assert index_dtype(2**31) == np.int32
    assert index_dtype(2**31 + 1) == np.int64


def test_a_column_outside_the_matrix_is_refused(tmp_path):
    with (
        pytest.raises(OverflowError),
        csr_sink(tmp_path / "m.h5", np.array([0, 1]), (1, 5), {}) as write,
    ):
        write((np.ones(1, np.float32), np.array([5])))
    assert list(tmp_path.iterdir()) == []


def test_unwritten_entries_are_noticed(tmp_path):
    matrix = random_matrix()
    with (
        pytest.raises(ValueError, match="entries were written"),
        csr_sink(tmp_path / "m.h5", matrix.indptr, matrix.shape, {}) as write,
    ):
        write((matrix.data[:3], matrix.indices[:3]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_truncated_file_is_refused_by_name(tmp_path, kept):
    path = tmp_path / "m.h5"
    write_csr(path, random_matrix(), {})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"m\.h5"):
        open_csr(path)


def test_rows_that_end_before_they_begin_are_refused(tmp_path):
    matrix = random_matrix()
    write_csr(tmp_path / "m.h5", matrix, {})
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file["matrix/indptr"][3] = matrix.nnz
    with pytest.raises(InputError, match="disagree"):
        open_csr(tmp_path / "m.h5")


def test_a_changed_entry_fails_the_checksum(tmp_path):
    path = tmp_path / "m.h5"
    write_csr(path, random_matrix(), {})
    with h5py.File(path, "r+") as file:
        file["matrix/data"][3] += 1
    with pytest.raises(InputError, match="checksum"):
        open_csr(path).verify()


def test_another_encoding_version_is_refused(tmp_path):
    path = tmp_path / "m.h5"
    write_csr(path, random_matrix(), {})
    with h5py.File(path, "r+") as file:
        file["matrix"].attrs["encoding-version"] = "9.0.0"
    with pytest.raises(InputError, match=r"9\.0\.0"):
        open_csr(path)


def test_ranges_of_rows_cover_all_rows_once_and_hold_no_more_entries_than_asked_for():
    indptr = np.cumsum([0, 3, 0, 0, 9_000_000, 1, 2_000_000, 0, 0])
    ranges = list(row_ranges(indptr, 1_500_000))
    assert [row for start, stop in ranges for row in range(start, stop)] == list(range(8))
    assert all(
        stop - start == 1 or indptr[stop] - indptr[start] <= 1_500_000 for start, stop in ranges
    )


def test_a_file_that_does_not_say_what_it_must_is_refused(tmp_path):
    write_csr(tmp_path / "m.h5", random_matrix(), {"engine": "1"})
    assert open_csr(tmp_path / "m.h5", ["engine"]).attributes["engine"] == "1"
    with pytest.raises(InputError, match=r"m\.h5: damaged, does not say its targets; remove it"):
        open_csr(tmp_path / "m.h5", ["engine", "targets"])
