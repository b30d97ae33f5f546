"""Everything there is to say about a fit."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.files.csr import CsrLike
from localcal.weights import diagnostics, verdicts
from localcal.weights.columns import Columns
from localcal.weights.descent import Certificate
from localcal.weights.findings import findings
from localcal.weights.firm import EXACT_WITHIN
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
    dense = final
    if fitted.selection is not None:
        dense = summarize_rows(matrix, prepared.base * trace.dense_factor)
    carried_by = summarize_households(matrix, weights, columns.household)
    penalty = fitted.certificate.penalty
    table = diagnostics.target_table(
        targets, prepared, fitted.huber_weight, dense.estimate, final, carried_by, penalty
    )
    areas = diagnostics.area_table(table, columns, weights.astype(np.float64))
    report: dict = {"accuracy": diagnostics.accuracy(table)}
    report |= _report(table, areas, columns, settings, seed, prepared, fitted, trace)
    report["penalty"] = {"value": fitted.penalty, "path": path}
    report["merged"] = _merged(targets, prepared, fitted, final)
    dearest = diagnostics.dearest_targets(table)
    at_optimum = solved(
        matrix, prepared.equations, fitted.huber_weight, trace, fitted.selection is not None,
        settings.bounds, penalty,
    )  # fmt: skip
    dropped = without(at_optimum, prepared.equations.slot[dearest.index.to_numpy()])
    report["mu"] = penalty
    report["dearest"] = diagnostics.describe_dearest(dearest, dropped)
    report["findings"] = findings(report)
    _log_summary(report)
    return FitResult(weights, trace, report, table, areas)


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
        columns, prepared.base, trace.probability, weights, settings.bounds
    )
    unpublishable = areas[~areas["is_publishable"]]
    return {
        "seed": seed,
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
    }


def _stopped_by(certificate: Certificate) -> str:
    if certificate.within_tolerance:
        return "tolerance"
    return "line_search" if certificate.line_search_failed else "max_sweeps"


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
                "base_estimate": float(np.sum(prepared.summary.estimate[members])),
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
        "fit: %d records, penalty %.4g, loss %.4g, rms gap %.3g after %d sweeps (ended by %s), "
        "design effect %.3g; targets: %s",
        weights["records"], report["penalty"]["value"], report["loss"], report["rms_gap"],
        report["sweeps"], report["stopped_by"], weights["design_effect"],
        ", ".join(f"{count} {name}" for name, count in report["targets_by_verdict"].items()),
    )  # fmt: skip
    for line in report["findings"]:
        logger.info("note: %s", line)
