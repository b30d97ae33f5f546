"""One calibration problem: the fitted rows of the matrix, scaled, record by record.

For n records and m targets, A = diag(sqrt(rho) / s) X and b = sqrt(rho) t / s, with scales s (|t|,
or a floor where t = 0); `localcal.weights.descent` has the objective, and
`localcal.weights.distance` the ways to say how far weights are from their base.
"""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from localcal.files.csr import CsrLike
from localcal.weights.compiled import compiled
from localcal.weights.distance import (
    LEAST_SQUARES,
    PLAIN,
    Distance,
    best_weight,
    distance_at,
    distances,
)
from localcal.weights.rows import row_blocks


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
    give: np.ndarray
    """float64 (m,): an equation with the residual r costs r^2 / (2 give): 1 for most, less for rows
    that the descent sees softer than they are, 0 for those that must hold; see
    `localcal.weights.firm`."""
    distance: Distance = PLAIN
    """How far weights are from their base; see `localcal.weights.distance`."""

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
            give=self.give,
            distance=self.distance,
        )

    def only(self, equations: np.ndarray) -> "Problem":
        """Return the problem of some equations alone (bool (m,))."""
        number = np.where(equations, np.cumsum(equations) - 1, -1)
        indptr, indices, data = _only_rows(self.indptr, self.indices, self.data, number)
        return dataclasses.replace(
            self,
            indptr=indptr,
            indices=indices,
            data=data,
            squared_norm=_squared_norms(indptr, data),
            goal=self.goal[equations],
            root=self.root[equations],
            give=self.give[equations],
        )

    def reweighted(self, factor: np.ndarray) -> "Problem":
        """Multiply the targets' weights rho by `factor` (m,); A changes in place."""
        return self.rescaled(np.sqrt(factor))

    def rescaled(self, root: np.ndarray) -> "Problem":
        """Multiply the rows and the goal by `root` (m,); A changes in place."""
        _scale_entries(self.indices, self.data, root)
        return dataclasses.replace(
            self,
            squared_norm=_squared_norms(self.indptr, self.data),
            goal=self.goal * root,
            root=self.root * root,
        )

    def pull(self, penalty: float) -> float:
        """Return mu of `localcal.weights.descent`: a penalty, which is per target, times m.

        The mean over m targets of their squared errors, and the mean over all households of the
        squared relative change of their weights, then stand to each other as 1 to `penalty`,
        however many targets there are.
        """
        return penalty * len(self.goal)

    def residual(self, weights: np.ndarray) -> np.ndarray:
        """Return b - A w, float64 (m,)."""
        residual = self.goal.copy()
        _subtract_product(self.indptr, self.indices, self.data, weights, residual)
        return residual

    def slopes(self, residual: np.ndarray) -> np.ndarray:
        """Return A'r, float64 (n,): what one more unit of each record's weight would gain."""
        return _transposed_product(self.indptr, self.indices, self.data, residual)

    def products(self, spread: np.ndarray) -> np.ndarray:
        """Return A diag(spread) A', float64 (m, m)."""
        result = np.zeros((len(self.goal),) * 2)
        _add_products(self.indptr, self.indices, self.data, spread, result)
        return result

    def removal_loss(self, weights: np.ndarray, residual: np.ndarray, penalty: float) -> np.ndarray:
        """Return by how much P would rise without each record alone, float64 (n,)."""
        ridge = self._ridge(weights, penalty)
        away = weights - self.base
        own = 0.5 * (ridge / self.base) * away * away
        if self.distance.kind != LEAST_SQUARES:
            own = ridge * distances(self, weights)
        return weights * self.slopes(residual) + 0.5 * self.squared_norm * weights * weights - own

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
            self.lower, self.upper, ridge, self.distance, weights, residual,
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


class Records(NamedTuple):
    """The n records of a problem; columns of one district are neighbours."""

    column: np.ndarray
    """int64 (n,): where each is in the matrix."""
    base: np.ndarray
    """float64 (n,): base weights, all positive."""
    district: np.ndarray
    """int32 (n,)."""


def build_problem(
    matrix: CsrLike,
    slot: np.ndarray,
    scale: np.ndarray,
    goal: np.ndarray,
    root: np.ndarray,
    records: Records,
    bounds: tuple[float, ...],
    exact: np.ndarray | None = None,
) -> Problem:
    """Turn the fitted rows of a CSR matrix into record-major order.

    Args:
        matrix: CSR, rows x J.
        slot: int64 (rows,), each row's number among the fitted targets, -1 if not fitted.
        scale: float64 (m,), factor from the target's unit to A's.
        goal: float64 (m,), b.
        root: float64 (m,), sqrt(rho).
        records: the records, in order.
        bounds: lower and upper factor on their base weights.
        exact: bool (m,), equations that must hold; none by default.
    """
    position = np.full(matrix.shape[1], -1, dtype=np.int32)
    position[records.column] = np.arange(len(records.column), dtype=np.int32)
    indptr = np.zeros(len(records.column) + 1, dtype=np.int64)
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
        base=records.base,
        lower=bounds[0] * records.base,
        upper=bounds[1] * records.base,
        district=records.district,
        give=np.ones(len(goal)) if exact is None else np.where(exact, 0.0, 1.0),
    )


@compiled
def _count_entries(first, indptr, indices, data, slot, position, counts):
    for local in range(len(indptr) - 1):
        if slot[first + local] < 0:
            continue
        for k in range(indptr[local], indptr[local + 1]):
            record = position[indices[k]]
            if record >= 0 and data[k] != 0.0:
                counts[record + 1] += 1


@compiled
def _place_entries(  # noqa: PLR0913 - a compiled kernel takes arrays
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


@compiled
def _squared_norms(indptr, data):
    norms = np.zeros(len(indptr) - 1)
    for i in range(len(norms)):
        total = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            entry = np.float64(data[k])
            total += entry * entry
        norms[i] = total
    return norms


@compiled
def _scale_entries(indices, data, factor):
    for k in range(len(data)):
        data[k] *= factor[indices[k]]


@compiled
def _only_rows(indptr, indices, data, number):
    new_indptr = np.zeros(len(indptr), dtype=np.int64)
    for i in range(len(indptr) - 1):
        new_indptr[i + 1] = new_indptr[i]
        for k in range(indptr[i], indptr[i + 1]):
            if number[indices[k]] >= 0:
                new_indptr[i + 1] += 1
    new_indices = np.empty(new_indptr[-1], dtype=np.int32)
    new_data = np.empty(new_indptr[-1], dtype=np.float32)
    place = 0
    for i in range(len(indptr) - 1):
        for k in range(indptr[i], indptr[i + 1]):
            row = number[indices[k]]
            if row >= 0:
                new_indices[place] = row
                new_data[place] = data[k]
                place += 1
    return new_indptr, new_indices, new_data


@compiled
def _gather(records, indptr, indices, data, new_indptr, new_indices, new_data):
    for i in range(len(records)):
        shift = indptr[records[i]] - new_indptr[i]
        for k in range(new_indptr[i], new_indptr[i + 1]):
            new_indices[k] = indices[k + shift]
            new_data[k] = data[k + shift]


@compiled
def _add_products(indptr, indices, data, spread, normal):
    for i in range(len(spread)):
        if spread[i] == 0.0:
            continue
        for k in range(indptr[i], indptr[i + 1]):
            row, factor = indices[k], data[k] * spread[i]
            for other in range(indptr[i], indptr[i + 1]):
                normal[row, indices[other]] += factor * data[other]


@compiled
def _subtract_product(indptr, indices, data, weights, residual):
    for i in range(len(weights)):
        weight = weights[i]
        for k in range(indptr[i], indptr[i + 1]):
            residual[indices[k]] -= data[k] * weight


@compiled
def _transposed_product(indptr, indices, data, residual):
    slopes = np.zeros(len(indptr) - 1)
    for i in range(len(slopes)):
        slope = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            slope += data[k] * residual[indices[k]]
        slopes[i] = slope
    return slopes


@compiled
def _admit(  # noqa: PLR0913 - a compiled kernel takes arrays
    waiting, limit, indptr, indices, data, squared_norm, base, lower, upper, ridge, distance,
    weights, residual,
):  # fmt: skip
    entered = 0
    for i in waiting:
        if entered == limit:
            break
        slope = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            slope += data[k] * residual[indices[k]]
        best = best_weight(
            distance, 0.0, slope, squared_norm[i], ridge, base[i], lower[i], upper[i]
        )
        if distance.kind == LEAST_SQUARES:
            pull, away = ridge / base[i], best - base[i]
            own = 0.5 * pull * away * away
        else:
            own = ridge * base[i] * distance_at(distance, best / base[i])
        if best * slope - 0.5 * squared_norm[i] * best * best - own <= 0.0:
            continue
        weights[i] = best
        entered += 1
        for k in range(indptr[i], indptr[i + 1]):
            residual[indices[k]] -= data[k] * best
    return entered


@compiled
def _expected_columns(indptr, indices, probability, n_targets):
    expected = np.zeros(n_targets)
    for i in range(len(probability)):
        for k in range(indptr[i], indptr[i + 1]):
            expected[indices[k]] += probability[i]
    return expected
