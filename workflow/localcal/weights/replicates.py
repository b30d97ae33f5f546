"""Replicate weights: what the fit would have been with other households in the survey.

Each replicate multiplies the base weights of all columns of a household by one number and is fitted
to the same targets, from the full fit's factors on. How much an estimate differs from replicate to
replicate is its sampling error, what the fit knows from the targets taken into account.

- bootstrap: the multipliers are exponential with mean 1, drawn by household; their variance of 1 is
  that of how often a household is drawn with replacement, and none is 0, so that no target loses
  the few who carry it (Rubin 1981; Beaumont & Patak 2012, International Statistical Review 80).
- jackknife: households are dealt into as many groups as there are replicates; each leaves one group
  out, and the others count G / (G - 1) times.

The variance of an estimate is `variance_factor` times the sum over the replicates of its squared
differences from the full fit's estimate: 1 / K, and (K - 1) / K. The targets count as known: their
own errors are not in it.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.files.csr import CsrLike
from localcal.jobs.progress import Progress
from localcal.weights.columns import Columns
from localcal.weights.descent import Certificate
from localcal.weights.firm import ContradictionError
from localcal.weights.preparation import make_problem, prepare
from localcal.weights.prices import kept_base
from localcal.weights.problem import Problem
from localcal.weights.settings import Settings
from localcal.weights.solver import Prior, solve
from localcal.weights.trace import Trace

logger = logging.getLogger(__name__)

BOOTSTRAP, JACKKNIFE = "bootstrap", "jackknife"

# Keeps this stage's random numbers apart from those of other stages with the same run seed.
SEED_STAGE = int.from_bytes(b"replicates"[:8])
# A draw may be so small that a weight has no inverse.
SMALLEST_MULTIPLIER = 1e-9


@dataclass(frozen=True)
class FullFit:
    """What replicates take over from the full fit; J columns, p equations."""

    trace: Trace
    huber_weight: np.ndarray
    """float64 (p,)."""
    penalty: float
    """mu of its objective."""
    is_selected: bool
    """Whether records were drawn, so that it was pulled towards the fit of all of them."""


@dataclass(frozen=True)
class Replicate:
    """One replicate of a fit; n columns are kept."""

    weights: np.ndarray
    """float32 (n,), households."""
    certificate: Certificate


@dataclass(frozen=True)
class Replication:
    """A fit that can be repeated with other base weights; n columns are kept."""

    problem: Problem
    """Of the kept columns, at the full fit's base and Huber weights."""
    columns: np.ndarray
    """int64 (n,): where each is in the matrix, in the problem's order."""
    household: np.ndarray
    """int32 (n,)."""
    factor: np.ndarray
    """float64 (n,): the full fit's weight / base."""
    penalty: float
    settings: Settings
    seed: int
    n_columns: int
    """Of the matrix."""
    n_households: int
    """Numbers of households there are, of all columns."""


def variance_factor(method: str, replicates: int) -> float:
    """Return what the sum of squared differences is multiplied by."""
    return (replicates - 1) / replicates if method == JACKKNIFE else 1 / replicates


def pose_replication(
    matrix: CsrLike,
    targets: pd.DataFrame,
    columns: Columns,
    settings: Settings,
    seed: int,
    full: FullFit,
) -> Replication:
    """Return what all replicates of a fit have in common.

    Args:
        matrix, targets, columns, settings, seed: those of the fit.
        full: what it came to.

    Raises:
        InputError: the settings ask for no replicates, or too few households are kept for them.
    """
    prepared = prepare(matrix, targets, columns, settings, seed)
    problem = make_problem(matrix, prepared, columns, settings)
    trace, records = full.trace, prepared.records
    kept = np.flatnonzero(trace.factor[records] > 0)
    _refuse_few(columns.household[records[kept]], settings)
    if len(kept) < len(records):
        problem = problem.take(kept)
    records = records[kept]
    base = kept_base(trace, full.is_selected)[records]
    low, high = settings.bounds
    scaled = trace.base[records] / trace.probability[records]
    problem = problem.with_base(base, low * scaled, high * scaled).reweighted(full.huber_weight)
    return Replication(
        problem=problem,
        columns=records,
        household=columns.household[records],
        factor=scaled * trace.factor[records] / base,
        penalty=full.penalty,
        settings=settings,
        seed=seed,
        n_columns=matrix.shape[1],
        n_households=int(columns.household.max()) + 1,
    )


def _refuse_few(household: np.ndarray, settings: Settings) -> None:
    count = len(np.unique(household))
    wanted = settings.replicates
    if wanted < 2:
        raise InputError(f"weights.replicates: {wanted} give no error; ask for at least 2")
    if count < 2:
        raise InputError(
            "weights.replicates: the weights are those of one household, which has no sampling "
            "error; keep more records, or set replicates to 0"
        )
    if settings.replicate_method == JACKKNIFE and count < wanted:
        raise InputError(
            f"weights.replicates: {wanted} groups for a jackknife of {count} households leave one "
            f"empty; ask for at most {count}, or for replicate_method: bootstrap"
        )


def multipliers(
    method: str, number: int, replicates: int, seed: int, household: np.ndarray, n_households: int
) -> np.ndarray:
    """Return what one replicate multiplies each column's base weight by, float64 (n,).

    It is the household's alone. A bootstrap's are the same in every scope, whichever columns are
    kept; groups of a jackknife are dealt to the households that are, so that none is empty.

    Args:
        method: bootstrap or jackknife.
        number: of the replicate, from 0.
        replicates: how many there are.
        seed: the run's.
        household: int (n,), each column's household.
        n_households: numbers of households there are.
    """
    if method == BOOTSTRAP:
        rng = np.random.default_rng([seed, SEED_STAGE, number])
        drawn = np.maximum(rng.standard_exponential(n_households), SMALLEST_MULTIPLIER)
        return (drawn / np.mean(drawn))[household]
    rng = np.random.default_rng([seed, SEED_STAGE])
    numbers = np.unique(household)
    rank = np.empty(n_households, dtype=np.int64)
    rank[numbers] = np.argsort(np.argsort(rng.random(n_households)[numbers], kind="stable"))
    stays = rank[household] % replicates != number
    return np.where(stays, replicates / (replicates - 1), 0.0)


def replicate_weights(replication: Replication) -> Iterator[Replicate]:
    """Yield the replicates of a fit, one after the other."""
    settings = replication.settings
    progress = Progress("replicates", settings.replicates)
    for number in range(settings.replicates):
        yield _fit_again(replication, number)
        progress.advance()


def _fit_again(replication: Replication, number: int) -> Replicate:
    settings, problem = replication.settings, replication.problem
    multiplier = multipliers(
        settings.replicate_method, number, settings.replicates, replication.seed,
        replication.household, replication.n_households,
    )  # fmt: skip
    stays = np.flatnonzero(multiplier > 0.0)
    if len(stays) < len(multiplier):
        problem = problem.take(stays)
    multiplier = multiplier[stays]
    multiplier = multiplier * _base_factor(problem, problem.base * multiplier)
    factor = replication.factor[stays]
    # A solver may scale entries in place.
    problem = replace(
        problem,
        data=problem.data.copy(),
        base=problem.base * multiplier,
        lower=problem.lower * multiplier,
        upper=problem.upper * multiplier,
    )
    start = Prior(dense_factor=factor, probability=np.ones(len(factor)), factor=factor)
    alone = settings.model_copy(update={"records": "all", "huber": None})
    penalty = replication.penalty / len(problem.goal)
    try:
        fitted = solve(problem, alone, penalty, _seed(replication.seed, number), start)
    except ContradictionError as error:
        raise InputError(
            f"weights.replicates: the households of replicate {number + 1} cannot meet "
            f"{len(error.equations)} of the exact targets at once; take exact from some, widen the "
            "bounds, or set replicates to 0"
        ) from error
    found = np.zeros(len(replication.columns), dtype=np.float32)
    found[stays] = fitted.weights
    return Replicate(found, fitted.certificate)


def _seed(seed: int, number: int) -> int:
    """Return a seed of one replicate's own."""
    words = np.random.SeedSequence([seed, SEED_STAGE, number]).generate_state(1, np.uint64)
    return int(words[0])


def _base_factor(problem: Problem, base: np.ndarray) -> float:
    """Return the factor that makes the median value / estimate of the equations 1, as for a fit."""
    estimate = problem.goal - problem.residual(base)
    usable = problem.goal * estimate > 0
    return float(np.median(problem.goal[usable] / estimate[usable])) if usable.any() else 1.0
