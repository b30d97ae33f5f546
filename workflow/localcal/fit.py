"""Fit weights to targets: from matrix, targets and columns to weights and all there is to say.

1. The levels are made to agree (`localcal.harmonize`).
2. Design weights are scaled by one factor, so that the median target / estimate is 1.
3. Targets that no weights within the bounds can reach, that too few columns carry, or that are
   zero, are left out or merged, and listed (`localcal.preparation`).
4. Bounded coordinate descent (`localcal.descent`) along a falling penalty, with all records or
   with a draw of them (`localcal.solver`).
5. Every target, every area and the weights are described (`localcal.diagnostics`).
"""

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from localcal import diagnostics
from localcal.checkpoint import Checkpoint
from localcal.descent import Problem, RowSummary, summarize_rows
from localcal.diagnostics import Columns
from localcal.errors import InputError
from localcal.files import atomic_path, sha256_file, write_json
from localcal.fit_settings import Settings
from localcal.preparation import Preparation, count_states, make_problem, merged_sums, prepare
from localcal.solver import Fitted, WarmStart, solve
from localcal.trace import Trace, write_trace

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitResult:
    """Weights and everything there is to say about them."""

    weights: np.ndarray
    """float32 (J,), households each column stands for; 0 for columns not kept."""
    trace: Trace
    """How each weight came about."""
    report: dict
    """Content of fit.json."""
    diagnostics: pd.DataFrame
    """Content of diagnostics.csv, see `diagnostics.target_table`."""
    areas: pd.DataFrame
    """Content of areas.csv, see `diagnostics.area_table`."""


def fit_weights(
    matrix,
    targets: pd.DataFrame,
    design_weight: np.ndarray,
    household: np.ndarray,
    state: np.ndarray,
    district: np.ndarray,
    settings: Settings,
    seed: int,
    start: Trace | None = None,
    checkpoint: Checkpoint | None = None,
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
        start: another fit of the same columns and number of records to begin from: its factors
            and its selection take the place of the first stages.
        checkpoint: where to keep, and perhaps find, how far the fit has come; the bytes are the
            same with and without.
        support: columns to keep and no others, bool (J,) or column numbers; None = as `settings`
            say. The probability of a kept record is then its district's share of kept weight.

    Raises:
        InputError: nothing that could be fitted, or input that contradicts itself.
    """
    columns = _columns(design_weight, household, state, district)
    _check_input(matrix, targets, columns, settings)
    if support is not None:
        if start is not None:
            raise InputError("weights.start: a fit of given records has no other to begin from")
        support = _checked_support(support, columns, settings)
    prepared = prepare(matrix, targets, columns, settings)
    warm = None if start is None else _warm_start(start, prepared, settings)
    problem = make_problem(matrix, prepared, columns, settings)
    chosen = None if support is None else support[prepared.records]
    fitted = solve(problem, settings, seed, warm, checkpoint, chosen)
    del problem
    return _describe(matrix, targets, columns, settings, seed, prepared, fitted)


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
    prepared = prepare(matrix, targets, columns, settings)
    return make_problem(matrix, prepared, columns, settings), prepared.records


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
    result: FitResult, origins: Mapping[str, object], outputs: Mapping[str, Path]
) -> None:
    """Write everything about a fit, the weights last.

    Area files depend on the weights; the report holds their digest, that of the trace and those
    of what they were fitted to.

    Args:
        result: of `fit_weights`.
        origins: what the matrix was made from, by name.
        outputs: the files to write: fit, diagnostics, areas, trace and weights.
    """
    with atomic_path(outputs["weights"]) as part:
        # Through memory: NumPy's own writer does not say when the disk is full.
        content = io.BytesIO()
        np.save(content, result.weights)
        part.write_bytes(content.getvalue())
        digests = {**origins, "weights": sha256_file(part)}
        write_trace(result.trace, digests, outputs["trace"])
        digests["trace"] = sha256_file(outputs["trace"])
        write_json(outputs["fit"], result.report | {"digests": digests})
        for name in ("diagnostics", "areas"):
            with atomic_path(outputs[name]) as table:
                getattr(result, name).to_csv(table, index=False)


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


def _warm_start(start: Trace, prepared: Preparation, settings: Settings) -> WarmStart:
    records = prepared.records
    kept = int(np.count_nonzero(start.factor))
    wanted = len(records) if settings.records is None else settings.records
    if kept != wanted or np.count_nonzero(start.factor[records]) != kept:
        raise InputError(
            f"weights.start: that fit keeps {kept} columns, this one {wanted}; start from one "
            "with as many, or set start to null"
        )
    return WarmStart(start.dense_factor[records], start.probability[records], start.factor[records])


def _describe(
    matrix,
    targets: pd.DataFrame,
    columns: Columns,
    settings: Settings,
    seed: int,
    prepared: Preparation,
    fitted: Fitted,
) -> FitResult:
    """Bring weights back to the columns' order and describe them."""
    trace = _trace(prepared, fitted)
    weights = trace.weights()
    if not np.isfinite(weights).all() or (
        np.count_nonzero(weights) != np.count_nonzero(fitted.weights)
    ):
        raise InputError(
            "design_weight: final weights leave the range of 32-bit floats; check the unit of the "
            "design weights and of the targets"
        )
    final = summarize_rows(matrix, weights)
    dense = final
    if fitted.selection is not None:
        dense = summarize_rows(matrix, prepared.start * trace.dense_factor)
    single = prepared.target_state == diagnostics.FITTED
    slot = prepared.equations.slot[single]
    rho, huber_weight = np.full((2, len(targets)), np.nan)
    rho[single], huber_weight[single] = prepared.equations.rho[slot], fitted.huber_weight[slot]
    table = diagnostics.target_table(
        targets, prepared.harmonized.values, prepared.scale, prepared.rules.tolerance,
        prepared.target_state, rho, huber_weight, prepared.summary, prepared.households,
        dense.estimate, final,
    )  # fmt: skip
    areas = diagnostics.area_table(table, columns, weights.astype(np.float64))
    report = _report(table, areas, columns, settings, seed, prepared, fitted, trace)
    report["merged"] = _merged(targets, prepared, fitted, final)
    report["findings"] = diagnostics.findings(report)
    _log_summary(report)
    return FitResult(weights, trace, report, table, areas)


def _trace(prepared: Preparation, fitted: Fitted) -> Trace:
    """Take the weights apart, in the columns' order."""
    records, start = prepared.records, prepared.start
    probability = np.ones(len(start))
    probability[records] = fitted.probability
    factor, dense_factor = np.zeros((2, len(start)))
    factor[records] = fitted.weights * fitted.probability / start[records]
    dense_factor[records] = fitted.dense / start[records]
    return Trace(start, probability, dense_factor, factor)


def _report(
    table: pd.DataFrame,
    areas: pd.DataFrame,
    columns: Columns,
    settings: Settings,
    seed: int,
    prepared: Preparation,
    fitted: Fitted,
    trace: Trace,
) -> dict:
    certificate = fitted.certificate
    n_equations = len(prepared.equations.value)
    is_fitted = (table["role"] == "fitted").to_numpy()
    weights = trace.weights().astype(np.float64)
    quality = diagnostics.weight_quality(
        columns, prepared.start, trace.probability, weights, settings.bounds
    )
    few = is_fitted & (table["effective_n"] < diagnostics.FEW_EFFECTIVE)
    unpublishable = areas[~areas["is_publishable"]]
    return {
        "seed": seed,
        "settings": settings.for_json(),
        "n_columns": len(weights),
        "n_targets": len(table),
        "n_fitted": n_equations,
        "records_per_target": quality["records"] / n_equations,
        "targets_by_state": count_states(table["state"].to_numpy(str)),
        "state_meanings": diagnostics.MEANING,
        "start_factor": prepared.start_factor,
        "loss": float(np.sum(table["rel_error"].to_numpy()[is_fitted] ** 2)),
        "objective": certificate.objective,
        "gap": certificate.gap,
        "rms_gap": certificate.rms_gap,
        "sweeps": fitted.sweeps,
        "stopped_by": "tolerance" if certificate.within_tolerance else "max_sweeps",
        "selection": fitted.selection,
        "huber": {
            "softened": int(np.count_nonzero(fitted.huber_weight < 1.0)),
            "rounds": fitted.huber_rounds,
        },
        "weights": quality,
        "carried_by_few": int(few.sum()),
        "not_publishable": {
            level: int((unpublishable["level"] == level).sum())
            for level in ("state", "district")
            if level in settings.levels
        },
        "errors": diagnostics.error_groups(table),
        "worst": diagnostics.worst_targets(table),
        "harmonization": {
            "applied": settings.harmonize,
            "contradictions": prepared.harmonized.contradictions,
            "families": prepared.harmonized.families,
        },
    }


def _merged(
    targets: pd.DataFrame, prepared: Preparation, fitted: Fitted, final: RowSummary
) -> list[dict]:
    """Return one JSON-ready row per merged sum."""
    equations = prepared.equations
    rows = []
    for number, names in merged_sums(prepared, targets["name"].to_numpy()):
        members = equations.slot == number
        value, scale = float(equations.value[number]), float(equations.scale[number])
        estimate = float(np.sum(final.estimate[members]))
        rows.append(
            {
                "targets": names,
                "value": value,
                "start_estimate": float(np.sum(prepared.summary.estimate[members])),
                "final_estimate": estimate,
                "rel_error": (estimate - value) / scale,
                "rho": float(equations.rho[number]),
                "huber_weight": float(fitted.huber_weight[number]),
            }
        )
    return rows


def _log_summary(report: dict) -> None:
    weights = report["weights"]
    logger.info(
        "fit: %d records, loss %.4g, rms gap %.3g after %d sweeps (ended by %s), design effect "
        "%.3g; targets: %s", weights["records"], report["loss"], report["rms_gap"],
        report["sweeps"], report["stopped_by"], weights["design_effect"],
        ", ".join(f"{count} {name}" for name, count in report["targets_by_state"].items()),
    )  # fmt: skip
    for line in report["findings"]:
        logger.info("note: %s", line)
