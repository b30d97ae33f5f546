"""Sparse rows on disk, in the layout that AnnData's sparse readers understand.

One HDF5 group `matrix` holds `data` (float32), `indices` and `indptr` (int64), contiguous and
uncompressed so that they can be memory-mapped, with the attributes `encoding-type`,
`encoding-version` and `shape` (https://anndata.readthedocs.io/en/stable/fileformat-prose.html).
Column indices are sorted within a row. Whatever else a file says about itself (digests, a column
range) are attributes of the file's root, among them the checksum of the three arrays.
"""

import hashlib
import mmap
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
import scipy.sparse

from localcal.errors import REMAKE, InputError
from localcal.files.hdf5 import create_h5, open_h5
from localcal.files.pieces import Write
from localcal.timing import WRITE, phase

GROUP = "matrix"
ENCODING_TYPE = "csr_matrix"
ENCODING_VERSION = "0.1.0"
CHECKSUM = "content_sha256"

# Elements read at a time where a whole array has to pass through memory.
BLOCK = 1 << 20

Attributes = Mapping[str, str | int | float]
# Data and column indices of some rows, (n,) each.
type Entries = tuple[np.ndarray, np.ndarray]


class CsrLike(Protocol):
    """A matrix of sparse rows, in memory or in a file: scipy's `csr_array` and `CsrFile`."""

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def indptr(self) -> np.ndarray: ...

    @property
    def indices(self) -> np.ndarray: ...

    @property
    def data(self) -> np.ndarray: ...


def index_dtype(n_columns: int) -> np.dtype:
    """Return the narrowest of int32 and int64 that holds every column index."""
    return np.dtype(np.int32 if n_columns - 1 <= np.iinfo(np.int32).max else np.int64)


class _CsrWriter:
    """Fills a CSR file of known size, one block of rows after the other."""

    def __init__(self, file: h5py.File, indptr: np.ndarray, shape: tuple[int, int]) -> None:
        self._file = file
        self._shape = shape
        nnz = int(indptr[-1])
        group = file.create_group(GROUP)
        group.attrs["encoding-type"] = ENCODING_TYPE
        group.attrs["encoding-version"] = ENCODING_VERSION
        group.attrs["shape"] = np.asarray(shape, dtype=np.int64)
        self._data = group.create_dataset("data", shape=(nnz,), dtype=np.float32)
        self._indices = group.create_dataset("indices", shape=(nnz,), dtype=index_dtype(shape[1]))
        group.create_dataset("indptr", data=indptr.astype(np.int64))
        self._checksum = ContentChecksum(indptr)
        self._filled = 0

    @phase(WRITE)
    def append(self, entries: Entries) -> None:
        """Write the entries of the next rows.

        Raises:
            OverflowError: a column index lies outside the matrix.
        """
        data, indices = entries
        if indices.size and not 0 <= indices.min() <= indices.max() < self._shape[1]:
            raise OverflowError(f"a column index lies outside 0..{self._shape[1] - 1}")
        stop = self._filled + data.size
        if data.size:
            data = data.astype(np.float32, copy=False)
            indices = indices.astype(self._indices.dtype, copy=False)
            self._data[self._filled : stop] = data
            self._indices[self._filled : stop] = indices
            self._checksum.update(data, indices)
        self._filled = stop

    def finish(self, attributes: Attributes) -> None:
        """Write the root attributes, the checksum among them."""
        if self._filled != self._data.size:
            raise ValueError(f"{self._filled} of {self._data.size} entries were written")
        for name in sorted(attributes):
            self._file.attrs[name] = attributes[name]
        self._file.attrs[CHECKSUM] = self._checksum.hexdigest()


class ContentChecksum:
    """SHA-256 over `indptr`, `data` and `indices`, independent of how they are cut."""

    def __init__(self, indptr: np.ndarray) -> None:
        self._indptr = hashlib.sha256(np.ascontiguousarray(indptr, dtype="<i8"))
        self._data = hashlib.sha256()
        self._indices = hashlib.sha256()

    def update(self, data: np.ndarray, indices: np.ndarray) -> None:
        """Add the next entries, in storage order."""
        self._data.update(np.ascontiguousarray(data, dtype="<f4"))
        self._indices.update(np.ascontiguousarray(indices, dtype=indices.dtype.newbyteorder("<")))

    def hexdigest(self) -> str:
        """Return the checksum of everything added so far."""
        parts = (self._indptr, self._data, self._indices)
        return hashlib.sha256(b"".join(part.digest() for part in parts)).hexdigest()


@contextmanager
def csr_sink(
    path: str | Path, indptr: np.ndarray, shape: tuple[int, int], attributes: Attributes
) -> Iterator[Write[Entries]]:
    """Yield what writes the entries of the next rows; the file exists once all are written.

    Args:
        path: the file.
        indptr: (rows + 1,) where the rows begin.
        shape: rows, columns.
        attributes: what the file says about itself.

    Raises:
        InputError: the disk has no room for it.
        OverflowError: a column index lies outside the matrix.
        ValueError: other than all entries were written.
    """
    entry_bytes = np.dtype(np.float32).itemsize + index_dtype(shape[1]).itemsize
    with create_h5(path, int(indptr[-1]) * entry_bytes + 8 * indptr.size) as file:
        writer = _CsrWriter(file, indptr, shape)
        yield writer.append
        writer.finish(attributes)


@phase(WRITE)
def write_csr(path: str | Path, matrix: scipy.sparse.csr_array, attributes: Attributes) -> None:
    """Write an in-memory matrix whose column indices are sorted."""
    if not matrix.has_sorted_indices:
        raise ValueError("column indices are not sorted within the rows")
    with csr_sink(path, matrix.indptr, matrix.shape, attributes) as write:
        write((matrix.data, matrix.indices))


def row_ranges(indptr: np.ndarray, entries: int) -> Iterator[tuple[int, int]]:
    """Yield consecutive ranges of rows with at most `entries` entries, or of one larger row.

    Args:
        indptr: (rows + 1,) int64.
        entries: how many to have in memory at a time.
    """
    n_rows = indptr.size - 1
    start = 0
    while start < n_rows:
        limit = int(np.searchsorted(indptr, indptr[start] + entries, side="right")) - 1
        stop = min(max(start + 1, limit), n_rows)
        yield start, stop
        start = stop


@dataclass(frozen=True)
class CsrFile:
    """An opened CSR file.

    Attributes:
        path: where it lies.
        shape: rows, columns.
        indptr: (rows + 1,) int64, in memory.
        data: (nnz,) float32, memory-mapped.
        indices: (nnz,) int32 or int64, memory-mapped.
        attributes: the root attributes.
    """

    path: Path
    shape: tuple[int, int]
    indptr: np.ndarray
    data: np.ndarray
    indices: np.ndarray
    attributes: dict[str, object]

    def rows(self, selection: np.ndarray) -> scipy.sparse.csr_array:
        """Return the chosen rows as a matrix in memory.

        Raises:
            InputError: a column lies outside of the matrix.
        """
        starts, stops = self.indptr[selection], self.indptr[selection + 1]
        pieces = [slice(start, stop) for start, stop in zip(starts, stops, strict=True)]
        data = [self.data[piece] for piece in pieces] or [self.data[:0]]
        indices = np.concatenate([self.indices[piece] for piece in pieces] or [self.indices[:0]])
        if indices.size and not 0 <= indices.min() <= indices.max() < self.shape[1]:
            raise InputError(f"{self.path}: damaged, a column lies outside of it; {REMAKE}")
        indptr = np.concatenate([[0], np.cumsum(stops - starts)])
        return scipy.sparse.csr_array(
            (np.concatenate(data), indices, indptr),
            shape=(len(selection), self.shape[1]),
        )

    def matrix(self) -> scipy.sparse.csr_array:
        """Return the whole matrix; scipy may copy the indices to a wider type."""
        return scipy.sparse.csr_array((self.data, self.indices, self.indptr), shape=self.shape)

    def origins(self) -> dict[str, object]:
        """Return the root attributes but for the checksum: what the file was made from."""
        return {name: value for name, value in self.attributes.items() if name != CHECKSUM}

    def release(self) -> None:
        """Give back the memory that looking at the arrays took; they can be looked at again.

        Every page of a mapped file that was looked at counts as this process's memory until then.
        """
        for array in (self.data, self.indices):
            if isinstance(array.base, mmap.mmap):
                array.base.madvise(mmap.MADV_DONTNEED)

    def verify(self) -> None:
        """Read everything and compare it with the checksum in the file.

        Raises:
            InputError: the content is not what was written.
        """
        checksum = ContentChecksum(self.indptr)
        for start in range(0, self.data.size, BLOCK):
            checksum.update(self.data[start : start + BLOCK], self.indices[start : start + BLOCK])
            self.release()
        if checksum.hexdigest() != self.attributes.get(CHECKSUM):
            raise InputError(f"{self.path}: its content does not match its checksum; {REMAKE}")


def open_csr(path: str | Path, attributes: Collection[str] = ()) -> CsrFile:
    """Open a file written by this module.

    Args:
        path: the file.
        attributes: what its root must say.

    Raises:
        InputError: the file is missing, truncated, empty or in another format.
    """
    with open_h5(path) as file:
        opened = _read(Path(path), file)
    missing = [name for name in attributes if name not in opened.attributes]
    if missing:
        raise InputError(f"{path}: damaged, does not say its {missing[0]}; {REMAKE}")
    return opened


def _read(path: Path, file: h5py.File) -> CsrFile:
    group = file.get(GROUP)
    if not isinstance(group, h5py.Group):
        raise InputError(f"{path}: holds no group '{GROUP}'; {REMAKE}")
    encoding = (group.attrs.get("encoding-type"), group.attrs.get("encoding-version"))
    if encoding != (ENCODING_TYPE, ENCODING_VERSION):
        raise InputError(
            f"{path}: encoding {encoding}, expected {(ENCODING_TYPE, ENCODING_VERSION)}; {REMAKE}"
        )
    missing = [name for name in ("data", "indices", "indptr") if name not in group]
    if missing:
        raise InputError(f"{path}: '{GROUP}' lacks {', '.join(missing)}; {REMAKE}")
    shape = tuple(int(size) for size in group.attrs["shape"])
    indptr = group["indptr"][:]
    data, indices = group["data"], group["indices"]
    if (
        len(shape) != 2
        or indptr.size != shape[0] + 1
        or indptr[0] != 0
        or (np.diff(indptr) < 0).any()
        or not data.size == indices.size == indptr[-1]
    ):
        raise InputError(f"{path}: the lengths of data, indices and indptr disagree; {REMAKE}")
    return CsrFile(path, shape, indptr, _map(path, data), _map(path, indices), dict(file.attrs))


def _map(path: Path, dataset: h5py.Dataset) -> np.ndarray:
    offset = dataset.id.get_offset()
    if offset is None:  # HDF5 gives an empty dataset no place in the file
        return np.empty(0, dtype=dataset.dtype)
    if path.stat().st_size < offset + dataset.nbytes:
        raise InputError(f"{path}: truncated; {REMAKE}")
    return np.memmap(path, mode="r", dtype=dataset.dtype, offset=offset, shape=dataset.shape)
