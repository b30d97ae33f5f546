"""Everything there is to say about a fit."""

import logging
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.files.csr import CsrLike
from localcal.weights import diagnostics, verdicts
from localcal.weights.columns import Columns
from localcal.weights.descent import Certificate
from localcal.weights.distance import distance_named
from localcal.weights.findings import GIVEN, findings
from localcal.weights.firm import EXACT_WITHIN
from localcal.weights.given import trace_of
from localcal.weights.preparation import Preparation, count_verdicts, merged_sums
from localcal.weights.prices import solved, without
from localcal.weights.rows import RowSummary, summarize_households, summarize_rows
from localcal.weights.settings import Settings
from localcal.weights.solver import Fitted
from localcal.weights.trace import Trace

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


def describe_fit(
    matrix: CsrLike,
    targets: pd.DataFrame,
    columns: Columns,
    settings: Settings,
    seed: int,
    prepared: Preparation,
    fitted: Fitted,
    path: list[dict],
) -> FitResult:
    """Bring weights back to the columns' order and describe them.

    `path` is how the penalty was chosen, see `localcal.weights.penalty`.
    """
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
    _refuse_rounding(targets, prepared, final)
    dense = final.estimate
    if fitted.selection is not None:
        dense = summarize_rows(matrix, prepared.base * trace.dense_factor).estimate
    certificate = fitted.certificate
    about = {
        "penalty": {"value": fitted.penalty, "path": path},
        "objective": certificate.objective,
        "gap": certificate.gap,
        "rms_gap": certificate.rms_gap,
        "sweeps": fitted.sweeps,
        "stopped_by": _stopped_by(certificate),
        "selection": fitted.selection,
        "huber": {
            "softened": int(np.count_nonzero(fitted.huber_weight < 1.0)),
            "rounds": fitted.huber_rounds,
        },
    }
    made = _Made(
        weights=weights,
        trace=trace,
        final=final,
        dense=dense,
        huber_weight=fitted.huber_weight,
        penalty=certificate.penalty,
        is_selected=fitted.selection is not None,
        about=about | {"seed": seed},
    )
    return _described(matrix, targets, columns, settings, prepared, made)


def describe_given(
    matrix: CsrLike,
    targets: pd.DataFrame,
    columns: Columns,
    settings: Settings,
    seed: int,
    prepared: Preparation,
    weights: np.ndarray,
) -> FitResult:
    """Describe weights (float32 (J,)) that were given as those of a fit are.

    What only a fit has is empty: there is no fit of all records that could have met a target, so
    that none is contradicted, and nothing that was minimised.
    """
    trace = trace_of(weights, prepared)
    final = summarize_rows(matrix, weights)
    nothing = dict.fromkeys(("objective", "gap", "rms_gap"))
    about = nothing | {
        "penalty": {"value": None, "path": []},
        "sweeps": 0,
        "stopped_by": GIVEN,
        "selection": None,
        "huber": {"softened": 0, "rounds": 0},
        "verdict_meanings": verdicts.MEANING | {verdicts.MISSED: "the given weights miss it"},
    }
    dense = np.full(len(targets), np.nan)
    softened = np.ones(len(prepared.equations.value))
    made = _Made(
        weights=weights,
        trace=trace,
        final=final,
        dense=dense,
        huber_weight=softened,
        penalty=math.nan,
        is_selected=False,
        about=about | {"seed": seed},
    )
    return _described(matrix, targets, columns, settings, prepared, made)


@dataclass(frozen=True)
class _Made:
    """Weights, fitted or given, and what they come to."""

    weights: np.ndarray
    """float32 (J,)."""
    trace: Trace
    final: RowSummary
    """Each target's sums under the weights."""
    dense: np.ndarray
    """float64 (m,): each target's estimate under the fit of all records; NaN without one."""
    huber_weight: np.ndarray
    """float64 (p,)."""
    penalty: float
    """mu of the fit's objective; NaN where nothing was fitted."""
    is_selected: bool
    """Whether records were drawn."""
    about: dict
    """What fit.json says about how they were found."""


def _described(
    matrix: CsrLike,
    targets: pd.DataFrame,
    columns: Columns,
    settings: Settings,
    prepared: Preparation,
    made: _Made,
) -> FitResult:
    carried_by = summarize_households(matrix, made.weights, columns.household)
    table = diagnostics.target_table(
        targets, prepared, made.huber_weight, made.dense, made.final, carried_by, made.penalty
    )
    areas = diagnostics.area_table(table, columns, made.weights.astype(np.float64))
    # What the weights know of what they were told, and were not, is what is read first.
    report: dict = {"accuracy": diagnostics.accuracy(table)}
    report |= _report(table, areas, columns, settings, prepared, made)
    report["merged"] = _merged(targets, prepared, made)
    is_fit = math.isfinite(made.penalty)
    report["mu"] = made.penalty if is_fit else None
    report["dearest"] = _dearest(matrix, table, settings, prepared, made) if is_fit else []
    report["findings"] = findings(report)
    _log_summary(report)
    return FitResult(made.weights, made.trace, report, table, areas)


def _dearest(
    matrix: CsrLike, table: pd.DataFrame, settings: Settings, prepared: Preparation, made: _Made
) -> list[dict]:
    """Return what the dearest targets cost, and what would be gained without each."""
    dearest = diagnostics.dearest_targets(table)
    at_optimum = solved(
        matrix, prepared.equations, made.huber_weight, made.trace, made.is_selected,
        settings.bounds, made.penalty, distance_named(settings.distance, settings.bounds),
    )  # fmt: skip
    dropped = without(at_optimum, prepared.equations.slot[dearest.index.to_numpy()])
    return diagnostics.describe_dearest(dearest, dropped)


def _refuse_rounding(targets: pd.DataFrame, prepared: Preparation, final: RowSummary) -> None:
    """Refuse exact targets that 32-bit weights cannot meet: losses and gains nearly cancel."""
    missed = np.abs(final.estimate - prepared.harmonized.values) / prepared.scale
    far = prepared.rules.exact & (prepared.equations.slot >= 0) & ~(missed <= EXACT_WITHIN)
    if far.any():
        raise InputError(
            f"weights.groups: exact: target {targets['name'].to_numpy()[far][0]} is missed by "
            f"{missed[far][0]:.2g} of its value since weights have 32 bits and its losses and "
            "gains nearly cancel; take exact from it"
        )


def _trace(prepared: Preparation, fitted: Fitted) -> Trace:
    """Take the weights apart, in the columns' order."""
    records, base = prepared.records, prepared.base
    probability = np.ones(len(base))
    probability[records] = fitted.probability
    factor, dense_factor = np.zeros((2, len(base)))
    factor[records] = fitted.weights * fitted.probability / base[records]
    dense_factor[records] = fitted.dense / base[records]
    return Trace(base, probability, dense_factor, factor)


def _report(
    table: pd.DataFrame,
    areas: pd.DataFrame,
    columns: Columns,
    settings: Settings,
    prepared: Preparation,
    made: _Made,
) -> dict:
    n_equations = len(prepared.equations.value)
    is_fitted = (table["role"] == "fitted").to_numpy()
    weights, trace = made.weights.astype(np.float64), made.trace
    quality = diagnostics.weight_quality(
        columns, trace.base, trace.probability, weights, settings.bounds
    )
    # Not of the given weights that stand for a base where there is none.
    quality["design_effect_base"] = diagnostics.design_effect(prepared.base)
    unpublishable = areas[~areas["is_publishable"]]
    return {
        "settings": settings.for_json(),
        "n_columns": len(weights),
        "n_targets": len(table),
        "n_fitted": n_equations,
        "records_per_target": quality["records"] / n_equations,
        "targets_by_verdict": count_verdicts(table["verdict"].to_numpy(str)),
        "verdict_meanings": verdicts.MEANING,
        "base_factor": prepared.base_factor,
        "loss": float(np.sum(table["rel_error"].to_numpy()[is_fitted] ** 2)),
        "loss_uprated": float(np.nansum(table["error_uprated"].to_numpy()[is_fitted] ** 2)),
        "weights": quality,
        "carried_by_few": int(table["is_carried_by_few"].sum()),
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
            "suspects": prepared.harmonized.suspects,
            "moved": diagnostics.moved_areas(table),
        },
        **made.about,
    }


def _stopped_by(certificate: Certificate) -> str:
    if certificate.within_tolerance:
        return "tolerance"
    return "line_search" if certificate.line_search_failed else "max_sweeps"


def _merged(targets: pd.DataFrame, prepared: Preparation, made: _Made) -> list[dict]:
    """Return one JSON-ready row per merged sum."""
    equations = prepared.equations
    rows = []
    for number, names in merged_sums(prepared, targets["name"].to_numpy()):
        members = equations.slot == number
        value, scale = float(equations.value[number]), float(equations.scale[number])
        estimate = float(np.sum(made.final.estimate[members]))
        rows.append(
            {
                "targets": names,
                "value": value,
                "base_estimate": float(np.sum(prepared.summary.estimate[members])),
                "final_estimate": estimate,
                "rel_error": (estimate - value) / scale,
                "rho": float(equations.rho[number]),
                "huber_weight": float(made.huber_weight[number]),
            }
        )
    return rows


def _log_summary(report: dict) -> None:
    weights = report["weights"]
    if report["stopped_by"] == GIVEN:
        logger.info(
            "given weights: %d records, loss %.4g, design effect %.3g; targets: %s",
            weights["records"], report["loss"], weights["design_effect"],
            ", ".join(f"{count} {name}" for name, count in report["targets_by_verdict"].items()),
        )  # fmt: skip
    else:
        _log_fit(report)
    for line in report["findings"]:
        logger.info("note: %s", line)


def _log_fit(report: dict) -> None:
    weights = report["weights"]
    logger.info(
        "fit: %d records, penalty %.4g, loss %.4g, rms gap %.3g after %d sweeps (ended by %s), "
        "design effect %.3g; targets: %s",
        weights["records"], report["penalty"]["value"], report["loss"], report["rms_gap"],
        report["sweeps"], report["stopped_by"], weights["design_effect"],
        ", ".join(f"{count} {name}" for name, count in report["targets_by_verdict"].items()),
    )  # fmt: skip
