"""A dual Newton method for few targets that many columns carry.

The objective is that of `localcal.weights.descent`. For a dual point r (m,) the best weights are

    w_i(r) = clip(base_i + base_i N / mu * a_i'r, lower_i, upper_i),

and the dual is maximal where F(r) = b - r - A w(r) = 0: piecewise linear, with the derivative
-(I + A S A'), S diagonal with base_i N / mu for the records strictly inside their bounds and 0
for the others (semismooth Newton, Qi & Sun 1993). The matrix I + A S A' is m x m and dense, hence
few targets; a step is halved until the dual grows (Armijo).
"""

import logging
from dataclasses import replace

import numba
import numpy as np
import scipy.linalg

from localcal.errors import InputError
from localcal.weights.descent import Certificate, certify
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
    problem: Problem, weights: np.ndarray, penalty: float, tolerance: float
) -> Certificate:
    """Bring `weights` (float64 (n,)) to the optimum, in place.

    Steps go on until the rms gap is a thousandth of `tolerance` or nothing more can be gained:
    the last ones are cheap, they converge quadratically.

    Raises:
        InputError: more targets than the method is for.
    """
    n_targets = len(problem.goal)
    if n_targets > MOST_TARGETS:
        raise InputError(
            f"weights.method: newton is for at most {MOST_TARGETS} targets, and there are "
            f"{n_targets}; use descent"
        )
    total = float(np.sum(problem.base))
    spread = problem.base * (total / penalty)
    dual = problem.residual(weights)
    value = _dual(problem, spread, dual)
    for step in range(1, MOST_STEPS + 1):
        weights[:] = _best_weights(problem, spread, dual)
        certificate = certify(problem, weights, penalty, step)
        if certificate.rms_gap <= 1e-3 * tolerance:
            break
        slope = problem.residual(weights) - dual
        free = (weights > problem.lower) & (weights < problem.upper)
        normal = np.eye(n_targets) + products(problem, np.where(free, spread, 0.0))
        factor = scipy.linalg.cho_factor(normal, overwrite_a=True)
        direction = scipy.linalg.cho_solve(factor, slope)
        gain, size = float(np.sum(slope * direction)), 1.0
        while size >= SMALLEST_STEP:
            trial = _dual(problem, spread, dual + size * direction)
            if trial >= value + SUFFICIENT * size * gain:
                break
            size /= 2.0
        if size < SMALLEST_STEP or gain <= SMALLEST_GAP * abs(value):
            break
        dual, value = dual + size * direction, trial
    within = certificate.rms_gap <= tolerance
    logger.info(
        "mu %g: %d Newton steps, objective %.6g, rms gap %.3g",
        penalty, certificate.sweeps, certificate.objective, certificate.rms_gap,
    )  # fmt: skip
    return replace(certificate, within_tolerance=within)


def _best_weights(problem: Problem, spread: np.ndarray, dual: np.ndarray) -> np.ndarray:
    return np.clip(problem.base + spread * problem.slopes(dual), problem.lower, problem.upper)


def _dual(problem: Problem, spread: np.ndarray, dual: np.ndarray) -> float:
    """Return D(r) = b'r - |r|^2 / 2 - sum_i max_x (x a_i'r - (x - base_i)^2 / (2 spread_i))."""
    best = _best_weights(problem, spread, dual)
    away = best - problem.base
    gain = best * problem.slopes(dual) - 0.5 * away * away / spread
    return float(np.sum(problem.goal * dual) - 0.5 * np.sum(dual * dual) - np.sum(gain))


def products(problem: Problem, spread: np.ndarray) -> np.ndarray:
    """Return A diag(spread) A', float64 (m, m)."""
    result = np.zeros((len(problem.goal),) * 2)
    _add_products(problem.indptr, problem.indices, problem.data, spread, result)
    return result


@numba.njit
def _add_products(indptr, indices, data, spread, normal):
    for i in range(len(spread)):
        if spread[i] == 0.0:
            continue
        for k in range(indptr[i], indptr[i + 1]):
            row, factor = indices[k], data[k] * spread[i]
            for other in range(indptr[i], indptr[i + 1]):
                normal[row, indices[other]] += factor * data[other]
