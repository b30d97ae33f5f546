"""Bounded coordinate descent for calibration weights, with a certificate of how far it came.

For n records and m targets, with A = diag(sqrt(rho) / s) X, b = sqrt(rho) t / s, scales s (|t|, or
a floor where t = 0) and N = sum(base), the weights minimise

    P(w) = 1/2 |b - A w|^2 + mu / N * sum_i base_i G(w_i / base_i),   lower <= w <= upper,

where base G(w / base) is (w - base)^2 / (2 base), or another distance of
`localcal.weights.distance`.

mu, called `penalty` here, is the setting of that name times m, so that P / m is half of

    mean over targets of rho (relative error)^2 + setting * mean over households of 2 G(w / base)

however many targets there are.

One coordinate at a time is solved: in closed form for least squares, by a few steps of Newton for
other distances. With the residual r = b - A w itself as the dual
point, the duality gap is a sum of one term per record, none of them negative:

    P - D = sum_i max_x g_i(x) - g_i(w_i),   g_i(x) = x a_i'r - mu / N base_i G(x / base_i).

Sums run in one fixed order on one thread, without fastmath, and the shuffle is integer
arithmetic only: the same inputs give the same bytes on any machine.
"""

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from localcal.jobs.progress import Progress
from localcal.weights.compiled import compiled
from localcal.weights.distance import (
    LEAST_SQUARES,
    best_weight,
    distance_at,
    factor_at,
    plain_weight,
)
from localcal.weights.firm import Firm
from localcal.weights.problem import Problem

logger = logging.getLogger(__name__)

SWEEPS_BETWEEN_CHECKS = 10


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


@compiled
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
    """How good weights are, by the penalised objective at one mu."""

    penalty: float
    """mu."""
    sweeps: int
    """Sweeps made at this penalty."""
    objective: float
    """P(w)."""
    gap: float
    """P(w) - D: no weights within the bounds are better by more than this."""
    rms_gap: float
    """sqrt(2 gap / m): bound on the root mean square, weighted by rho, by which the relative errors
    still differ from the optimum's."""
    within_tolerance: bool
    line_search_failed: bool = False
    """A method with steps found none that leads on."""


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
    dual: np.ndarray
    """float64 (m,): multipliers of the firm rows."""


@dataclass(frozen=True)
class Watch:
    """Who follows a descent, and where it goes on from."""

    progress: Progress | None = None
    """Told of every sweep."""
    offer: Callable[[Position], None] | None = None
    """Told the position before each stretch of sweeps."""
    resume: Position | None = None
    """A position that was offered: the descent goes on as if it had never stopped."""


UNWATCHED = Watch()


def certify(
    problem: Problem,
    weights: np.ndarray,
    penalty: float,
    sweeps: int = 0,
    dual: np.ndarray | None = None,
) -> Certificate:
    """Return the objective of `weights` and a bound on its distance to the optimum.

    `dual` has the multipliers of the firm rows, float64 (m,); those that must hold are taken to.
    """
    residual = problem.residual(weights)
    point, cost, apart = residual, residual * residual, 0.0
    if dual is not None and (firm := problem.give < 1.0).any():
        point = np.where(firm, dual, residual)
        give = np.where(problem.give > 0.0, problem.give, np.inf)
        cost = cost / give
        apart = 0.5 * float(np.sum((residual - problem.give * point) ** 2 / give))
    pull_term, gap = _pull_and_gap(
        problem.distance, problem.indptr, problem.indices, problem.data, problem.base,
        problem.lower, problem.upper, penalty / float(np.sum(problem.base)), weights, point,
    )  # fmt: skip
    gap += apart
    objective = 0.5 * float(np.sum(cost)) + pull_term
    # Rounding may leave the gap a hair below zero.
    rms_gap = float(np.sqrt(2.0 * max(gap, 0.0) / len(problem.goal)))
    return Certificate(penalty, sweeps, objective, gap, rms_gap, within_tolerance=False)


@compiled
def _pull_and_gap(  # noqa: PLR0913 - a compiled kernel takes arrays
    distance, indptr, indices, data, base, lower, upper, ridge, weights, residual
):
    pull_term = 0.0
    gap = 0.0
    for i in range(len(weights)):
        slope = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            slope += data[k] * residual[indices[k]]
        if distance.kind != LEAST_SQUARES:
            u, factor = slope / ridge, weights[i] / base[i]
            best, _ = factor_at(distance, u)
            best = min(max(best, lower[i] / base[i]), upper[i] / base[i])
            cost = distance_at(distance, factor)
            pull_term += ridge * base[i] * cost
            more = cost - distance_at(distance, best)
            gap += ridge * base[i] * ((best - factor) * u + more)
            continue
        pull = ridge / base[i]
        away = weights[i] - base[i]
        best = min(max(base[i] + slope / pull, lower[i]), upper[i])
        pull_term += 0.5 * pull * away * away
        middle = 0.5 * (best - base[i] + away)
        gap += (best - weights[i]) * (slope - pull * middle)
    return pull_term, gap


def descend(
    problem: Problem,
    weights: np.ndarray,
    penalty: float,
    sweeps: int,
    shuffler: Shuffler,
    tolerance: float | None = None,
    watch: Watch = UNWATCHED,
    dual: np.ndarray | None = None,
) -> Certificate:
    """Improve `weights` (float64 (n,), within bounds) in place by at most `sweeps` sweeps.

    With a `tolerance`, the rms gap is looked at every ten sweeps and ends the descent once it is
    no larger. Residuals are computed anew at each look, so that rounding cannot pile up.

    `dual`, float64 (m,), has the multipliers of firm rows to begin with, and in the end those
    found; the weights then hold on these rows if there is a tolerance.

    Raises:
        ContradictionError: equations that must hold cannot.
    """
    firm = Firm(problem, np.zeros(len(problem.goal)) if dual is None else dual)
    order = np.arange(len(weights), dtype=np.int32)
    starts = segment_starts(problem.district)
    done = 0
    if (known := watch.resume) is not None:
        weights[:], order[:], shuffler.state[:] = known.weights, known.order, known.shuffle
        firm.dual[:] = known.dual
        done = known.done
    certificate = None
    while certificate is None or done < sweeps:
        if watch.offer is not None:
            watch.offer(Position(done, weights, order, shuffler.state, firm.dual))
        residual = firm.seen(problem.residual(weights))
        count = sweeps - done
        if tolerance is not None or firm:
            count = min(count, SWEEPS_BETWEEN_CHECKS)
        for _ in range(count):
            shuffler.shuffle(order, starts)
            _sweep(order, starts, problem, penalty, weights, residual)
            if watch.progress is not None:
                watch.progress.advance()
        done += count
        on_rows = weights
        if firm:
            firm.learn(problem.residual(weights))
            on_rows = firm.settle(weights) if tolerance is not None else weights
        certificate = certify(problem, on_rows, penalty, done, firm.dual)
        if tolerance is not None and certificate.rms_gap <= tolerance:
            certificate = dataclasses.replace(certificate, within_tolerance=True)
            break
    weights[:] = on_rows
    logger.info(
        "mu %g: %d sweeps, objective %.6g, rms gap %.3g",
        penalty, done, certificate.objective, certificate.rms_gap,
    )  # fmt: skip
    return certificate


def segment_starts(district: np.ndarray) -> np.ndarray:
    """Return where each district's records begin, and where the last one's end, int64."""
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
    # Unsigned, or every access would look whether it counts from the end.
    indptr, indices = problem.indptr.view(np.uint64), problem.indices.view(np.uint32)
    _sweep_records(
        problem.distance, order, starts, indptr, indices, problem.data, problem.squared_norm,
        problem.base, problem.lower, problem.upper, penalty / float(np.sum(problem.base)), weights,
        residual,
    )  # fmt: skip


@compiled
def _sweep_records(  # noqa: PLR0913 - a compiled kernel takes arrays
    distance, order, starts, indptr, indices, data, squared_norm, base, lower, upper, ridge,
    weights, residual,
):  # fmt: skip
    touched = 0.0
    for segment in range(len(starts) - 1):
        first, last = starts[segment], starts[segment + 1]
        # A look at every cache line, in storage order, before the records are visited at random:
        # memory streams faster than it answers one by one. Measured: less than half the time.
        for k in range(indptr[first], indptr[last], np.uint64(16)):
            touched += indices[k] + data[k]
        for i in order[first:last]:
            slope = 0.0
            for k in range(indptr[i], indptr[i + 1]):
                slope += data[k] * residual[indices[k]]
            old = weights[i]
            if distance.kind == LEAST_SQUARES:
                new = plain_weight(old, slope, squared_norm[i], ridge, base[i], lower[i], upper[i])
            else:
                new = best_weight(
                    distance, old, slope, squared_norm[i], ridge, base[i], lower[i], upper[i]
                )
            step = new - old
            if step != 0.0:
                weights[i] = new
                for k in range(indptr[i], indptr[i + 1]):
                    residual[indices[k]] -= data[k] * step
    return touched
