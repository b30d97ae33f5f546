"""What each target costs, and what would be gained by not fitting it.

With the objective P of `localcal.weights.descent`, its residual r and its penalty mu, and the
dispersion of the weights

    V = sum_i (w_i - base_i)^2 / (N base_i),

by about which a design effect is larger than that of the base weights, the rest of the optimal P
rises by |rho * huber_weight * error| per unit by which one target is met better (envelope theorem);
were it all for the weights and none for the other targets, V would rise by 2 / mu of that.

Without target j, and as long as the same weights are at their bounds, the residual becomes
r - K^-1 e_j r_j / (K^-1)_jj with K = I + A S A' as in `localcal.weights.newton`; P falls by
r_j^2 / (2 (K^-1)_jj). K^-1 e_j comes from conjugate gradients; cut off early, they say too much.
"""

from dataclasses import dataclass

import numba
import numpy as np

from localcal.files.csr import CsrLike
from localcal.weights.preparation import Equations
from localcal.weights.rows import row_blocks
from localcal.weights.trace import Trace
from localcal.weights.verdicts import AT_BOUND

PER_CENT = 0.01
DEAREST = 10
# Conjugate gradients end at this relative residual, or once all of them have looked at so many
# entries: about a minute.
SMALL_RESIDUAL = 1e-4
MOST_ENTRIES = 12_000_000_000
MOST_STEPS = 200


@dataclass(frozen=True)
class Fit:
    """A fit as its prices need it; m rows of the matrix, J columns, p equations."""

    matrix: CsrLike
    equations: Equations
    huber_weight: np.ndarray
    """float64 (p,)."""
    estimate: np.ndarray
    """float64 (m,): the rows' sums under the final weights."""
    weights: np.ndarray
    """float64 (J,), 0 for columns not kept."""
    base: np.ndarray
    """float64 (J,): what the penalty pulled towards; read where a weight is positive."""
    is_free: np.ndarray
    """bool (J,): kept, and not at a bound."""
    penalty: float
    """mu of the objective."""

    @property
    def total(self) -> float:
        """N: the base weights of the kept columns."""
        return float(np.sum(self.base[self.weights > 0]))


def kept_base(trace: Trace, is_selected: bool) -> np.ndarray:
    """Return what the penalty of the last fit pulled towards, float64 (J,).

    `is_selected` says whether records were drawn: then it is the fit of all records that it pulled
    towards.
    """
    base = trace.base / trace.probability
    return base * trace.dense_factor if is_selected else base


def free_columns(trace: Trace, bounds: tuple[float, ...]) -> np.ndarray:
    """Return as bool (J,) the kept columns that are not at a bound."""
    low, high = bounds
    return (trace.factor > low * (1 + AT_BOUND)) & (trace.factor < high * (1 - AT_BOUND))


def dispersion(fit: Fit) -> float:
    """Return V."""
    kept = fit.weights > 0
    away = fit.weights[kept] - fit.base[kept]
    return float(np.sum(away * away / fit.base[kept])) / fit.total


def costs(price: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what P, or V in its place, rises by per per cent by which a target is met better.

    Args:
        price: float64, change of the optimal P per relative change of the target.
        penalty: mu.
    """
    objective = PER_CENT * np.abs(price)
    return objective, objective * (2.0 / penalty)


def without(fit: Fit, rows: np.ndarray) -> list[dict]:
    """Return what each of some targets, fitted by themselves, changes by not being fitted.

    One JSON-ready row per target: `objective_gained`, by how much P falls; `dispersion` and
    `dispersion_without`, V now and then; `rel_error_without`, its own error then; and `residual`,
    how far conjugate gradients came: relative, 0 for exact.
    """
    factor = np.sqrt(fit.equations.rho * fit.huber_weight) / fit.equations.scale
    system = _System(fit, factor, np.where(fit.is_free, fit.base * (fit.total / fit.penalty), 0.0))
    used = fit.equations.slot >= 0
    sums = np.bincount(
        fit.equations.slot[used], fit.estimate[used], minlength=len(fit.equations.value)
    )
    residual = factor * (fit.equations.value - sums)
    now = dispersion(fit)
    entries = 2 * int(fit.matrix.indptr[-1]) * max(len(rows), 1)
    steps = int(np.clip(MOST_ENTRIES // max(entries, 1), 3, MOST_STEPS))
    diagonal = system.diagonal()
    found = []
    for slot in fit.equations.slot[rows]:
        inverse, left = system.solve(int(slot), diagonal, steps)
        change = -inverse * (residual[slot] / inverse[slot])
        weights = fit.weights + system.spread * system.slopes(change)
        moved = Fit(**(vars(fit) | {"weights": weights}))
        estimate = system.products(weights)[slot] / factor[slot]
        value, scale = fit.equations.value[slot], fit.equations.scale[slot]
        found.append(
            {
                "objective_gained": float(residual[slot] ** 2 / (2.0 * inverse[slot])),
                "dispersion": now,
                "dispersion_without": dispersion(moved),
                "rel_error_without": float((estimate - value) / scale),
                "residual": left,
            }
        )
    return found


@dataclass(frozen=True)
class _System:
    """K = I + A S A' by its products."""

    fit: Fit
    factor: np.ndarray
    """float64 (p,): from the target's unit to A's."""
    spread: np.ndarray
    """float64 (J,): the diagonal of S."""

    def slopes(self, values: np.ndarray) -> np.ndarray:
        """Return A'v, float64 (J,)."""
        slopes = np.zeros(len(self.spread))
        for block in row_blocks(self.fit.matrix):
            _add_slopes(
                block.first, block.indptr, block.indices, block.data, self.fit.equations.slot,
                self.factor * values, slopes,
            )  # fmt: skip
        return slopes

    def products(self, weights: np.ndarray) -> np.ndarray:
        """Return A w, float64 (p,)."""
        sums = np.zeros(len(self.factor))
        for block in row_blocks(self.fit.matrix):
            _add_products(
                block.first, block.indptr, block.indices, block.data, self.fit.equations.slot,
                weights, sums,
            )  # fmt: skip
        return self.factor * sums

    def diagonal(self) -> np.ndarray:
        """Return about the diagonal of K, as if sums had one row each, float64 (p,)."""
        sums = np.zeros(len(self.factor))
        for block in row_blocks(self.fit.matrix):
            _add_squares(
                block.first, block.indptr, block.indices, block.data, self.fit.equations.slot,
                self.spread, sums,
            )  # fmt: skip
        return 1.0 + self.factor * self.factor * sums

    def solve(self, slot: int, diagonal: np.ndarray, steps: int) -> tuple[np.ndarray, float]:
        """Return K^-1 e (float64 (p,)) of one equation, and the relative residual left."""
        solution = np.zeros(len(self.factor))
        residual = np.zeros(len(self.factor))
        residual[slot] = 1.0
        scaled = residual / diagonal
        direction = scaled.copy()
        size = float(np.sum(residual * scaled))
        for _ in range(steps):
            image = direction + self.products(self.spread * self.slopes(direction))
            step = size / float(np.sum(direction * image))
            solution += step * direction
            residual -= step * image
            if np.linalg.norm(residual) <= SMALL_RESIDUAL:
                break
            scaled = residual / diagonal
            new = float(np.sum(residual * scaled))
            direction = scaled + direction * (new / size)
            size = new
        return solution, float(np.linalg.norm(residual))


@numba.njit
def _add_slopes(first, indptr, indices, data, slot, values, slopes):
    for local in range(len(indptr) - 1):
        target = slot[first + local]
        if target < 0 or values[target] == 0.0:
            continue
        for k in range(indptr[local], indptr[local + 1]):
            slopes[indices[k]] += data[k] * values[target]


@numba.njit
def _add_products(first, indptr, indices, data, slot, weights, sums):
    for local in range(len(indptr) - 1):
        target = slot[first + local]
        if target < 0:
            continue
        total = 0.0
        for k in range(indptr[local], indptr[local + 1]):
            total += data[k] * weights[indices[k]]
        sums[target] += total


@numba.njit
def _add_squares(first, indptr, indices, data, slot, spread, sums):
    for local in range(len(indptr) - 1):
        target = slot[first + local]
        if target < 0:
            continue
        total = 0.0
        for k in range(indptr[local], indptr[local + 1]):
            entry = np.float64(data[k])
            total += entry * entry * spread[indices[k]]
        sums[target] += total
