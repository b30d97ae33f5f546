"""How hard the weights are pulled towards the design weights, by what the fit was not told.

Whole targets are dealt into folds. For each fold the other targets are fitted along a grid of
penalties, the largest first, each begun where the last one ended, and the fold's targets are
estimated: their error falls as long as a weaker pull teaches the weights something about the
population, and rises once it teaches them the other targets' noise. Chosen is the largest penalty
whose error is within one standard error of the smallest (Breiman, Friedman, Olshen & Stone 1984,
section 3.4.3): the least dispersed weights of those that cannot be told from the best. The standard
error is that of the difference, target by target: what makes a target hard to estimate at any
penalty says nothing about which to choose. Every target counts alike, whatever its weight in the
fit: of a few large weights one could not tell the standard error.

All folds, and the fit of all targets beside them, are lanes of one descent: a record's entries are
read once for all of them, and six lanes take a bit more than twice the time of one. A sweep is that
of `localcal.weights.descent`, but for the length |a_i|^2, which is that of all targets in every
lane: steps are a little shorter than they could be, and end at the same optimum. No target pulls
with more than `huber`, or the path would be that of targets which contradict each other, and which
the fit softens.

A target that others add up to, as districts do to their state, is not unknown when it is left out:
the error is that of the targets which are published, not of those nobody has published.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from localcal.jobs.progress import Progress
from localcal.weights.compiled import compiled
from localcal.weights.descent import Shuffler, segment_starts
from localcal.weights.diagnostics import effective_size
from localcal.weights.distance import LEAST_SQUARES, best_weight, plain_weight
from localcal.weights.folds import deal
from localcal.weights.problem import Problem
from localcal.weights.settings import Settings

logger = logging.getLogger(__name__)

# Keeps this stage's random numbers apart from those of other stages with the same run seed.
SEED_STAGE = int.from_bytes(b"pull")

FOLDS = 5
LANES = FOLDS + 1
ALL_TARGETS = FOLDS
# Two penalties to a decade: from weights that hardly move to targets met as far as they can be.
GRID = tuple(float(f"{10.0 ** (1 - step / 2):.2g}") for step in range(13))
# Firm rows are softened for a penalty on the way, and exact ones are as soft here; so is a fit of
# fewer targets than folds.
MIDDLE = 0.01
# With 20 the same penalties were chosen.
SWEEPS = 5
# The path ends when the error has not been the smallest for so many penalties.
BEYOND_BEST = 3
# A target that is missed by more says that it was missed, and not how well others are known.
LARGEST_ERROR = 1.0


@dataclass(frozen=True)
class Step:
    """What one penalty comes to."""

    penalty: float
    error_fitted: float
    """Mean absolute relative error of all targets in the fit of all, each at most 1."""
    error_held_out: float
    """The same of targets in the fit of the other folds."""
    standard_error: float
    """Of the difference between error_held_out and the smallest one, over the targets."""
    design_effect: float
    """Kish's, of the weights in the fit of all targets."""


def choose_penalty(
    problem: Problem, identity: np.ndarray, settings: Settings, seed: int
) -> tuple[float, list[dict]]:
    """Return the penalty to fit with, and how it was chosen: rows of `Step`, none if it was given
    or there are fewer targets than folds.

    Args:
        problem: all records, all fitted equations, firm rows scaled for MIDDLE.
        identity: uint64 (p,), see `localcal.weights.folds`.
        settings: see `Settings`.
        seed: the run's.
    """
    if settings.penalty != "auto":
        return float(settings.penalty), []
    free = problem.give > 0.0
    n_equations = int(free.sum())
    if n_equations < FOLDS:
        # So few say nothing about each other.
        logger.warning(
            "penalty: %g, since only %d targets are fitted and not exact: too few to choose one by",
            MIDDLE,
            n_equations,
        )
        return MIDDLE, []
    fold = np.full(len(free), ALL_TARGETS)
    fold[free] = deal(identity[free], seed, FOLDS)
    path = penalty_path(problem, fold, settings.huber, seed)
    chosen = choose(path)
    logger.info("penalty: %g, of %d tried", chosen, len(path))
    return chosen, [asdict(step) for step in path]


def choose(path: Sequence[Step]) -> float:
    """Return the largest penalty within one standard error of the smallest held-out error."""
    best = min(step.error_held_out for step in path)
    return max(step.penalty for step in path if step.error_held_out - step.standard_error <= best)


def penalty_path(problem: Problem, fold: np.ndarray, huber: float | None, seed: int) -> list[Step]:
    """Fit every fold's complement along the grid.

    `fold` is int64 (p,), ALL_TARGETS for those that are never left out.

    Weights take 8 * LANES bytes a record, residuals as much an equation.
    """
    lanes = _Lanes(problem, fold, huber, seed)
    progress = Progress("penalty: steps", len(GRID))
    found: list[_Found] = []
    for penalty in GRID:
        lanes.descend(penalty)
        found.append(lanes.look())
        progress.advance()
        best = int(np.argmin([np.mean(one.held_out) for one in found]))
        if len(found) - 1 - best >= BEYOND_BEST:
            break
    least = found[best].held_out
    return [
        Step(
            penalty=penalty,
            error_fitted=float(np.mean(one.fitted)),
            error_held_out=float(np.mean(one.held_out)),
            standard_error=float(np.std(one.held_out - least, ddof=1) / np.sqrt(len(least))),
            design_effect=one.design_effect,
        )
        for penalty, one in zip(GRID, found, strict=False)
    ]


@dataclass(frozen=True)
class _Found:
    """What the lanes came to at one penalty."""

    fitted: np.ndarray
    """float64 (p,): absolute relative error of each equation in the fit of all."""
    held_out: np.ndarray
    """float64: that of each equation which is left out in a fold, in that fold's fit."""
    design_effect: float


class _Lanes:
    """The fits of all folds' complements, and of all targets, side by side."""

    def __init__(self, problem: Problem, fold: np.ndarray, huber: float | None, seed: int) -> None:
        self.problem, self.fold = problem, fold
        self.weights = np.repeat(problem.base[:, None], LANES, axis=1)
        self.live = np.ones((len(fold), LANES))
        self.left_out = np.flatnonzero(fold != ALL_TARGETS)
        self.live[self.left_out, fold[self.left_out]] = 0.0
        self.limit = (np.inf if huber is None else huber) * problem.root
        self.limit[problem.give < 1.0] = np.inf
        word = np.random.SeedSequence([seed, SEED_STAGE]).generate_state(1, np.uint64)[0]
        self.shuffler = Shuffler(int(word))
        self.order = np.arange(len(problem.base), dtype=np.int32)
        self.starts = segment_starts(problem.district)

    def descend(self, penalty: float) -> None:
        """Make SWEEPS sweeps at one penalty."""
        problem = self.problem
        residual = self._residual() * self.live
        ridge = penalty * np.sum(self.live, axis=0) / float(np.sum(problem.base))
        for _ in range(SWEEPS):
            self.shuffler.shuffle(self.order, self.starts)
            _sweep_lanes(
                problem.distance, self.order, self.starts, problem.indptr, problem.indices,
                problem.data, problem.squared_norm, problem.base, problem.lower, problem.upper,
                ridge, self.live, self.limit, self.weights, residual,
            )  # fmt: skip

    def look(self) -> _Found:
        """Say how far the weights are from targets they were fitted to, and from the others."""
        error = np.abs(self._residual() / self.problem.root[:, None])
        error = np.minimum(error, LARGEST_ERROR)
        total = self.weights[:, ALL_TARGETS]
        return _Found(
            fitted=error[:, ALL_TARGETS],
            held_out=error[self.left_out, self.fold[self.left_out]],
            design_effect=len(total) / effective_size(total),
        )

    def _residual(self) -> np.ndarray:
        """Return b - A w of every lane, float64 (p, LANES)."""
        problem = self.problem
        residual = np.repeat(problem.goal[:, None], LANES, axis=1)
        _subtract_products(problem.indptr, problem.indices, problem.data, self.weights, residual)
        return residual


@compiled
def _subtract_products(indptr, indices, data, weights, residual):
    for i in range(len(weights)):
        for k in range(indptr[i], indptr[i + 1]):
            row, entry = np.uint64(indices[k]), np.float64(data[k])
            for lane in range(LANES):
                residual[row, lane] -= entry * weights[i, lane]


@compiled
def _sweep_lanes(  # noqa: PLR0913 - a compiled kernel takes arrays
    distance, order, starts, indptr, indices, data, squared_norm, base, lower, upper, ridge, live,
    limit, weights, residual,
):  # fmt: skip
    touched = 0.0
    step = np.zeros(LANES)
    for segment in range(len(starts) - 1):
        first, last = starts[segment], starts[segment + 1]
        # As in a sweep of one lane, a look at every cache line before they are visited at random.
        for k in range(indptr[first], indptr[last], 16):
            touched += indices[k] + data[k]
        for i in order[first:last]:
            step[:] = 0.0
            for k in range(indptr[i], indptr[i + 1]):
                # Unsigned, or every access would look whether it counts from the end.
                row, entry = np.uint64(indices[k]), np.float64(data[k])
                most = limit[row]
                for lane in range(LANES):
                    step[lane] += entry * min(max(residual[row, lane], -most), most)
            for lane in range(LANES):
                old = weights[i, lane]
                if distance.kind == LEAST_SQUARES:
                    new = plain_weight(
                        old, step[lane], squared_norm[i], ridge[lane], base[i], lower[i], upper[i]
                    )
                else:
                    new = best_weight(
                        distance, old, step[lane], squared_norm[i], ridge[lane], base[i],
                        lower[i], upper[i],
                    )  # fmt: skip
                step[lane] = new - old
                weights[i, lane] = new
            for k in range(indptr[i], indptr[i + 1]):
                row, entry = np.uint64(indices[k]), np.float64(data[k])
                for lane in range(LANES):
                    residual[row, lane] -= entry * step[lane] * live[row, lane]
    return touched
