"""Fit weights to targets: which targets, from which start, with which records.

1. The levels are made to agree (`localcal.harmonize`).
2. Design weights are scaled by one factor, so that the median target / estimate is 1.
3. Targets that no weights within the bounds can reach, that too few columns carry, or that are
   zero, are left out and listed.
4. Bounded coordinate descent (`localcal.descent`) along a falling penalty, targets weighted by
   the size of their group.
5. With a record budget: fit all, draw exactly that many records with probability proportional
   to their importance, fit those again, and where they are few, swap records by price.
"""

import io
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from localcal import diagnostics
from localcal.descent import (
    Certificate,
    Problem,
    RowSummary,
    Shuffler,
    build_problem,
    count_households,
    descend,
    summarize_rows,
)
from localcal.diagnostics import Columns
from localcal.errors import InputError
from localcal.files import atomic_path, sha256_file, write_json
from localcal.harmonize import LEVELS, Harmonized, harmonize
from localcal.progress import Progress

logger = logging.getLogger(__name__)

# Keeps this stage's random numbers apart from those of other stages with the same run seed.
SEED_STAGE = int.from_bytes(b"fit")

METHODS = ("descent", "l0")

GROUP = ["geo_level", "variable", "domain_variable"]
# A target's weight by the size of its group. Roots and quotients are exact to the last bit on
# every processor; powers are not.
GROUP_WEIGHTS = {
    "sqrt": lambda size: 1.0 / np.sqrt(size),
    "equal": np.ones_like,
    "group": lambda size: 1.0 / size,
}

# (penalty, sweeps): a strong pull first, and the weights stay less dispersed at the same loss.
PREFIT_PATH = ((100.0, 5), (10.0, 10))
REFIT_PATH = ((30.0, 20), (3.0, 40))
PREFIT_SWEEPS = sum(sweeps for _, sweeps in PREFIT_PATH)

# Half the inclusion probability by weight (little dispersion), half by influence on the targets.
INFLUENCE_SHARE = 0.5
# A target that can expect fewer sampled columns gets its most important ones for certain ...
EXPECTED_COLUMNS = 5.0
# ... up to this share of the budget: more, and too few records are left for all the others.
FORCED_SHARE = 0.05
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


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one scope is fitted; refused with InputError where a value makes no sense."""

    method: str = "descent"
    """How records are chosen: descent = see the module, l0 = by l0-python, then refitted."""
    levels: tuple[str, ...] = LEVELS
    """Geographic levels whose targets are fitted."""
    records: int | None = None
    """Columns that keep a weight; None = all."""
    bounds: tuple[float, float] = (0.1, 10.0)
    """Smallest and largest weight as factors on the scaled design weight."""
    penalty: float = 1.0
    """Final strength mu of the pull towards the design weights."""
    group_weight: str = "sqrt"
    """Weight of a target by the size n of its group: sqrt = 1/sqrt(n), equal = 1, group = 1/n."""
    harmonize: bool = True
    """Make the levels agree before fitting."""
    minimum_columns: int = 5
    """Targets carried by fewer columns are left out."""
    minimum_households: int = 5
    """Targets carried by fewer distinct households are left out."""
    max_sweeps: int = 150
    """Sweeps at the final penalty, at most."""
    tolerance: float = 0.0025
    """rms gap at which the fit ends."""
    l0: dict | None = None
    """Settings of l0-python, only to be reported; None for other methods."""

    @classmethod
    def from_config(cls, config: Mapping) -> "Settings":
        """Read a `weights.<scope>` section of the config.

        Raises:
            InputError: an unknown key, or a value that makes no sense.
        """
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(config) - known)
        if unknown:
            raise InputError(
                f"weights.{unknown[0]}: unknown key; known are {', '.join(sorted(known))}"
            )
        values = dict(config)
        for key in ("levels", "bounds"):
            if key in values:
                values[key] = tuple(values[key])
        if values.get("records") == "all":
            values["records"] = None
        if values.get("method", cls.method) != "l0":
            values.pop("l0", None)
        return cls(**values)

    def __post_init__(self) -> None:
        unknown = [level for level in self.levels if level not in LEVELS]
        if unknown or not self.levels or len(set(self.levels)) < len(self.levels):
            raise InputError(
                f"weights.levels: {list(self.levels)} must name each fitted level once, out of "
                f"{', '.join(LEVELS)}"
            )
        if self.method not in METHODS:
            raise InputError(
                f"weights.method: {self.method!r} is not known; choose one of {', '.join(METHODS)}"
            )
        if self.method == "l0" and self.records is not None:
            raise InputError(
                f"weights.records: {self.records} with method: l0; l0-python cannot be asked for "
                "a number of records: set 'all', and l0.lambda_l0 higher to keep fewer"
            )
        if self.group_weight not in GROUP_WEIGHTS:
            raise InputError(
                f"weights.group_weight: {self.group_weight!r} is not known; choose one of "
                f"{', '.join(GROUP_WEIGHTS)}"
            )
        if len(self.bounds) != 2 or not 0 < self.bounds[0] <= 1 <= self.bounds[1] < math.inf:
            raise InputError(
                f"weights.bounds: {list(self.bounds)} must be two factors above zero around 1, "
                "or the design weight itself is excluded; the usual ones are [0.1, 10]"
            )
        self._check_least("records", 1, allow_none=True)
        self._check_least("minimum_columns", 1)
        self._check_least("minimum_households", 1)
        self._check_least("max_sweeps", 1)
        for key in ("penalty", "tolerance"):
            if not 0 < getattr(self, key) < math.inf:
                raise InputError(f"weights.{key}: {getattr(self, key)} must be above zero")

    def _check_least(self, key: str, least: int, allow_none: bool = False) -> None:
        value = getattr(self, key)
        if allow_none and value is None:
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(
                f"weights.{key}: {value!r} must be a whole number of at least {least}"
                + (" or 'all'" if allow_none else "")
            )


@dataclass(frozen=True)
class FitResult:
    """Weights and everything there is to say about them."""

    weights: np.ndarray
    """float32 (J,), households each column stands for; 0 for columns not kept."""
    report: dict
    """Content of fit.json."""
    diagnostics: pd.DataFrame
    """Content of diagnostics.csv, see `diagnostics.target_table`."""


@dataclass(frozen=True)
class _Preparation:
    """What is decided before the descent; m targets, J columns, n records, p fitted targets."""

    harmonized: Harmonized
    start_factor: float
    """Scaled design weight / design weight."""
    start: np.ndarray
    """float64 (J,): scaled design weights."""
    summary: RowSummary
    """Each target's sums under `start`."""
    households: np.ndarray
    """int64 (m,): distinct households that contribute to each target."""
    target_state: np.ndarray
    """str (m,): FITTED or the reason for being left out."""
    rho: np.ndarray
    """float64 (m,), NaN where not fitted."""
    records: np.ndarray
    """int64 (n,): columns with a design weight, sorted by district."""


@dataclass
class _Fitted:
    """What the descent found; n records."""

    weights: np.ndarray
    """float64 (n,), 0 for records not kept."""
    dense: np.ndarray
    """float64 (n,): the fit of all records."""
    probability: np.ndarray
    """float64 (n,): of being kept; 1 where all are."""
    certificate: Certificate
    sweeps: int
    selection: dict | None = None
    """How the kept records were chosen; None if all were kept."""


@dataclass
class _Draw:
    """A subset of records with what a design-based refit needs; n records."""

    probability: np.ndarray
    """float64 (n,): inclusion probability, above zero; sums to the number drawn."""
    chosen: np.ndarray
    """bool (n,)."""
    forced: int
    """Records included for certain for the sake of a target with few columns."""


def fit_weights(
    matrix,
    targets: pd.DataFrame,
    design_weight: np.ndarray,
    household: np.ndarray,
    state: np.ndarray,
    district: np.ndarray,
    settings: Settings,
    seed: int,
    support: np.ndarray | None = None,
) -> FitResult:
    """Fit one weight per column to the targets.

    Args:
        matrix: CSR (m x J), float32; its arrays may be memory maps.
        targets: targets.parquet, m rows in the order of the matrix.
        design_weight: float64 (J,), households; columns with 0 keep weight 0.
        household: int32 (J,), number of the column's household.
        state: int32 (J,), FIPS.
        district: int32 (J,), state * 100 + district.
        settings: see `Settings`.
        seed: the run's seed; the same inputs and seed give the same bytes.
        support: columns to keep and no others, bool (J,) or column numbers; None = as `settings`
            say. The probability of a kept record is then its district's share of kept weight.

    Raises:
        InputError: nothing that could be fitted, or input that contradicts itself.
    """
    columns = _columns(design_weight, household, state, district)
    _check_input(matrix, targets, columns, settings)
    if support is not None:
        support = _checked_support(support, columns, settings)
    prepared = _prepare(matrix, targets, columns, settings)
    problem = _build_problem(matrix, prepared, columns, settings)
    chosen = None if support is None else support[prepared.records]
    fitted = _descend(problem, settings, seed, chosen)
    return _finish(matrix, targets, columns, settings, seed, prepared, fitted)


def pose_problem(
    matrix,
    targets: pd.DataFrame,
    design_weight: np.ndarray,
    household: np.ndarray,
    state: np.ndarray,
    district: np.ndarray,
    settings: Settings,
) -> tuple[Problem, np.ndarray]:
    """Return the problem that `fit_weights` solves, and its records' columns (int64 (n,)).

    The arguments are those of `fit_weights`; it raises the same errors.
    """
    columns = _columns(design_weight, household, state, district)
    _check_input(matrix, targets, columns, settings)
    prepared = _prepare(matrix, targets, columns, settings)
    return _build_problem(matrix, prepared, columns, settings), prepared.records


def _columns(
    design_weight: np.ndarray, household: np.ndarray, state: np.ndarray, district: np.ndarray
) -> Columns:
    return Columns(
        np.asarray(design_weight, dtype=np.float64),
        np.asarray(household, dtype=np.int32),
        np.asarray(state, dtype=np.int32),
        np.asarray(district, dtype=np.int32),
    )


def _checked_support(support: np.ndarray, columns: Columns, settings: Settings) -> np.ndarray:
    """Return a support as bool (J,)."""
    n_columns = len(columns.design_weight)
    support = np.asarray(support)
    if support.dtype != bool:
        if support.ndim != 1 or (
            len(support) and not 0 <= support.min() <= support.max() < n_columns
        ):
            raise InputError(
                f"support: column numbers must be within 0..{n_columns - 1}; both must come from "
                "the same run"
            )
        numbers, support = support, np.zeros(n_columns, dtype=bool)
        support[numbers] = True
    if support.shape != (n_columns,):
        raise InputError(
            f"support: it has shape {support.shape} but the matrix has {n_columns} columns; both "
            "must come from the same run"
        )
    if not support.any() or (columns.design_weight[support] == 0.0).any():
        raise InputError(
            "support: it must hold at least one column, and none without design weight"
        )
    if settings.records not in (None, int(support.sum())):
        raise InputError(
            f"weights.records: {settings.records} asked for, but the support holds "
            f"{int(support.sum())} columns; ask for 'all'"
        )
    return support


def write_fit(
    result: FitResult,
    origins: Mapping[str, object],
    fit_path: Path,
    diagnostics_path: Path,
    weights_path: Path,
) -> None:
    """Write the report, the diagnostics and the weights.

    The weights are renamed last, because area files depend on them; the report holds their
    digest and those of what they were fitted to.

    Args:
        result: of `fit_weights`.
        origins: what the matrix was made from, by name.
        fit_path, diagnostics_path, weights_path: the files to write.
    """
    with atomic_path(weights_path) as part:
        # Through memory: NumPy's own writer does not say when the disk is full.
        content = io.BytesIO()
        np.save(content, result.weights)
        part.write_bytes(content.getvalue())
        digests = {**origins, "weights": sha256_file(part)}
        write_json(fit_path, result.report | {"digests": digests})
        with atomic_path(diagnostics_path) as table:
            result.diagnostics.to_csv(table, index=False)


def _check_input(matrix, targets: pd.DataFrame, columns: Columns, settings: Settings) -> None:
    n_rows, n_columns = matrix.shape
    if len(targets) != n_rows:
        raise InputError(
            f"matrix: it has {n_rows} rows but there are {len(targets)} targets; both must come "
            "from the same run, rebuild the matrix"
        )
    for name, values in vars(columns).items():
        if values.shape != (n_columns,):
            raise InputError(
                f"{name}: it has shape {values.shape} but the matrix has {n_columns} columns; "
                "both must come from the same run, rebuild the matrix"
            )
    weight = columns.design_weight
    if not np.isfinite(weight).all() or (weight < 0).any() or not (weight > 0).any():
        raise InputError(
            "design_weight: weights must be finite, none negative and some positive; "
            "rebuild the geography"
        )
    if columns.household.min() < 0:
        raise InputError("household: a number is negative; rebuild the geography")
    bad = targets.loc[~np.isfinite(targets["value"].to_numpy(np.float64)), "name"]
    if len(bad):
        raise InputError(
            f"target {bad.iloc[0]}: its value is not a finite number ({len(bad)} such targets); "
            "correct the target database or exclude it"
        )
    available = int(np.count_nonzero(weight))
    if settings.records is not None and settings.records > available:
        raise InputError(
            f"weights.records: {settings.records} asked for, but only {available} columns have a "
            "design weight; ask for fewer or for 'all'"
        )


def _prepare(matrix, targets: pd.DataFrame, columns: Columns, settings: Settings) -> _Preparation:
    """Settle the values, the start and which targets are fitted."""
    harmonized = harmonize(targets, settings.levels, columns.state, columns.district)
    if not settings.harmonize:
        harmonized = harmonized.undone()
    summary = summarize_rows(matrix, columns.design_weight, check=True)
    households = count_households(matrix, columns.design_weight, columns.household)
    target_state = _supported(targets, harmonized.values, summary, households, settings)
    _refuse_negative(targets, harmonized.values, summary, target_state)
    factor = _start_factor(harmonized.values, summary.estimate, target_state)
    summary = _scale_summary(summary, factor)
    target_state = _reachable(target_state, harmonized.values, summary, settings)
    fitted = target_state == diagnostics.FITTED
    if not fitted.any():
        raise InputError(
            f"targets: none left to fit ({_count_text(target_state)}); look at the levels, the "
            "bounds and minimum_columns, or give targets the population can carry"
        )
    logger.info("targets: %s; start factor %.4g", _count_text(target_state), factor)
    records = np.flatnonzero(columns.design_weight > 0)
    return _Preparation(
        harmonized=harmonized,
        start_factor=factor,
        start=columns.design_weight * factor,
        summary=summary,
        households=households,
        target_state=target_state,
        rho=_group_weights(targets, fitted, settings.group_weight),
        records=records[np.argsort(columns.district[records], kind="stable")],
    )


def _supported(
    targets: pd.DataFrame,
    value: np.ndarray,
    summary: RowSummary,
    households: np.ndarray,
    settings: Settings,
) -> np.ndarray:
    """Return each target's state as far as it does not depend on the size of the weights."""
    wanted = targets["geo_level"].isin(settings.levels).to_numpy()
    if wanted.any() and not summary.columns[wanted].any():
        raise InputError(
            f"matrix: no entry in any row of the levels {', '.join(settings.levels)}; check that "
            "matrix and targets belong together"
        )
    thin = (summary.columns < settings.minimum_columns) | (households < settings.minimum_households)
    return np.select(
        [~wanted, value == 0.0, summary.columns == 0, thin],
        [diagnostics.NOT_FITTED, diagnostics.ZERO, diagnostics.NO_SUPPORT, diagnostics.THIN],
        diagnostics.FITTED,
    )


def _refuse_negative(
    targets: pd.DataFrame, value: np.ndarray, summary: RowSummary, target_state: np.ndarray
) -> None:
    wrong = (target_state == diagnostics.FITTED) & (value < 0) & (summary.negative == 0.0)
    if wrong.any():
        raise InputError(
            f"target {targets['name'].to_numpy()[wrong][0]}: its value is negative but no column "
            f"contributes a negative amount ({int(wrong.sum())} such targets); correct the target "
            "database or exclude it"
        )


def _start_factor(value: np.ndarray, estimate: np.ndarray, target_state: np.ndarray) -> float:
    """Return the factor on the design weights that makes the median value / estimate 1."""
    usable = (target_state == diagnostics.FITTED) & (value * estimate > 0)
    return float(np.median(value[usable] / estimate[usable])) if usable.any() else 1.0


def _scale_summary(summary: RowSummary, factor: float) -> RowSummary:
    return RowSummary(
        positive=summary.positive * factor,
        negative=summary.negative * factor,
        square=summary.square * factor**2,
        largest=summary.largest * factor,
        columns=summary.columns,
    )


def _reachable(
    target_state: np.ndarray, value: np.ndarray, summary: RowSummary, settings: Settings
) -> np.ndarray:
    """Mark targets outside everything that weights within the bounds can add up to."""
    low, high = settings.bounds
    smallest = low * summary.positive + high * summary.negative
    largest = high * summary.positive + low * summary.negative
    outside = (value < smallest) | (value > largest)
    return np.where(
        (target_state == diagnostics.FITTED) & outside, diagnostics.UNREACHABLE, target_state
    )


def _group_weights(targets: pd.DataFrame, fitted: np.ndarray, rule: str) -> np.ndarray:
    """Return rho (m,), mean 1 over the fitted targets, NaN for others."""
    rho = np.full(len(targets), np.nan)
    rows = targets.loc[fitted, GROUP]
    size = rows.groupby(GROUP, dropna=False)[GROUP[0]].transform("size").to_numpy(np.float64)
    weight = GROUP_WEIGHTS[rule](size)
    rho[fitted] = weight / np.mean(weight)
    return rho


def _count_states(target_state: np.ndarray) -> dict[str, int]:
    names, counts = np.unique(target_state, return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _count_text(target_state: np.ndarray) -> str:
    return ", ".join(f"{count} {name}" for name, count in _count_states(target_state).items())


def _build_problem(matrix, prepared: _Preparation, columns: Columns, settings: Settings) -> Problem:
    fitted = np.flatnonzero(prepared.target_state == diagnostics.FITTED)
    slot = np.full(matrix.shape[0], -1, dtype=np.int64)
    slot[fitted] = np.arange(len(fitted))
    value, root = prepared.harmonized.values[fitted], np.sqrt(prepared.rho[fitted])
    return build_problem(
        matrix,
        slot,
        scale=root / np.abs(value),
        goal=root * np.sign(value),
        records=prepared.records,
        base=prepared.start[prepared.records],
        bounds=settings.bounds,
        district=columns.district[prepared.records],
    )


def _descend(
    problem: Problem, settings: Settings, seed: int, chosen: np.ndarray | None = None
) -> _Fitted:
    """Fit the problem with all records, with the chosen ones (bool (n,)), or with as many as the
    settings ask for."""
    words = np.random.SeedSequence([seed, SEED_STAGE]).generate_state(2, np.uint64)
    shuffler = Shuffler(int(words[0]))
    rng = np.random.default_rng(int(words[1]))
    if chosen is not None and not chosen.all():
        return _fit_selected(problem, settings, shuffler, rng, chosen)
    if settings.records is None or settings.records == len(problem.base):
        path = _lighter(PREFIT_PATH + REFIT_PATH, settings.penalty)
        weights = problem.base.copy()
        certificate, sweeps = _follow(problem, weights, path, settings, shuffler, "fit")
        return _Fitted(weights, weights, np.ones(len(weights)), certificate, sweeps)
    return _fit_selected(problem, settings, shuffler, rng)


def _lighter(path: tuple, penalty: float) -> tuple:
    """Return the stages of `path` that pull harder than the final penalty."""
    return tuple(stage for stage in path if stage[0] > penalty)


def _follow(
    problem: Problem,
    weights: np.ndarray,
    path: tuple,
    settings: Settings,
    shuffler: Shuffler,
    label: str,
) -> tuple[Certificate, int]:
    """Descend along `path`, then at the final penalty until the tolerance or the cap."""
    total = sum(sweeps for _, sweeps in path)
    progress = Progress(f"{label}: sweeps", total + settings.max_sweeps)
    for penalty, sweeps in path:
        descend(problem, weights, penalty, sweeps, shuffler, progress=progress)
    certificate = descend(
        problem, weights, settings.penalty, settings.max_sweeps, shuffler, settings.tolerance,
        progress,
    )  # fmt: skip
    return certificate, total + certificate.sweeps


def _fit_selected(
    problem: Problem,
    settings: Settings,
    shuffler: Shuffler,
    rng: np.random.Generator,
    chosen: np.ndarray | None = None,
) -> _Fitted:
    """Fit all records, take the chosen ones or draw `settings.records` of them, and fit those.

    A kept record stands for 1 / probability records, so its base weight and its bounds are the
    dense weight and the bounds on the design weight divided by that: the factor from the design
    weight to the final one stays inside the bounds, however many fits are made.
    """
    count = settings.records if chosen is None else int(chosen.sum())
    if count < len(problem.goal):
        logger.warning(
            "weights.records: %d records for %d fitted targets; fewer records than targets can "
            "rarely meet them all", count, len(problem.goal),
        )  # fmt: skip
    dense = problem.base.copy()
    prefit = _lighter(PREFIT_PATH, settings.penalty) or ((settings.penalty, PREFIT_SWEEPS),)
    progress = Progress("prefit: sweeps", sum(sweeps for _, sweeps in prefit))
    for penalty, sweeps in prefit:
        descend(problem, dense, penalty, sweeps, shuffler, progress=progress)
    if chosen is None:
        draw = draw_records(problem, dense, count, rng)
    else:
        draw = _Draw(district_shares(dense, problem.district, chosen), chosen, forced=0)
    problem = problem.with_base(
        dense / draw.probability,
        problem.lower / draw.probability,
        problem.upper / draw.probability,
    )
    can_swap = chosen is None and count < SWAP_BELOW_RECORDS_PER_TARGET * len(problem.goal)
    weights, certificate, sweeps, swaps = _fit_drawn(problem, draw, settings, shuffler, can_swap)
    selection = {
        "prefit_sweeps": progress.total,
        "certain": int((draw.probability[draw.chosen] >= 1.0).sum()),
        "forced": draw.forced,
        "smallest_probability": float(draw.probability[weights > 0].min()),
        "swaps_accepted": swaps,
    }
    sweeps += progress.total
    return _Fitted(weights, dense, draw.probability, certificate, sweeps, selection)


def _fit_drawn(
    problem: Problem, draw: _Draw, settings: Settings, shuffler: Shuffler, can_swap: bool
) -> tuple[np.ndarray, Certificate, int, int]:
    """Fit the drawn records, and swap some if that is allowed.

    Returns weights (float64 (n,), 0 where not kept), their certificate, the sweeps made and the
    rounds of swaps that helped.
    """
    kept = np.flatnonzero(draw.chosen)
    part, part_weights = problem.take(kept), problem.base[kept]
    path = _lighter(REFIT_PATH, settings.penalty)
    certificate, sweeps = _follow(part, part_weights, path, settings, shuffler, "refit")
    weights = np.zeros(len(problem.base))
    weights[kept] = part_weights
    if not can_swap:
        return weights, certificate, sweeps, 0
    movable = draw.probability < 1.0
    weights, certificate, made, accepted = _swap_records(
        problem, weights, movable, certificate, settings, shuffler
    )
    return weights, certificate, sweeps + made, accepted


def district_shares(weights: np.ndarray, district: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the share of each record's district's weight that the chosen records hold.

    It stands in for the inclusion probability of records that were not drawn but given: divided
    by it, the chosen records of a district weigh as much as all of them. 1 for other records.

    Args:
        weights: float64 (n,), all positive.
        district: int32 (n,).
        chosen: bool (n,).
    """
    place = np.unique(district, return_inverse=True)[1]
    share = np.bincount(place, weights * chosen) / np.bincount(place, weights)
    return np.where(chosen, share[place], 1.0)


def draw_records(
    problem: Problem, weights: np.ndarray, count: int, rng: np.random.Generator
) -> _Draw:
    """Choose exactly `count` records by importance, spread over the districts."""
    norm = problem.norm
    influence = norm / np.mean(norm)
    size = weights * ((1.0 - INFLUENCE_SHARE) + INFLUENCE_SHARE * influence)
    probability = inclusion_probabilities(size, count, np.zeros(len(size), dtype=bool))
    forced = _needed_records(problem, probability, int(count * FORCED_SHARE))
    if forced.any():
        probability = inclusion_probabilities(size, count, forced)
    return _Draw(probability, systematic_sample(probability, rng), int(forced.sum()))


def inclusion_probabilities(size: np.ndarray, count: int, forced: np.ndarray) -> np.ndarray:
    """Return probabilities proportional to `size`, at most 1, that sum to `count`.

    Args:
        size: float64 (n,), all positive.
        count: at most n.
        forced: bool (n,), records with probability 1; at most `count`.
    """
    certain = forced.copy()
    while True:
        free = count - int(certain.sum())
        probability = np.ones(len(size))
        probability[~certain] = size[~certain] * (free / np.sum(size[~certain]))
        beyond = ~certain & (probability >= 1.0)
        # The second case is rounding: a few records hold all the size there is.
        if not beyond.any() or beyond.sum() >= free:
            return np.minimum(probability, 1.0)
        certain |= beyond


def _needed_records(problem: Problem, probability: np.ndarray, limit: int) -> np.ndarray:
    """Return as bool (n,) the records to include for certain, at most `limit`.

    Targets that can expect fewer than EXPECTED_COLUMNS sampled columns get their most probable
    ones, those that expect least first.
    """
    forced = np.zeros(len(probability), dtype=bool)
    expected = problem.expected_columns(probability)
    short = expected < EXPECTED_COLUMNS
    records, numbers = problem.entries_of(short)
    by_target = np.lexsort((records, -probability[records], numbers))
    records, numbers = records[by_target], numbers[by_target]
    wanting = np.flatnonzero(short)
    for number in wanting[np.argsort(expected[wanting], kind="stable")]:
        low, high = np.searchsorted(numbers, [number, number + 1])
        mine = records[low:high]
        gain = np.where(forced[mine], 0.0, 1.0 - probability[mine])
        reached = np.sum(np.where(forced[mine], 1.0, probability[mine])) + np.cumsum(gain)
        enough = int(np.searchsorted(reached, EXPECTED_COLUMNS)) + 1
        new = mine[:enough][gain[:enough] > 0.0]
        if np.count_nonzero(forced) + len(new) > limit:
            break
        forced[new] = True
    return forced


def systematic_sample(probability: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw as many records as the probabilities sum to; bool (n,).

    One random number places equidistant points along the records' order, so that every stretch
    of it, hence every district and state, gets its share to within one record.
    """
    chosen = probability >= 1.0
    left = np.flatnonzero(~chosen)
    count = int(round(float(np.sum(probability)))) - int(chosen.sum())
    start = rng.random()
    if count == 0:
        return chosen
    ends = np.cumsum(probability[left])
    points = (start + np.arange(count)) * (ends[-1] / count)
    place = np.searchsorted(ends, points, side="right")
    # Rounding could let two points share a record or leave the end: keep places apart.
    steps = np.arange(count)
    place = np.maximum.accumulate(place - steps) + steps
    chosen[left[np.minimum(place, len(left) - count + steps)]] = True
    return chosen


def _swap_records(
    problem: Problem,
    weights: np.ndarray,
    movable: np.ndarray,
    certificate: Certificate,
    settings: Settings,
    shuffler: Shuffler,
) -> tuple[np.ndarray, Certificate, int, int]:
    """Exchange weak records for ones the targets ask for, as long as it helps.

    A round that does not lower the objective is undone. Records outside `movable` (bool (n,)),
    i.e. those included for certain, stay. Returns new weights (float64 (n,), 0 where not kept),
    their certificate, the sweeps made and the rounds that helped.
    """
    share, smallest, sweeps = SWAP_SHARE, SMALLEST_SWAP_SHARE, SWAP_SWEEPS
    if settings.records >= REPAIR_FROM_RECORDS_PER_TARGET * len(problem.goal):
        share, smallest, sweeps = REPAIR_SHARE, SMALLEST_REPAIR_SHARE, REPAIR_SWEEPS
    made, accepted = 0, 0
    progress = Progress("swaps: rounds", SWAP_ROUNDS)
    for _ in range(SWAP_ROUNDS):
        trial = weights.copy()
        if share < smallest or not _exchange(problem, trial, movable, settings.penalty, share):
            break
        trial_certificate = _refit(problem, trial, settings, shuffler, sweeps)
        made += trial_certificate.sweeps
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
        certificate = _refit(problem, weights, settings, shuffler, settings.max_sweeps)
        made += certificate.sweeps
    return weights, certificate, made, accepted


def _refit(
    problem: Problem, weights: np.ndarray, settings: Settings, shuffler: Shuffler, sweeps: int
) -> Certificate:
    """Descend at the final penalty with the records that have a weight, in place."""
    kept = np.flatnonzero(weights)
    part, part_weights = problem.take(kept), weights[kept]
    certificate = descend(
        part, part_weights, settings.penalty, sweeps, shuffler, settings.tolerance
    )
    weights[kept] = part_weights
    return certificate


def _exchange(
    problem: Problem, weights: np.ndarray, movable: np.ndarray, penalty: float, share: float
) -> bool:
    """Replace the kept records that are easiest to do without, in place.

    A newcomer enters, highest price first, as long as it still lowers the objective beside those
    before it; places nobody earns go back to their owners. Returns False if nothing changed.
    """
    before, norm = weights.copy(), problem.norm
    residual = problem.residual(weights)
    leaving = np.flatnonzero((weights > 0) & movable)
    count = min(int(share * np.count_nonzero(weights)), len(leaving))
    loss = problem.removal_loss(weights, residual, penalty)[leaving]
    leaving = leaving[np.argsort(loss, kind="stable")[:count]]
    weights[leaving] = 0.0
    residual = problem.residual(weights)
    price = np.divide(problem.slopes(residual), norm, out=np.zeros(len(norm)), where=norm > 0)
    waiting = np.flatnonzero((weights == 0) & (price > 0))
    waiting = waiting[np.argsort(-price[waiting], kind="stable")]
    entered = problem.admit(waiting, count, weights, residual, penalty)
    back = leaving[weights[leaving] == 0][::-1][: count - entered]
    weights[back] = before[back]
    return not np.array_equal(weights > 0, before > 0)


def _finish(
    matrix,
    targets: pd.DataFrame,
    columns: Columns,
    settings: Settings,
    seed: int,
    prepared: _Preparation,
    fitted: _Fitted,
) -> FitResult:
    """Bring weights back to the columns' order and describe them."""
    n_columns = matrix.shape[1]
    weights = _to_columns(fitted.weights, prepared.records, n_columns).astype(np.float32)
    if not np.isfinite(weights).all() or (
        np.count_nonzero(weights) != np.count_nonzero(fitted.weights)
    ):
        raise InputError(
            "design_weight: final weights leave the range of 32-bit floats; check the unit of the "
            "design weights and of the targets"
        )
    final = summarize_rows(matrix, weights)
    dense = final.estimate
    if fitted.selection is not None:
        dense_weights = _to_columns(fitted.dense, prepared.records, n_columns)
        dense = summarize_rows(matrix, dense_weights).estimate
    table = diagnostics.target_table(
        targets, prepared.harmonized.values, prepared.target_state, prepared.rho,
        prepared.summary, prepared.households, dense, final,
    )  # fmt: skip
    report = _report(table, columns, settings, seed, prepared, fitted, weights)
    return FitResult(weights, report, table)


def _to_columns(values: np.ndarray, records: np.ndarray, n_columns: int) -> np.ndarray:
    result = np.zeros(n_columns)
    result[records] = values
    return result


def _report(
    table: pd.DataFrame,
    columns: Columns,
    settings: Settings,
    seed: int,
    prepared: _Preparation,
    fitted: _Fitted,
    weights: np.ndarray,
) -> dict:
    is_fitted = prepared.target_state == diagnostics.FITTED
    certificate = fitted.certificate
    quality = diagnostics.weight_quality(
        columns,
        prepared.start,
        _to_columns(fitted.probability, prepared.records, len(weights)),
        weights.astype(np.float64),
        settings.bounds,
    )
    report = {
        "seed": seed,
        "settings": _settings_for_json(settings),
        "n_columns": len(weights),
        "n_targets": len(table),
        "n_fitted": int(is_fitted.sum()),
        "targets_by_state": _count_states(table["state"].to_numpy(str)),
        "state_meanings": diagnostics.MEANING,
        "start_factor": prepared.start_factor,
        "loss": float(np.sum(table["rel_error"].to_numpy()[is_fitted] ** 2)),
        "objective": certificate.objective,
        "gap": certificate.gap,
        "rms_gap": certificate.rms_gap,
        "sweeps": fitted.sweeps,
        "stopped_by": "tolerance" if certificate.within_tolerance else "max_sweeps",
        "selection": fitted.selection,
        "weights": quality,
        "errors": diagnostics.error_groups(table, is_fitted),
        "worst": diagnostics.worst_targets(table, is_fitted),
        "harmonization": {
            "applied": settings.harmonize,
            "contradictions": prepared.harmonized.contradictions,
            "families": prepared.harmonized.families,
        },
    }
    _log_summary(report)
    return report


def _log_summary(report: dict) -> None:
    weights = report["weights"]
    logger.info(
        "fit: %d records, loss %.4g, rms gap %.3g after %d sweeps (ended by %s), design effect "
        "%.3g; targets: %s", weights["records"], report["loss"], report["rms_gap"],
        report["sweeps"], report["stopped_by"], weights["design_effect"],
        ", ".join(f"{count} {name}" for name, count in report["targets_by_state"].items()),
    )  # fmt: skip


def _settings_for_json(settings: Settings) -> dict:
    values = asdict(settings)
    values["levels"], values["bounds"] = list(settings.levels), list(settings.bounds)
    values["records"] = "all" if settings.records is None else settings.records
    return values
