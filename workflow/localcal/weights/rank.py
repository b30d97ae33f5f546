"""How many of the fitted targets are independent of each other."""

import logging

import numpy as np
from scipy.linalg import lapack

from localcal.errors import InputError
from localcal.weights.newton import MOST_TARGETS
from localcal.weights.problem import Problem

logger = logging.getLogger(__name__)

# Rows scaled to length 1 are independent if more than this is left of a row's square.
INDEPENDENT = 1e-8


def refuse_too_few(problem: Problem, records: int) -> None:
    """Refuse fewer records than independent equations: in general no weights meet them all.

    A basic solution of as many equations as the matrix has rank needs that many records. Rows
    that follow from others, as harmonized levels do, do not count, except where there are more
    than MOST_TARGETS: to find them would take longer than the fit.
    """
    n_equations = len(problem.goal)
    if records >= n_equations:
        return
    is_counted = n_equations <= MOST_TARGETS
    rank = count_independent(problem) if is_counted else n_equations
    if records < rank:
        raise InputError(
            f"weights.records: {records} asked for, but there are {rank} "
            f"{'independent' if is_counted else 'fitted'} targets, which take at least as many "
            f"records; ask for {rank} or more, for 'all', or fit fewer targets"
        )
    logger.warning(
        "weights.records: %d records for %d fitted targets, %d of them independent; so few can "
        "rarely meet them all", records, n_equations, rank,
    )  # fmt: skip


def count_independent(problem: Problem) -> int:
    """Return the numerical rank of A, by Cholesky with pivoting of A A' (LAPACK's dpstrf)."""
    gram = problem.products(np.ones(len(problem.base)))
    length = np.sqrt(np.diag(gram))
    gram /= length[:, None] * length
    _, _, rank, _ = lapack.dpstrf(gram, tol=INDEPENDENT)
    return int(rank)
