"""Bounded coordinate descent for calibration weights, with a certificate of how far it came.

For n records and m targets, with A = diag(sqrt(rho) / s) X, b = sqrt(rho) t / s, scales s (|t|, or
a floor where t = 0) and N = sum(base), the weights minimise

    P(w) = 1/2 |b - A w|^2 + mu / (2 N) * sum_i (w_i - base_i)^2 / base_i,   lower <= w <= upper.

One coordinate at a time has a closed solution. With the residual r = b - A w itself as the dual
point, the duality gap is a sum of one term per record, none of them negative:

    P - D = sum_i max_x g_i(x) - g_i(w_i),   g_i(x) = x a_i'r - mu / (2 N base_i) (x - base_i)^2.

Sums run in one fixed order on one thread, without fastmath, and the shuffle is integer
arithmetic only: the same inputs give the same bytes on any machine. The kernels are compiled
anew in every process (a few seconds): a disk cache would have to be trusted to notice edits.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numba
import numpy as np

from localcal.errors import InputError
from localcal.progress import Progress

logger = logging.getLogger(__name__)

# 16 MB of values and as much of indices: large enough to be fast, small beside the matrix.
BLOCK_NONZEROS = 4_000_000
SWEEPS_BETWEEN_CHECKS = 10


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


def row_blocks(matrix, check: bool = False) -> Iterator[Block]:
    """Yield a CSR matrix in blocks of whole rows, so that a memory-mapped one is never loaded.

    `matrix` is anything with CSR's `shape`, `indptr`, `indices` and `data`.

    Raises:
        InputError: `check` is set, and an entry is not finite or a column number out of range.
    """
    indptr = np.asarray(matrix.indptr, dtype=np.int64)
    first, n_rows = 0, matrix.shape[0]
    while first < n_rows:
        limit = indptr[first] + BLOCK_NONZEROS
        last = max(first + 1, int(np.searchsorted(indptr, limit, side="right")) - 1)
        last = min(last, n_rows)
        span = slice(int(indptr[first]), int(indptr[last]))
        indices, data = matrix.indices[span], np.array(matrix.data[span], dtype=np.float32)
        if check:
            _check_entries(indices, data, matrix.shape[1], first, last)
        local = indptr[first : last + 1] - indptr[first]
        yield Block(first, local, np.array(indices, dtype=np.int32), data)
        first = last


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


def summarize_rows(matrix, weights: np.ndarray, check: bool = False) -> RowSummary:
    """Return every row's sums under `weights` (J,), accumulated in float64.

    Columns without weight count nowhere. With `check`, entries are checked as in `row_blocks`.
    """
    n_rows = matrix.shape[0]
    sums = [np.zeros(n_rows) for _ in range(4)]
    columns = np.zeros(n_rows, dtype=np.int64)
    weights = np.array(weights, dtype=np.float64)
    for block in row_blocks(matrix, check):
        _summarize_block(
            block.first, block.indptr, block.indices, block.data, weights, *sums, columns
        )
    return RowSummary(*sums, columns)


@numba.njit
def _summarize_block(
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


def count_households(matrix, weights: np.ndarray, household: np.ndarray) -> np.ndarray:
    """Return how many distinct households contribute to each row, int64 (m,).

    `household` is int (J,), zero or above; columns without weight count nowhere.
    """
    counts = np.zeros(matrix.shape[0], dtype=np.int64)
    # Columns without weight point at one more household, which is never counted.
    n_households = int(household.max(initial=-1)) + 1
    household = np.where(weights > 0, household, n_households).astype(np.int32)
    last_row = np.full(n_households + 1, -1, dtype=np.int64)
    for block in row_blocks(matrix):
        _count_block(
            block.first, block.indptr, block.indices, block.data, household, last_row, counts
        )
    return counts


@numba.njit
def _count_block(first, indptr, indices, data, household, last_row, counts):
    outside = len(last_row) - 1
    for local in range(len(indptr) - 1):
        row = first + local
        for k in range(indptr[local], indptr[local + 1]):
            home = household[indices[k]]
            if home != outside and data[k] != 0.0 and last_row[home] != row:
                last_row[home] = row
                counts[row] += 1


@dataclass(frozen=True)
class Problem:
    """One calibration problem in record-major order; n records, m targets."""

    indptr: np.ndarray
    """int64 (n + 1,): where each record's entries begin."""
    indices: np.ndarray
    """int32: target numbers, ascending inside a record."""
    data: np.ndarray
    """float32: entries of A, without unit."""
    squared_norm: np.ndarray
    """float64 (n,): |a_i|^2."""
    goal: np.ndarray
    """float64 (m,): b."""
    root: np.ndarray
    """float64 (m,): sqrt(rho)."""
    base: np.ndarray
    """float64 (n,): weights that the penalty pulls towards; all positive."""
    lower: np.ndarray
    """float64 (n,): smallest weight allowed."""
    upper: np.ndarray
    """float64 (n,): largest weight allowed."""
    district: np.ndarray
    """int32 (n,): records of one district are neighbours."""

    @property
    def norm(self) -> np.ndarray:
        """|a_i|, float64 (n,)."""
        return np.sqrt(self.squared_norm)

    def with_base(self, base: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> "Problem":
        """Return the same matrix and goal with other base weights and bounds."""
        return dataclasses.replace(self, base=base, lower=lower, upper=upper)

    def take(self, records: np.ndarray) -> "Problem":
        """Return the problem of some records alone (ascending int64 positions)."""
        length = np.diff(self.indptr)[records]
        indptr = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        indices = np.empty(indptr[-1], dtype=np.int32)
        data = np.empty(indptr[-1], dtype=np.float32)
        _gather(records, self.indptr, self.indices, self.data, indptr, indices, data)
        return Problem(
            indptr=indptr,
            indices=indices,
            data=data,
            squared_norm=self.squared_norm[records],
            goal=self.goal,
            root=self.root,
            base=self.base[records],
            lower=self.lower[records],
            upper=self.upper[records],
            district=self.district[records],
        )

    def reweighted(self, factor: np.ndarray) -> "Problem":
        """Multiply the targets' weights rho by `factor` (m,); A changes in place."""
        root = np.sqrt(factor)
        _scale_entries(self.indices, self.data, root)
        return dataclasses.replace(
            self,
            squared_norm=_squared_norms(self.indptr, self.data),
            goal=self.goal * root,
            root=self.root * root,
        )

    def residual(self, weights: np.ndarray) -> np.ndarray:
        """Return b - A w, float64 (m,)."""
        residual = self.goal.copy()
        _subtract_product(self.indptr, self.indices, self.data, weights, residual)
        return residual

    def slopes(self, residual: np.ndarray) -> np.ndarray:
        """Return A'r, float64 (n,): what one more unit of each record's weight would gain."""
        return _transposed_product(self.indptr, self.indices, self.data, residual)

    def removal_loss(self, weights: np.ndarray, residual: np.ndarray, penalty: float) -> np.ndarray:
        """Return by how much P would rise without each record alone, float64 (n,)."""
        pull = self._ridge(weights, penalty) / self.base
        away = weights - self.base
        return (
            weights * self.slopes(residual)
            + 0.5 * self.squared_norm * weights * weights
            - 0.5 * pull * away * away
        )

    def admit(
        self,
        waiting: np.ndarray,
        limit: int,
        weights: np.ndarray,
        residual: np.ndarray,
        penalty: float,
    ) -> int:
        """Give a weight to at most `limit` of the `waiting` records, in their order.

        Each gets its best weight within its bounds, given those before it, or none if even that
        does not lower P. Updates `weights` and `residual`; returns how many entered.
        """
        ridge = self._ridge(weights, penalty)
        return _admit(
            waiting, limit, self.indptr, self.indices, self.data, self.squared_norm, self.base,
            self.lower, self.upper, ridge, weights, residual,
        )  # fmt: skip

    def _ridge(self, weights: np.ndarray, penalty: float) -> float:
        """Return mu / N, N being the base weights of the records that have a weight."""
        return penalty / float(np.sum(self.base[weights > 0]))

    def expected_columns(self, probability: np.ndarray) -> np.ndarray:
        """Return how many sampled records each target can expect, float64 (m,)."""
        return _expected_columns(self.indptr, self.indices, probability, len(self.goal))

    def entries_of(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return record and target numbers (int64) of the entries of the `wanted` (bool (m,))."""
        place = np.flatnonzero(wanted[self.indices])
        records = np.searchsorted(self.indptr, place, side="right") - 1
        return records, self.indices[place].astype(np.int64)


def build_problem(
    matrix,
    slot: np.ndarray,
    scale: np.ndarray,
    goal: np.ndarray,
    root: np.ndarray,
    records: np.ndarray,
    base: np.ndarray,
    bounds: tuple[float, float],
    district: np.ndarray,
) -> Problem:
    """Turn the fitted rows of a CSR matrix into record-major order.

    Args:
        matrix: CSR, rows x J.
        slot: int64 (rows,), each row's number among the fitted targets, -1 if not fitted.
        scale: float64 (m,), factor from the target's unit to A's.
        goal: float64 (m,), b.
        root: float64 (m,), sqrt(rho).
        records: int64 (n,), columns of the matrix in the order of the records.
        base: float64 (n,), base weights, all positive.
        bounds: lower and upper factor on `base`.
        district: int32 (n,), equal values adjacent.
    """
    position = np.full(matrix.shape[1], -1, dtype=np.int32)
    position[records] = np.arange(len(records), dtype=np.int32)
    indptr = np.zeros(len(records) + 1, dtype=np.int64)
    for block in row_blocks(matrix):
        _count_entries(block.first, block.indptr, block.indices, block.data, slot, position, indptr)
    np.cumsum(indptr, out=indptr)
    indices = np.empty(indptr[-1], dtype=np.int32)
    data = np.empty(indptr[-1], dtype=np.float32)
    free = indptr[:-1].copy()
    for block in row_blocks(matrix):
        _place_entries(
            block.first, block.indptr, block.indices, block.data, slot, scale, position,
            free, indices, data,
        )  # fmt: skip
    return Problem(
        indptr=indptr,
        indices=indices,
        data=data,
        squared_norm=_squared_norms(indptr, data),
        goal=goal,
        root=root,
        base=base,
        lower=bounds[0] * base,
        upper=bounds[1] * base,
        district=district,
    )


@numba.njit
def _count_entries(first, indptr, indices, data, slot, position, counts):
    for local in range(len(indptr) - 1):
        if slot[first + local] < 0:
            continue
        for k in range(indptr[local], indptr[local + 1]):
            record = position[indices[k]]
            if record >= 0 and data[k] != 0.0:
                counts[record + 1] += 1


@numba.njit
def _place_entries(
    first, indptr, indices, data, slot, scale, position, free, record_indices, record_data
):
    for local in range(len(indptr) - 1):
        target = slot[first + local]
        if target < 0:
            continue
        for k in range(indptr[local], indptr[local + 1]):
            record = position[indices[k]]
            if record >= 0 and data[k] != 0.0:
                place = free[record]
                record_indices[place] = target
                record_data[place] = data[k] * scale[target]
                free[record] = place + 1


@numba.njit
def _squared_norms(indptr, data):
    norms = np.zeros(len(indptr) - 1)
    for i in range(len(norms)):
        total = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            entry = np.float64(data[k])
            total += entry * entry
        norms[i] = total
    return norms


@numba.njit
def _scale_entries(indices, data, factor):
    for k in range(len(data)):
        data[k] *= factor[indices[k]]


@numba.njit
def _gather(records, indptr, indices, data, new_indptr, new_indices, new_data):
    for i in range(len(records)):
        shift = indptr[records[i]] - new_indptr[i]
        for k in range(new_indptr[i], new_indptr[i + 1]):
            new_indices[k] = indices[k + shift]
            new_data[k] = data[k + shift]


@numba.njit
def _subtract_product(indptr, indices, data, weights, residual):
    for i in range(len(weights)):
        weight = weights[i]
        for k in range(indptr[i], indptr[i + 1]):
            residual[indices[k]] -= data[k] * weight


@numba.njit
def _transposed_product(indptr, indices, data, residual):
    slopes = np.zeros(len(indptr) - 1)
    for i in range(len(slopes)):
        slope = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            slope += data[k] * residual[indices[k]]
        slopes[i] = slope
    return slopes


@numba.njit
def _admit(
    waiting, limit, indptr, indices, data, squared_norm, base, lower, upper, ridge, weights,
    residual,
):  # fmt: skip
    entered = 0
    for i in waiting:
        if entered == limit:
            break
        slope = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            slope += data[k] * residual[indices[k]]
        pull = ridge / base[i]
        best = (slope + pull * base[i]) / (squared_norm[i] + pull)
        best = min(max(best, lower[i]), upper[i])
        away = best - base[i]
        if best * slope - 0.5 * squared_norm[i] * best * best - 0.5 * pull * away * away <= 0.0:
            continue
        weights[i] = best
        entered += 1
        for k in range(indptr[i], indptr[i + 1]):
            residual[indices[k]] -= data[k] * best
    return entered


@numba.njit
def _expected_columns(indptr, indices, probability, n_targets):
    expected = np.zeros(n_targets)
    for i in range(len(probability)):
        for k in range(indptr[i], indptr[i + 1]):
            expected[indices[k]] += probability[i]
    return expected


class Shuffler:
    """Orders records anew for every sweep: at random inside a district, districts as stored.

    Neighbouring clones are near-duplicates, and in storage order their moves keep undoing each
    other; a whole-population shuffle would converge as fast but miss the cache at every record.
    """

    def __init__(self, seed: int) -> None:
        self.state = np.array([seed], dtype=np.uint64)

    def shuffle(self, order: np.ndarray, starts: np.ndarray) -> None:
        """Permute `order` (int32) in place inside each segment `starts[s]:starts[s + 1]`."""
        _shuffle_segments(order, starts, self.state)


@numba.njit
def _shuffle_segments(order, starts, state):
    # splitmix64 and Fisher-Yates; every operand is uint64, or numba would turn to floats.
    word = state[0]
    for segment in range(len(starts) - 1):
        low = starts[segment]
        for i in range(starts[segment + 1] - 1, low, -1):
            word += np.uint64(0x9E3779B97F4A7C15)
            mixed = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed = (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(32)
            pick = low + np.int64((mixed * np.uint64(i - low + 1)) >> np.uint64(32))
            order[i], order[pick] = order[pick], order[i]
    state[0] = word


@dataclass(frozen=True)
class Certificate:
    """How good weights are, by the penalised objective at one `penalty`."""

    penalty: float
    sweeps: int
    """Sweeps made at this penalty."""
    objective: float
    """P(w)."""
    gap: float
    """P(w) - D: no weights within the bounds are better by more than this."""
    rms_gap: float
    """sqrt(2 gap / sum rho): bound on the weighted root mean square by which the relative errors
    still differ from the optimum's."""
    within_tolerance: bool


@dataclass(frozen=True)
class Position:
    """Where a descent is before one of its looks at the gap: all that its next sweep depends on."""

    done: int
    """Sweeps made."""
    weights: np.ndarray
    """float64 (n,)."""
    order: np.ndarray
    """int32 (n,): the records' order after the last shuffle."""
    shuffle: np.ndarray
    """uint64 (1,): state of the shuffle."""


def certify(problem: Problem, weights: np.ndarray, penalty: float, sweeps: int = 0) -> Certificate:
    """Return the objective of `weights` and a bound on its distance to the optimum."""
    residual = problem.residual(weights)
    ridge_term, gap = _ridge_and_gap(
        problem.indptr, problem.indices, problem.data, problem.base, problem.lower,
        problem.upper, penalty / float(np.sum(problem.base)), weights, residual,
    )  # fmt: skip
    objective = 0.5 * float(np.sum(residual * residual)) + ridge_term
    # Rounding may leave the gap a hair below zero.
    rms_gap = float(np.sqrt(2.0 * max(gap, 0.0) / np.sum(problem.root * problem.root)))
    return Certificate(penalty, sweeps, objective, gap, rms_gap, within_tolerance=False)


@numba.njit
def _ridge_and_gap(indptr, indices, data, base, lower, upper, ridge, weights, residual):
    ridge_term = 0.0
    gap = 0.0
    for i in range(len(weights)):
        slope = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            slope += data[k] * residual[indices[k]]
        pull = ridge / base[i]
        away = weights[i] - base[i]
        best = min(max(base[i] + slope / pull, lower[i]), upper[i])
        ridge_term += 0.5 * pull * away * away
        middle = 0.5 * (best - base[i] + away)
        gap += (best - weights[i]) * (slope - pull * middle)
    return ridge_term, gap


def descend(
    problem: Problem,
    weights: np.ndarray,
    penalty: float,
    sweeps: int,
    shuffler: Shuffler,
    tolerance: float | None = None,
    progress: Progress | None = None,
    watch: Callable[[Position], None] | None = None,
    resume: Position | None = None,
) -> Certificate:
    """Improve `weights` (float64 (n,), within bounds) in place by at most `sweeps` sweeps.

    With a `tolerance`, the rms gap is looked at every ten sweeps and ends the descent once it is
    no larger. Residuals are computed anew at each look, so that rounding cannot pile up. Before
    each stretch of sweeps, `watch` is told the position; with one of those to `resume` from, the
    descent goes on from there as if it had never stopped.
    """
    order = np.arange(len(weights), dtype=np.int32)
    starts = _segment_starts(problem.district)
    done = 0
    if resume is not None:
        weights[:], order[:], shuffler.state[:] = resume.weights, resume.order, resume.shuffle
        done = resume.done
    certificate = None
    while certificate is None or done < sweeps:
        if watch is not None:
            watch(Position(done, weights, order, shuffler.state))
        residual = problem.residual(weights)
        count = sweeps - done
        if tolerance is not None:
            count = min(count, SWEEPS_BETWEEN_CHECKS)
        for _ in range(count):
            shuffler.shuffle(order, starts)
            _sweep(order, starts, problem, penalty, weights, residual)
            if progress is not None:
                progress.advance()
        done += count
        certificate = certify(problem, weights, penalty, done)
        if tolerance is not None and certificate.rms_gap <= tolerance:
            certificate = dataclasses.replace(certificate, within_tolerance=True)
            break
    logger.info(
        "penalty %g: %d sweeps, objective %.6g, rms gap %.3g",
        penalty, done, certificate.objective, certificate.rms_gap,
    )  # fmt: skip
    return certificate


def _segment_starts(district: np.ndarray) -> np.ndarray:
    changes = np.flatnonzero(district[1:] != district[:-1]) + 1
    return np.concatenate([[0], changes, [len(district)]]).astype(np.int64)


def _sweep(
    order: np.ndarray,
    starts: np.ndarray,
    problem: Problem,
    penalty: float,
    weights: np.ndarray,
    residual: np.ndarray,
) -> None:
    _sweep_records(
        order, starts, problem.indptr, problem.indices, problem.data, problem.squared_norm,
        problem.base, problem.lower, problem.upper, penalty / float(np.sum(problem.base)), weights,
        residual,
    )  # fmt: skip


@numba.njit
def _sweep_records(
    order, starts, indptr, indices, data, squared_norm, base, lower, upper, ridge, weights, residual
):
    touched = 0.0
    for segment in range(len(starts) - 1):
        first, last = starts[segment], starts[segment + 1]
        # A look at every cache line, in storage order, before the records are visited at random:
        # memory streams faster than it answers one by one. Measured: less than half the time.
        for k in range(indptr[first], indptr[last], 16):
            touched += indices[k] + data[k]
        for i in order[first:last]:
            slope = 0.0
            for k in range(indptr[i], indptr[i + 1]):
                slope += data[k] * residual[indices[k]]
            pull = ridge / base[i]
            old = weights[i]
            new = old + (slope - pull * (old - base[i])) / (squared_norm[i] + pull)
            new = min(max(new, lower[i]), upper[i])
            step = new - old
            if step != 0.0:
                weights[i] = new
                for k in range(indptr[i], indptr[i + 1]):
                    residual[indices[k]] -= data[k] * step
    return touched
