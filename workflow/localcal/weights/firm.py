"""Equations that must hold, and rows of mixed sign: multipliers beside the descent.

Coordinate descent is slow along a row much stiffer than the pull of the penalty: one whose losses
and gains nearly cancel, so that its errors, divided by the small net, are huge, or one that must be
met to rounding. Such firm rows are scaled down, and what they then lack in weight comes from
multipliers (the method of multipliers, Hestenes 1969, Powell 1969). With the row's residual r as it
is scaled, its cost is r^2 / (2 give) and the multiplier y of the optimum is r / give. The descent
sees

    r + (1 - give) y

in place of r, and every ten sweeps what it has come to is the new y. For give = 1 that is r, the
plain descent; for give = 0 it is the method for equality constraints, to which the others are a
proximal version. The dual point of the certificate holds y for firm rows, so that it stays a bound
whatever y is.

Multipliers come close, and no closer. Weights are then moved onto the firm rows, A w = b - give y,
by as little as can be, which is a problem in the space of these few rows: with multipliers z,

    w(z) = clip(w + base A'z, lower, upper),

found by Newton as in `localcal.weights.newton`. The rows that must hold are exact in the matrix's
own 32-bit entries, since they are only scaled by powers of two.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from localcal.errors import InputError
from localcal.weights.compiled import compiled
from localcal.weights.problem import Problem

# Where gains and losses that cancel come to more than so many times the value, a row is firm.
MIXED = 3.0
# How stiff the descent sees a firm row beside the penalty's pull: as stiff as it sees others.
STIFFNESS = 10.0
# The dense matrix takes 128 MB then.
MOST_FIRM = 4_000
# An exact equation's relative error in 64 bits, and what 32-bit weights leave of that.
HELD_WITHIN = 1e-9
EXACT_WITHIN = 1e-6

STEPS = 60
SUFFICIENT = 1e-4
SMALLEST_STEP = 2.0**-30
# Of the normal matrix's mean diagonal, so that rows which follow from others do no harm.
EASE = 1e-13
# Where no step along Newton's direction gains, this much more, up to that.
EASIER = 1e4
MOST_EASE = 1e4
# The same where it is asked which rows contradict each other.
ELASTIC = 1e-4


class ContradictionError(ValueError):
    """Equations that must hold cannot all hold within the bounds.

    Attributes:
        equations: int64, numbers of a small set that contradicts itself.
    """

    def __init__(self, equations: np.ndarray) -> None:
        super().__init__("exact equations contradict each other or the bounds")
        self.equations = equations


def firmed(problem: Problem, mu: float) -> Problem:
    """Return the problem with rows of mixed sign and exact ones scaled for the descent at `mu`.

    Scales are powers of two. The optimum is that of the problem before; A changes in place.
    """
    gains, losses, squares = _row_sums(
        problem.indptr, problem.indices, problem.data, problem.base, len(problem.goal)
    )
    is_mixed = 2.0 * np.minimum(gains, losses) > MIXED * problem.root
    firm = (problem.give < 1.0) | (is_mixed & (problem.give == 1.0))
    firm &= squares > 0.0
    if not firm.any() or firm.sum() > MOST_FIRM:
        return problem
    stiffness = np.where(firm, squares, 1.0) * (np.sum(problem.base) / mu)
    factor = np.where(firm, np.exp2(np.round(0.5 * np.log2(STIFFNESS / stiffness))), 1.0)
    give = problem.give * factor * factor
    # A row that is no stiffer than that is none of the firm ones.
    plain = firm & (give >= 1.0)
    factor = np.where(plain, 1.0 / np.sqrt(np.where(plain, problem.give, 1.0)), factor)
    return replace(problem.rescaled(factor), give=np.where(plain, 1.0, give))


@compiled
def _row_sums(indptr, indices, data, base, n_rows):
    gains, losses, squares = np.zeros(n_rows), np.zeros(n_rows), np.zeros(n_rows)
    for i in range(len(base)):
        for k in range(indptr[i], indptr[i + 1]):
            entry = np.float64(data[k])
            if entry > 0.0:
                gains[indices[k]] += entry * base[i]
            else:
                losses[indices[k]] -= entry * base[i]
            squares[indices[k]] += entry * entry * base[i]
    return gains, losses, squares


def refuse_contradictions(problem: Problem) -> None:
    """Make sure that weights within the bounds meet the equations that must hold.

    Raises:
        ContradictionError: none do.
    """
    exact = problem.give == 0.0
    if not exact.any():
        return
    if exact.sum() > MOST_FIRM:
        raise InputError(
            f"weights.groups: exact: {int(exact.sum())} targets, and at most {MOST_FIRM} can be "
            "exact; choose fewer"
        )
    part = problem.only(exact)
    if not _move(part, problem.base).is_met:
        raise ContradictionError(np.flatnonzero(exact)[_contradicting(part, problem.base)])


class Firm:
    """The firm rows of a problem, and their multipliers; p equations."""

    def __init__(self, problem: Problem, dual: np.ndarray) -> None:
        self.dual = dual
        """float64 (p,): multipliers of the firm rows, changed in place."""
        self.slack = 1.0 - problem.give
        self.rows = problem.give < 1.0
        self.part = problem.only(self.rows)

    def __bool__(self) -> bool:
        return bool(self.rows.any())

    def seen(self, residual: np.ndarray) -> np.ndarray:
        """Return what the descent sees of the residual b - A w."""
        return residual + self.slack * self.dual

    def learn(self, residual: np.ndarray) -> None:
        """Take what the descent has come to as the multipliers."""
        self.dual[self.rows] = self.seen(residual)[self.rows]

    def settle(self, weights: np.ndarray) -> np.ndarray:
        """Return the weights moved onto the firm rows, float64 (n,).

        Where the bounds do not let them, onto the exact ones alone.

        Raises:
            ContradictionError: these cannot hold either.
        """
        part, exact = self.part, self.part.give == 0.0
        wanted = part.goal - part.give * self.dual[self.rows]
        found = _move(replace(part, goal=wanted), weights)
        if found.is_met or not exact.any():
            return found.weights if found.is_met else weights
        part = part.only(exact)
        found = _move(part, weights)
        if not found.is_met:
            numbers = np.flatnonzero(self.rows)[exact]
            raise ContradictionError(numbers[_contradicting(part, weights)])
        return found.weights


@dataclass
class _Moved:
    weights: np.ndarray
    dual: np.ndarray
    is_met: bool


def _move(part: Problem, start: np.ndarray, elastic: float = 0.0) -> _Moved:
    """Bring `start` onto all equations of `part`, by as little as can be.

    With `elastic` above 0 they may be missed, at a cost: then there always is a solution.
    """
    dual = np.zeros(len(part.goal))
    size = float(np.mean(np.diag(part.products(part.base))))
    give = elastic * size

    def at(dual: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        slopes = part.slopes(dual)
        weights = np.clip(start + part.base * slopes, part.lower, part.upper)
        away = weights - start
        value = float(
            np.sum(part.goal * dual - 0.5 * give * dual * dual)
            - np.sum(weights * slopes - 0.5 * away * away / part.base)
        )  # fmt: skip
        return weights, part.residual(weights) - give * dual, value

    weights, miss, value = at(dual)
    ease = EASE
    for _ in range(STEPS):
        if np.abs(miss / part.root).max() <= 1e-3 * HELD_WITHIN:
            break
        free = (weights > part.lower) & (weights < part.upper)
        normal = part.products(np.where(free, part.base, 0.0))
        normal[np.diag_indices_from(normal)] += give + ease * size
        direction = scipy.linalg.cho_solve(scipy.linalg.cho_factor(normal), miss)
        gain, step = float(np.sum(miss * direction)), 1.0
        while step >= SMALLEST_STEP:
            trial = at(dual + step * direction)
            # In the end the dual's growth drowns in rounding, and what is missed tells more.
            closer = np.abs(trial[1] / part.root).max() <= 0.5 * np.abs(miss / part.root).max()
            if closer or trial[2] >= value + SUFFICIENT * step * gain:
                break
            step /= 2.0
        else:
            # Too few records are free to say where to go: more like the steepest ascent then.
            ease *= EASIER
            if ease > MOST_EASE:
                break
            continue
        ease = max(EASE, ease / EASIER)
        dual = dual + step * direction
        weights, miss, value = trial
    within = np.abs(part.residual(weights) / part.root).max() <= HELD_WITHIN
    return _Moved(weights, dual, bool(within))


def _contradicting(part: Problem, start: np.ndarray) -> np.ndarray:
    """Return the numbers of a small set of equations that cannot hold together, int64.

    By Farkas: multipliers y prove it if b'y is more than A w could come to, weighted by y. What the
    least squares miss is such a y; equations whose leaving out leaves a proof are left out.
    """
    proof = _move(part, start, ELASTIC).dual
    if not _proves(part, proof):
        return np.flatnonzero(proof)
    for row in np.argsort(np.abs(proof) * part.root, kind="stable"):
        without = proof.copy()
        without[row] = 0.0
        if _proves(part, without):
            proof = without
    return np.flatnonzero(proof)


def _proves(part: Problem, proof: np.ndarray) -> bool:
    slopes = part.slopes(proof)
    most = np.sum(np.where(slopes > 0.0, part.upper, part.lower) * slopes)
    return bool(np.sum(part.goal * proof) - most > HELD_WITHIN * np.sum(np.abs(proof) * part.root))
