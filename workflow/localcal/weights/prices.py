"""What each target costs, and what would be gained by not fitting it.

With the objective P of `localcal.weights.descent`, its residual r and its penalty mu, and the
dispersion of the weights

    V = 2 / N sum_i base_i G(w_i / base_i),   for least squares sum_i (w_i - base_i)^2 / (N base_i),

by about which a design effect is larger than that of the base weights, the rest of the optimal P
rises by |rho * huber_weight * error| per unit by which one target is met better (envelope theorem);
were it all for the weights and none for the other targets, V would rise by 2 / mu of that.

Without target j, and as long as the same weights are at their bounds, the residual becomes
r - K^-1 e_j r_j / (K^-1)_jj with K = I + A S A' as in `localcal.weights.newton`; P falls by
r_j^2 / (2 (K^-1)_jj). With another distance than least squares, whose S changes with the weights,
that is so to first order. Rows that must hold have 0 in place of the 1. K^-1 e_j comes from
conjugate gradients; cut off early, they say too much.
"""

from dataclasses import dataclass, replace

import numpy as np

from localcal.files.csr import CsrLike, row_ranges
from localcal.weights.distance import (
    LEAST_SQUARES,
    PLAIN,
    Distance,
    best_weights,
    distances,
    movements,
    pulls_of,
)
from localcal.weights.preparation import Equations
from localcal.weights.problem import Problem, Records, build_problem
from localcal.weights.rows import BLOCK_NONZEROS
from localcal.weights.trace import Trace
from localcal.weights.verdicts import AT_BOUND

PER_CENT = 0.01
DEAREST = 10
# Conjugate gradients end at this relative residual, or once all of them have looked at so many
# entries: some seconds.
SMALL_RESIDUAL = 1e-4
MOST_ENTRIES = 3_000_000_000
FEWEST_STEPS, MOST_STEPS = 3, 200


@dataclass(frozen=True)
class Solved:
    """A problem of kept columns at its optimum; n of them."""

    problem: Problem
    weights: np.ndarray
    """float64 (n,)."""
    is_free: np.ndarray
    """bool (n,): not at a bound."""
    penalty: float
    """mu of the objective."""

    @property
    def spread(self) -> np.ndarray:
        """The diagonal of S, float64 (n,)."""
        factor = float(np.sum(self.problem.base)) / self.penalty
        free = self.problem.base * factor
        if self.problem.distance.kind != LEAST_SQUARES:
            free = movements(self.problem, self.weights) * factor
        return np.where(self.is_free, free, 0.0)

    def moved(self, change: np.ndarray) -> np.ndarray:
        """Return the weights after a change of the residual (float64 (p,)), float64 (n,)."""
        problem, slopes = self.problem, self.problem.slopes(change)
        if problem.distance.kind == LEAST_SQUARES:
            return self.weights + self.spread * slopes
        factor = float(np.sum(problem.base)) / self.penalty
        found = best_weights(problem, pulls_of(problem, self.weights) + factor * slopes)
        return np.where(self.is_free, found, self.weights)


def solved(
    matrix: CsrLike,
    equations: Equations,
    huber_weight: np.ndarray,
    trace: Trace,
    is_selected: bool,
    bounds: tuple[float, ...],
    penalty: float,
    distance: Distance = PLAIN,
) -> Solved:
    """Return the last problem of a fit and its weights, from what the fit says of itself.

    Args:
        matrix: CSR (m x J).
        equations: p of them.
        huber_weight: float64 (p,).
        trace: how the weights came about.
        is_selected: whether records were drawn.
        bounds: smallest and largest factor on the base.
        penalty: mu of the objective.
        distance: that of the objective.
    """
    kept = np.flatnonzero(trace.factor > 0)
    root = np.sqrt(equations.rho * huber_weight)
    low, high = bounds
    factor = trace.factor[kept]
    base = kept_base(trace, is_selected)[kept]
    scaled = (trace.base / trace.probability)[kept]
    problem = build_problem(
        matrix,
        equations.slot,
        scale=root / equations.scale,
        goal=root * equations.value / equations.scale,
        root=root,
        records=Records(kept, base, np.zeros(len(kept), dtype=np.int32)),
        bounds=bounds,
        exact=equations.exact,
    )
    problem = problem.with_base(base, low * scaled, high * scaled)
    return Solved(
        replace(problem, distance=distance),
        (trace.base / trace.probability * trace.factor)[kept],
        (factor > low * (1 + AT_BOUND)) & (factor < high * (1 - AT_BOUND)),
        penalty,
    )


def kept_base(trace: Trace, is_selected: bool) -> np.ndarray:
    """Return what the penalty of the last fit pulled towards, float64 (J,).

    `is_selected` says whether records were drawn: then it is the fit of all records that it pulled
    towards.
    """
    base = trace.base / trace.probability
    return base * trace.dense_factor if is_selected else base


def dispersion(problem: Problem, weights: np.ndarray) -> float:
    """Return V."""
    if problem.distance.kind != LEAST_SQUARES:
        return 2.0 * float(np.sum(distances(problem, weights))) / float(np.sum(problem.base))
    away = weights - problem.base
    return float(np.sum(away * away / problem.base)) / float(np.sum(problem.base))


def costs(price: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what P, or V in its place, rises by per per cent by which a target is met better.

    Args:
        price: float64, change of the optimal P per relative change of the target.
        penalty: mu.
    """
    objective = PER_CENT * np.abs(price)
    return objective, objective * (2.0 / penalty)


def without(found: Solved, slots: np.ndarray) -> list[dict]:
    """Return what not fitting each of some equations, by number, would change.

    One JSON-ready row per equation: `objective_gained`, by how much P falls; `dispersion` and
    `dispersion_without`, V now and then; `rel_error_without`, its own relative error then; and
    `residual`, how far conjugate gradients came: relative, 0 for exact.
    """
    problem, spread = found.problem, found.spread
    residual = problem.residual(found.weights)
    entries = max(2 * len(problem.data) * len(slots), 1)
    steps = int(np.clip(MOST_ENTRIES // entries, FEWEST_STEPS, MOST_STEPS))
    now = dispersion(problem, found.weights)
    diagonal = problem.give + _squares(problem, spread)
    # Of an exact row without a column that could move.
    diagonal[diagonal == 0.0] = 1.0
    rows = []
    for slot in slots:
        inverse, left = _solve(problem, spread, int(slot), diagonal, steps)
        change = -inverse * (residual[slot] / inverse[slot])
        weights = found.moved(change)
        rows.append(
            {
                "objective_gained": float(residual[slot] ** 2 / (2.0 * inverse[slot])),
                "dispersion": now,
                "dispersion_without": dispersion(problem, weights),
                "rel_error_without": -float(problem.residual(weights)[slot] / problem.root[slot]),
                "residual": left,
            }
        )
    return rows


def _squares(problem: Problem, spread: np.ndarray) -> np.ndarray:
    """Return the diagonal of A S A', float64 (p,)."""
    squares = np.zeros(len(problem.goal))
    # In blocks, for numbers of 64 bits take twice the room of the entries.
    for first, last in row_ranges(problem.indptr, BLOCK_NONZEROS):
        part = slice(problem.indptr[first], problem.indptr[last])
        entries = problem.data[part].astype(np.float64)
        factor = np.repeat(spread[first:last], np.diff(problem.indptr[first : last + 1]))
        squares += np.bincount(problem.indices[part], entries * entries * factor, len(squares))
    return squares


def _solve(
    problem: Problem, spread: np.ndarray, slot: int, diagonal: np.ndarray, steps: int
) -> tuple[np.ndarray, float]:
    """Return K^-1 e (float64 (p,)) of one equation, and the relative residual left."""
    solution, residual = np.zeros((2, len(problem.goal)))
    residual[slot] = 1.0
    scaled = residual / diagonal
    direction = scaled.copy()
    size = float(np.sum(residual * scaled))
    for _ in range(steps):
        products = problem.goal - problem.residual(spread * problem.slopes(direction))
        image = problem.give * direction + products
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
