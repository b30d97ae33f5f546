"""A dual Newton method for few targets that many columns carry.

The objective is that of `localcal.weights.descent`. For a dual point r (m,) the best weights are

    w_i(r) = clip(base_i F(N / mu * a_i'r), lower_i, upper_i),

with F(u) = 1 + u, or that of another distance (`localcal.weights.distance`), and the dual is
maximal where b - G r - A w(r) = 0, G diagonal with 1 for most targets and less for firm rows
(`localcal.weights.firm`). The derivative is -(G + A S A'), S diagonal with base_i F' N / mu for the
records strictly inside their bounds and 0 for the others (semismooth Newton, Qi & Sun 1993; where
all rows must hold, the iteration of Deville & Särndal 1992). The matrix G + A S A' is m x m and
dense, hence few targets; a step is halved until the dual grows (Armijo).
"""

import logging
from dataclasses import replace

import numpy as np
import scipy.linalg

from localcal.errors import InputError
from localcal.weights.descent import Certificate, certify
from localcal.weights.distance import LEAST_SQUARES, best_weights, distances, movements
from localcal.weights.firm import EASE, EASIER, HELD_WITHIN, MOST_EASE, Firm
from localcal.weights.problem import Problem

logger = logging.getLogger(__name__)

# The dense matrix takes 128 MB then, and a step some seconds.
MOST_TARGETS = 4_000
MOST_STEPS = 100
# Of the step's predicted gain, this share must be reached.
SUFFICIENT = 1e-4
SMALLEST_STEP = 2.0**-30
# Relative gap at which rounding has the last word.
SMALLEST_GAP = 1e-13


def solve_newton(
    problem: Problem,
    weights: np.ndarray,
    penalty: float,
    tolerance: float,
    dual: np.ndarray | None = None,
) -> Certificate:
    """Bring `weights` (float64 (n,)) to the optimum, in place.

    They are never worse in the end than in the beginning. `dual` is as in `descend`.

    Steps go on until the rms gap is a thousandth of `tolerance` or nothing more can be gained:
    the last ones are cheap, they converge quadratically.

    Raises:
        InputError: more targets than the method is for.
        ContradictionError: equations that must hold cannot.
    """
    n_targets = len(problem.goal)
    dual = np.zeros(n_targets) if dual is None else dual
    if n_targets > MOST_TARGETS:
        raise InputError(
            f"weights.method: newton is for at most {MOST_TARGETS} targets, and there are "
            f"{n_targets}; use descent"
        )
    start, before = weights.copy(), certify(problem, weights, penalty)
    spread = problem.base * (float(np.sum(problem.base)) / penalty)
    firm = Firm(problem, dual)
    point = np.where(firm.rows, dual, problem.residual(weights))
    value, is_stuck = _dual(problem, spread, point), False
    if problem.distance.kind != LEAST_SQUARES:
        # A residual far from the optimum's would be an enormous exponent.
        nothing = np.where(firm.rows, dual, 0.0)
        if (other := _dual(problem, spread, nothing)) > value:
            point, value = nothing, other
    # Firm rows have little of their own on the diagonal.
    size = float(np.mean(np.diag(problem.products(spread)))) if firm else 0.0
    ease = EASE
    for step in range(1, MOST_STEPS + 1):
        weights[:] = _best_weights(problem, spread, point)
        dual[:] = point
        certificate = certify(problem, weights, penalty, step, dual)
        slope = problem.residual(weights) - problem.give * point
        # Equations that must hold count apart: the gap knows nothing of them.
        missed = np.abs(slope / problem.root).max(initial=0.0, where=problem.give == 0.0)
        if certificate.rms_gap <= 1e-3 * tolerance and missed <= HELD_WITHIN:
            break
        normal = problem.products(_spread_at(problem, spread, weights))
        diagonal = np.diag_indices_from(normal)
        normal[diagonal] += problem.give + ease * size
        factor = scipy.linalg.cho_factor(normal, overwrite_a=True)
        direction = scipy.linalg.cho_solve(factor, slope)
        gain, length = float(np.sum(slope * direction)), 1.0
        while length >= SMALLEST_STEP:
            trial = _dual(problem, spread, point + length * direction)
            if trial >= value + SUFFICIENT * length * gain:
                break
            length /= 2.0
        if length < SMALLEST_STEP and firm and ease < MOST_EASE:
            ease *= EASIER
            continue
        is_stuck = length < SMALLEST_STEP and gain > SMALLEST_GAP * abs(value)
        if length < SMALLEST_STEP or gain <= SMALLEST_GAP * abs(value):
            break
        ease = max(EASE, ease / EASIER)
        point, value = point + length * direction, trial
    if firm:
        weights[:] = firm.settle(weights)
        certificate = certify(problem, weights, penalty, certificate.sweeps, dual)
    within = certificate.rms_gap <= tolerance
    if certificate.objective > before.objective and not (problem.give == 0.0).any():
        weights[:] = start
        certificate = replace(before, sweeps=certificate.sweeps)
    logger.info(
        "mu %g: %d Newton steps, objective %.6g, rms gap %.3g",
        penalty, certificate.sweeps, certificate.objective, certificate.rms_gap,
    )  # fmt: skip
    return replace(certificate, within_tolerance=within, line_search_failed=is_stuck and not within)


def _best_weights(problem: Problem, spread: np.ndarray, dual: np.ndarray) -> np.ndarray:
    slopes = problem.slopes(dual)
    if problem.distance.kind != LEAST_SQUARES:
        return best_weights(problem, slopes * (spread / problem.base))
    return np.clip(problem.base + spread * slopes, problem.lower, problem.upper)


def _spread_at(problem: Problem, spread: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the diagonal of S, float64 (n,)."""
    if problem.distance.kind != LEAST_SQUARES:
        return movements(problem, weights) * (spread / problem.base)
    free = (weights > problem.lower) & (weights < problem.upper)
    return np.where(free, spread, 0.0)


def _dual(problem: Problem, spread: np.ndarray, dual: np.ndarray) -> float:
    """Return D(r) = b'r - r'G r / 2 - sum_i max_x (x a_i'r - mu / N base_i G(x / base_i))."""
    best = _best_weights(problem, spread, dual)
    away = best - problem.base
    own = 0.5 * away * away / spread
    if problem.distance.kind != LEAST_SQUARES:
        own = distances(problem, best) * (problem.base / spread)
    gain = best * problem.slopes(dual) - own
    return float(
        np.sum(problem.goal * dual) - 0.5 * np.sum(problem.give * dual * dual) - np.sum(gain)
    )
