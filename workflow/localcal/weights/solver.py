"""From a problem to weights: the path of penalties, the draw of records, and softened targets.

1. Without a record budget: descend along a falling penalty with all records.
2. With one: fit all, draw exactly that many records with probability proportional to their
   importance, fit those again, and where they are few, swap records by price.
3. Targets that the fit of all records misses by more than twice `huber` contradict others or the
   bounds. Each then counts with Huber's weight min(1, huber / |error|), found anew in a few
   rounds, so that they pull the others away by no more than targets at `huber` would. Targets
   that are merely hard to meet stay as they are: with less weight they would be missed by more.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from localcal.jobs.progress import Progress
from localcal.weights.checkpoint import Checkpoint, Result
from localcal.weights.descent import Certificate, Position, Shuffler, Watch, descend
from localcal.weights.firm import firmed
from localcal.weights.newton import solve_newton
from localcal.weights.problem import Problem
from localcal.weights.rank import refuse_too_few
from localcal.weights.selection import Draw, district_shares, draw_records, exchange_records
from localcal.weights.settings import Settings

logger = logging.getLogger(__name__)

# Keeps this stage's random numbers apart from those of other stages with the same run seed.
SEED_STAGE = int.from_bytes(b"fit")

# (penalty, sweeps): a strong pull first, and the weights stay less dispersed at the same loss.
PREFIT_PATH = ((0.1, 5), (0.01, 10))
REFIT_PATH = ((0.03, 20), (0.003, 40))
PREFIT_SWEEPS = sum(sweeps for _, sweeps in PREFIT_PATH)

# Below this many records per target a single draw is too coarse, and records are swapped.
SWAP_BELOW_RECORDS_PER_TARGET = 5
SWAP_ROUNDS = 8
SWAP_SWEEPS = 60
# Share of the records exchanged in a round, halved whenever a round made things worse.
SWAP_SHARE = 0.15
SMALLEST_SWAP_SHARE = 0.02
# From this many records per target on, only a few targets lack the right ones: small rounds find
# them, large ones disturb all the others.
REPAIR_FROM_RECORDS_PER_TARGET = 2.5
REPAIR_SWEEPS = 30
REPAIR_SHARE = 0.01
SMALLEST_REPAIR_SHARE = 0.002
# Swapping ends with a round that lowers the objective by less than this share of it.
SMALLEST_SWAP_GAIN = 0.02

# Errors above this many times `huber` are not those of a target that is hard to meet.
CONTRADICTED_ABOVE = 2.0
HUBER_ROUNDS = 4
HUBER_SWEEPS = 40
# Rounds end when no Huber weight moves by more.
SMALLEST_HUBER_CHANGE = 0.01

# Few targets that many columns carry are what descent is slow at and Newton's method is for: up to
# so many, it goes on where the sweeps are used up.
FINISHED_BY_NEWTON = 1_000


@dataclass(frozen=True)
class Start:
    """Where the fit of all records begins, of what another fit says; n records."""

    dense_factor: np.ndarray
    """float64 (n,): weight in the fit of all records / scaled design weight."""


@dataclass(frozen=True)
class Prior(Start):
    """Where another fit of the same records, which kept as many, ended; n records."""

    probability: np.ndarray
    """float64 (n,): of being kept."""
    factor: np.ndarray
    """float64 (n,): weight * probability / scaled design weight; 0 for records not kept."""


@dataclass
class Fitted:
    """What the solver found; n records, p equations."""

    weights: np.ndarray
    """float64 (n,), 0 for records not kept."""
    dense: np.ndarray
    """float64 (n,): the fit of all records."""
    probability: np.ndarray
    """float64 (n,): of being kept; 1 where all are."""
    certificate: Certificate
    sweeps: int
    huber_weight: np.ndarray
    """float64 (p,): factor on each equation's weight, 1 unless softened."""
    huber_rounds: int
    penalty: float
    """Per target, as in the settings."""
    selection: dict | None = None
    """How the kept records were chosen; None if all were kept."""


def solve(
    problem: Problem,
    settings: Settings,
    penalty: float,
    seed: int,
    prior: Start | None = None,
    checkpoint: Checkpoint | None = None,
    chosen: np.ndarray | None = None,
) -> Fitted:
    """Fit the problem with all records, the chosen ones, or as many as the settings ask for.

    Softening changes `problem` in place. `penalty` is that of the settings, or what was chosen
    where they leave it open. `chosen` is bool (n,). From a `Prior` its selection is taken, too;
    any other `Start` only takes the place of the stages that lead to it, and records are drawn.

    Raises:
        InputError: fewer records than independent equations.
        ContradictionError: equations that must hold cannot.
    """
    words = np.random.SeedSequence([seed, SEED_STAGE]).generate_state(2, np.uint64)
    problem = firmed(problem, problem.pull(penalty))
    dual = np.zeros(len(problem.goal))
    solver = _Solver(problem, settings, penalty, Shuffler(int(words[0])), checkpoint, dual)
    rng = np.random.default_rng(int(words[1]))
    if chosen is not None and not chosen.all():
        return solver.fit_selected(rng, prior, chosen)
    if settings.records == "all" or settings.records == len(problem.base):
        return solver.fit_all(prior)
    refuse_too_few(problem, settings.records)
    return solver.fit_selected(rng, prior, None)


@dataclass
class _Solver:
    """What every step of one fit shares."""

    problem: Problem
    settings: Settings
    penalty: float
    shuffler: Shuffler
    checkpoint: Checkpoint | None
    dual: np.ndarray
    """float64 (p,): multipliers of the firm rows, as they were last."""

    def fit_all(self, prior: Start | None) -> Fitted:
        """Fit every record."""
        problem = self.problem
        weights = self._first(prior)
        path = _lighter(self._stages(prior, PREFIT_PATH + REFIT_PATH), self.penalty)
        certificate, sweeps = self.follow(problem, weights, path, "fit")
        contradicted = self._contradicted(problem, weights)
        certificate, made, huber, rounds = self.soften(problem, weights, contradicted, certificate)
        return Fitted(
            weights, weights, np.ones(len(weights)), certificate, sweeps + made, huber, rounds,
            self.penalty,
        )  # fmt: skip

    def _first(self, prior: Start | None) -> np.ndarray:
        """Return the weights that a fit of all records begins with, float64 (n,)."""
        problem = self.problem
        if prior is None:
            return problem.base.copy()
        return np.clip(problem.base * prior.dense_factor, problem.lower, problem.upper)

    @staticmethod
    def _stages(prior: Start | None, path: tuple) -> tuple:
        """Return the stages before the final penalty that a fit of all records needs.

        The end of the same records' fit needs none. Of other records one must do away with what no
        target asks for, the differences between households, which a weak pull takes hundreds of
        sweeps to; a stronger one would do away with the start as well.
        """
        if prior is None:
            return path
        return () if isinstance(prior, Prior) else PREFIT_PATH[-1:]

    def fit_selected(
        self, rng: np.random.Generator, prior: Start | None, chosen: np.ndarray | None
    ) -> Fitted:
        """Fit all records, take the chosen ones or draw as many as asked for, and fit those.

        A kept record stands for 1 / probability records, so its base weight and its bounds are
        the dense weight and the bounds on the design weight divided by that: the factor from the
        design weight to the final one stays inside the bounds, however many fits are made.
        """
        problem = self.problem
        if isinstance(prior, Prior):
            dense, prefit_sweeps = self._first(prior), 0
            draw = Draw(prior.probability, prior.factor > 0, 0)
        else:
            dense, prefit_sweeps, draw = self._prefit(rng, prior, chosen)
        contradicted = self._contradicted(problem, dense)
        problem = problem.with_base(
            dense / draw.probability,
            problem.lower / draw.probability,
            problem.upper / draw.probability,
        )
        if isinstance(prior, Prior):
            weights = self.problem.base * prior.factor / draw.probability
            certificate, sweeps = self._refine_kept(problem, weights, self.settings.max_sweeps)
            swaps = 0
        else:
            weights, certificate, sweeps, swaps = self._fit_drawn(problem, draw, chosen is None)
        kept = np.flatnonzero(weights)
        part, part_weights = problem.take(kept), weights[kept]
        certificate, made, huber, rounds = self.soften(
            part, part_weights, contradicted, certificate
        )
        weights[kept] = part_weights
        selection = {
            "prefit_sweeps": prefit_sweeps,
            "certain": int((draw.probability[draw.chosen] >= 1.0).sum()),
            "forced": draw.forced,
            "smallest_probability": float(draw.probability[kept].min()),
            "swaps_accepted": swaps,
        }
        sweeps += prefit_sweeps + made
        return Fitted(
            weights, dense, draw.probability, certificate, sweeps, huber, rounds, self.penalty,
            selection,
        )  # fmt: skip

    def _fit_drawn(
        self, problem: Problem, draw: Draw, may_swap: bool
    ) -> tuple[np.ndarray, Certificate, int, int]:
        """Fit the drawn records, and swap some if they are few and that is allowed.

        Returns weights (float64 (n,), 0 where not kept), their certificate, the sweeps made and
        the rounds of swaps that helped.
        """
        kept = np.flatnonzero(draw.chosen)
        part, part_weights = problem.take(kept), problem.base[kept]
        path = _lighter(REFIT_PATH, self.penalty)
        certificate, sweeps = self.follow(part, part_weights, path, "refit")
        weights = np.zeros(len(problem.base))
        weights[kept] = part_weights
        enough = SWAP_BELOW_RECORDS_PER_TARGET * len(problem.goal)
        records = self.settings.records
        if not may_swap or not isinstance(records, int) or records >= enough:
            return weights, certificate, sweeps, 0
        weights, certificate, made, accepted = self._swap(
            problem, weights, draw.probability < 1.0, certificate
        )
        return weights, certificate, sweeps + made, accepted

    def _prefit(
        self, rng: np.random.Generator, prior: Start | None, chosen: np.ndarray | None
    ) -> tuple[np.ndarray, int, Draw]:
        """Return the fit of all records (float64 (n,)), its sweeps and the draw."""
        problem, penalty = self.problem, self.penalty
        dense = self._first(prior)
        path = self._stages(prior, PREFIT_PATH)
        path = _lighter(path, penalty) or ((penalty, PREFIT_SWEEPS),)
        _, sweeps = self._descend(problem, dense, path, None, "prefit")
        if chosen is None:
            records = self.settings.records
            assert isinstance(records, int)  # or all would be fitted
            return dense, sweeps, draw_records(problem, dense, records, rng)
        share = district_shares(dense, problem.district, chosen)
        return dense, sweeps, Draw(share, chosen, forced=0)

    def follow(
        self, problem: Problem, weights: np.ndarray, path: tuple, label: str
    ) -> tuple[Certificate, int]:
        """Descend along `path`, then to the optimum at the final penalty, in place."""
        if self.settings.method == "newton":
            certificate = solve_newton(
                problem, weights, problem.pull(self.penalty), self.settings.tolerance, self.dual
            )
            return certificate, certificate.sweeps
        path = (*path, (self.penalty, self.settings.max_sweeps))
        found = self._descend(problem, weights, path, self.settings.tolerance, label)
        return self._finish(problem, weights, *found)

    def _finish(
        self, problem: Problem, weights: np.ndarray, certificate: Certificate, made: int
    ) -> tuple[Certificate, int]:
        """Go on by Newton's method where the sweeps were too few, and the targets are few, too.

        Returns the certificate and the sweeps made; a step counts as one.
        """
        if certificate.within_tolerance or len(problem.goal) > FINISHED_BY_NEWTON:
            return certificate, made
        found = solve_newton(
            problem, weights, problem.pull(self.penalty), self.settings.tolerance, self.dual
        )
        sweeps = certificate.sweeps + found.sweeps
        return replace(found, sweeps=sweeps, line_search_failed=False), made + found.sweeps

    def _descend(
        self,
        problem: Problem,
        weights: np.ndarray,
        path: tuple,
        tolerance: float | None,
        label: str,
    ) -> tuple[Certificate, int]:
        """Descend along a path of (penalty, sweeps), in place; the tolerance is for its last stage.

        Returns the certificate at the end and the sweeps made.
        """
        known = self.checkpoint and self.checkpoint.next_result()
        if known:
            # The shuffle's state comes with the position of the descent that was cut off.
            weights[:], self.dual[:] = known.weights, known.dual
            return known.certificate, known.sweeps
        progress = Progress(f"{label}: sweeps", sum(sweeps for _, sweeps in path))
        first, position = self.checkpoint.position() if self.checkpoint else (0, None)
        made = sum(sweeps for _, sweeps in path[:first])
        for stage in range(first, len(path)):
            last = stage == len(path) - 1
            penalty, most_sweeps = path[stage]
            certificate = descend(
                problem, weights, problem.pull(penalty), most_sweeps, self.shuffler,
                tolerance if last else None, Watch(progress, self._offer(stage), position),
                self.dual,
            )  # fmt: skip
            made += certificate.sweeps
            position = None
        if self.checkpoint:
            self.checkpoint.finish(Result(weights.copy(), certificate, made, self.dual.copy()))
        return certificate, made

    def _offer(self, stage: int) -> Callable[[Position], None] | None:
        """Return what a descent calls before each look at the gap; None without a checkpoint."""
        checkpoint = self.checkpoint
        if checkpoint is None:
            return None
        return lambda position: checkpoint.offer(stage, position)

    def _contradicted(self, problem: Problem, weights: np.ndarray) -> np.ndarray:
        """Return as bool (p,) which equations the fit of all records misses by far."""
        if self.settings.huber is None:
            return np.zeros(len(problem.goal), dtype=bool)
        limit = CONTRADICTED_ABOVE * self.settings.huber
        missed = np.abs(relative_errors(problem, weights)) > limit
        return missed & (problem.give > 0.0)

    def soften(
        self,
        problem: Problem,
        weights: np.ndarray,
        contradicted: np.ndarray,
        certificate: Certificate,
    ) -> tuple[Certificate, int, np.ndarray, int]:
        """Give the contradicted equations (bool (p,)) less weight, in place.

        Returns the certificate, the sweeps made, the Huber weights (float64 (p,)) and the rounds.
        """
        huber, made, rounds = np.ones(len(problem.goal)), 0, 0
        if not contradicted.any():
            return certificate, made, huber, rounds
        while rounds < HUBER_ROUNDS:
            size = np.abs(relative_errors(problem, weights))
            large = contradicted & (size > self.settings.huber)
            wanted = np.where(large, self.settings.huber / np.where(large, size, 1.0), 1.0)
            if np.abs(wanted - huber).max() <= SMALLEST_HUBER_CHANGE:
                break
            problem = problem.reweighted(wanted / huber)
            huber = wanted
            rounds += 1
            sweeps = self.settings.max_sweeps if rounds == HUBER_ROUNDS else HUBER_SWEEPS
            certificate, new = self._refine(problem, weights, sweeps, "softening")
            made += new
        if rounds < HUBER_ROUNDS and not certificate.within_tolerance:
            # The sweeps of a round need not do.
            certificate, new = self._refine(problem, weights, self.settings.max_sweeps, "softening")
            made += new
        return certificate, made, huber, rounds

    def _refine(
        self, problem: Problem, weights: np.ndarray, sweeps: int, label: str
    ) -> tuple[Certificate, int]:
        """Improve weights that are near the optimum at the final penalty, in place."""
        if self.settings.method == "newton":
            return self.follow(problem, weights, (), label)
        path = ((self.penalty, sweeps),)
        found = self._descend(problem, weights, path, self.settings.tolerance, label)
        # Fewer are a step on the way.
        is_last = sweeps == self.settings.max_sweeps
        return self._finish(problem, weights, *found) if is_last else found

    def _swap(
        self,
        problem: Problem,
        weights: np.ndarray,
        movable: np.ndarray,
        certificate: Certificate,
    ) -> tuple[np.ndarray, Certificate, int, int]:
        """Exchange weak records for ones the targets ask for, as long as it helps.

        A round that does not lower the objective is undone. Records outside `movable`
        (bool (n,)), i.e. those included for certain, stay. Returns new weights (float64 (n,), 0
        where not kept), their certificate, the sweeps made and the rounds that helped.
        """
        share, smallest, sweeps = SWAP_SHARE, SMALLEST_SWAP_SHARE, SWAP_SWEEPS
        records = self.settings.records
        assert isinstance(records, int)  # or none would be swapped
        if records >= REPAIR_FROM_RECORDS_PER_TARGET * len(problem.goal):
            share, smallest, sweeps = REPAIR_SHARE, SMALLEST_REPAIR_SHARE, REPAIR_SWEEPS
        made, accepted = 0, 0
        progress = Progress("swaps: rounds", SWAP_ROUNDS)
        for _ in range(SWAP_ROUNDS):
            trial = weights.copy()
            if share < smallest or not exchange_records(
                problem, trial, movable, problem.pull(self.penalty), share
            ):
                break
            trial_certificate, new = self._refine_kept(problem, trial, sweeps)
            made += new
            progress.advance()
            before, after = certificate.objective, trial_certificate.objective
            if after >= before:
                share /= 2.0
                continue
            weights, certificate = trial, trial_certificate
            accepted += 1
            if after > (1.0 - SMALLEST_SWAP_GAIN) * before:
                break
        if accepted and not certificate.within_tolerance:
            certificate, new = self._refine_kept(problem, weights, self.settings.max_sweeps)
            made += new
        return weights, certificate, made, accepted

    def _refine_kept(
        self, problem: Problem, weights: np.ndarray, sweeps: int
    ) -> tuple[Certificate, int]:
        """Improve the records that have a weight, in place."""
        kept = np.flatnonzero(weights)
        part = problem.take(kept)
        # Those of another fit may be outside the bounds.
        part_weights = np.clip(weights[kept], part.lower, part.upper)
        certificate, made = self._refine(part, part_weights, sweeps, "refit")
        weights[kept] = part_weights
        return certificate, made


def relative_errors(problem: Problem, weights: np.ndarray) -> np.ndarray:
    """Return (value - estimate) / scale of every equation, float64 (p,)."""
    return problem.residual(weights) / problem.root


def _lighter(path: tuple, penalty: float) -> tuple:
    """Return the stages of `path` that pull harder than the final penalty."""
    return tuple(stage for stage in path if stage[0] > penalty)
