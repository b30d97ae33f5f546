"""What each row of a matrix adds up to, block of rows by block of rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from localcal.errors import InputError
from localcal.files.csr import CsrLike, row_ranges
from localcal.weights.compiled import compiled

# 16 MB of values and as much of indices: large enough to be fast, small beside the matrix.
BLOCK_NONZEROS = 4_000_000


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a matrix, copied out of whatever holds it."""

    first: int
    """Row number of the block's first row."""
    indptr: np.ndarray
    """int64 (rows + 1,), starting at 0."""
    indices: np.ndarray
    """int32 column numbers."""
    data: np.ndarray
    """float32 entries."""


def row_blocks(matrix: CsrLike, check: bool = False) -> Iterator[Block]:
    """Yield a CSR matrix in blocks of whole rows, so that a memory-mapped one is never loaded.

    `matrix` is anything with CSR's `shape`, `indptr`, `indices` and `data`.

    Raises:
        InputError: `check` is set, and an entry is not finite or a column number out of range.
    """
    indptr = np.asarray(matrix.indptr, dtype=np.int64)
    for first, last in row_ranges(indptr, BLOCK_NONZEROS):
        span = slice(int(indptr[first]), int(indptr[last]))
        indices, data = matrix.indices[span], np.array(matrix.data[span], dtype=np.float32)
        if check:
            _check_entries(indices, data, matrix.shape[1], first, last)
        local = indptr[first : last + 1] - indptr[first]
        yield Block(first, local, np.array(indices, dtype=np.int32), data)


def _check_entries(
    indices: np.ndarray, data: np.ndarray, n_columns: int, first: int, last: int
) -> None:
    where = f"matrix: rows {first} to {last - 1}"
    if not np.isfinite(data).all():
        raise InputError(f"{where} hold a NaN or infinite entry; rebuild the matrix")
    if len(indices) and (indices.min() < 0 or indices.max() >= n_columns):
        raise InputError(f"{where} name a column outside 0..{n_columns - 1}; rebuild the matrix")


@dataclass(frozen=True)
class RowSummary:
    """What each row of the matrix adds up to under one set of weights; arrays of (m,)."""

    positive: np.ndarray
    """Sum of the positive contributions (entry x weight), in the target's unit."""
    negative: np.ndarray
    """Sum of the negative contributions, in the target's unit; zero or less."""
    square: np.ndarray
    """Sum of the squared contributions."""
    largest: np.ndarray
    """Largest absolute contribution of one column."""
    columns: np.ndarray
    """int64: columns that contribute."""

    @property
    def estimate(self) -> np.ndarray:
        """X w, in the target's unit."""
        return self.positive + self.negative

    @property
    def effective_n(self) -> np.ndarray:
        """Kish's effective number of contributing columns; 0 where there is none."""
        total = self.positive - self.negative
        return _ratio(total * total, self.square)

    @property
    def largest_share(self) -> np.ndarray:
        """The largest column's share of the sum of absolute contributions; 0 if none."""
        return _ratio(self.largest, self.positive - self.negative)

    def scaled(self, factor: float) -> "RowSummary":
        """Return the sums under `factor` times the weights; the factor is positive."""
        return RowSummary(
            positive=self.positive * factor,
            negative=self.negative * factor,
            square=self.square * factor**2,
            largest=self.largest * factor,
            columns=self.columns,
        )


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator != 0.0)


def summarize_rows(matrix: CsrLike, weights: np.ndarray, check: bool = False) -> RowSummary:
    """Return every row's sums under `weights` (J,), accumulated in float64.

    Columns without weight count nowhere. With `check`, entries are checked as in `row_blocks`.
    """
    n_rows = matrix.shape[0]
    positive, negative, square, largest = (np.zeros(n_rows) for _ in range(4))
    columns = np.zeros(n_rows, dtype=np.int64)
    weights = np.array(weights, dtype=np.float64)
    for block in row_blocks(matrix, check):
        _summarize_block(
            block.first, block.indptr, block.indices, block.data, weights,
            positive, negative, square, largest, columns,
        )  # fmt: skip
    return RowSummary(positive, negative, square, largest, columns)


@compiled
def _summarize_block(  # noqa: PLR0913 - a compiled kernel takes arrays
    first, indptr, indices, data, weights, positive, negative, square, largest, columns
):
    for local in range(len(indptr) - 1):
        row = first + local
        for k in range(indptr[local], indptr[local + 1]):
            part = data[k] * weights[indices[k]]
            if part == 0.0:
                continue
            columns[row] += 1
            if part > 0.0:
                positive[row] += part
            else:
                negative[row] += part
            square[row] += part * part
            largest[row] = max(largest[row], abs(part))


@dataclass(frozen=True)
class HouseholdSummary:
    """Who carries each row, a household's clones counted as one; arrays of (m,)."""

    count: np.ndarray
    """int64: distinct households that contribute."""
    effective: np.ndarray
    """float64: Kish's effective number of them; 0 where there is none."""


def summarize_households(
    matrix: CsrLike, weights: np.ndarray, household: np.ndarray
) -> HouseholdSummary:
    """Return how many households carry each row, from one pass over the entries.

    The contributions of a household's columns are summed first: they are one observation, and what
    is learnt from them does not grow with their number.

    Args:
        matrix: CSR (m x J).
        weights: (J,); columns without weight count nowhere.
        household: int (J,), zero or above.
    """
    effective = np.zeros(matrix.shape[0])
    counts = np.zeros(matrix.shape[0], dtype=np.int64)
    n_households = int(household.max(initial=-1)) + 1
    total = np.zeros(n_households)
    carrying = np.zeros(n_households, dtype=np.int32)
    is_found = np.zeros(n_households, dtype=np.bool_)
    household = household.astype(np.int32, copy=False)
    weights = np.array(weights, dtype=np.float64)
    for block in row_blocks(matrix):
        _sum_households(
            block.first, block.indptr, block.indices, block.data, weights, household,
            total, carrying, is_found, counts, effective,
        )  # fmt: skip
    return HouseholdSummary(counts, effective)


@compiled
def _sum_households(  # noqa: PLR0913 - a compiled kernel takes arrays
    first, indptr, indices, data, weights, household, total, carrying, is_found, counts, effective
):
    for local in range(len(indptr) - 1):
        found = 0
        for k in range(indptr[local], indptr[local + 1]):
            part = data[k] * weights[indices[k]]
            if part == 0.0:
                continue
            home = household[indices[k]]
            if not is_found[home]:
                is_found[home] = True
                carrying[found] = home
                found += 1
            total[home] += part
        size = 0.0
        square = 0.0
        for place in range(found):
            home = carrying[place]
            size += abs(total[home])
            square += total[home] * total[home]
            total[home] = 0.0
            is_found[home] = False
        counts[first + local] = found
        if square > 0.0:
            effective[first + local] = size * size / square
