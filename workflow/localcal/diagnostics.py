"""What a fit did to every target, and how good the weights are.

A small gap, a low design effect or one pooled "99.5 % within 5 %" has each been seen to hide a
bad fit: errors are reported by level, variable and domain, and every target has a row, fitted
or not.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from localcal.descent import RowSummary

# States of a target. FITTED is what the rows of the fit are called until their errors are known.
NOT_FITTED = "not_fitted"
ZERO = "zero"
NO_SUPPORT = "no_support"
THIN = "thin"
UNREACHABLE = "unreachable"
FITTED = "fitted"
MET = "met"
MISSED = "missed"
CONTRADICTED = "contradicted"

MEANING = {
    MET: "fitted; the final estimate is within 5 % of the harmonized value",
    MISSED: "fitted; the dense fit met it, the kept records do not",
    CONTRADICTED: "fitted; neither the dense nor the final fit meets it: other targets, the "
    "bounds or the penalty stand against it",
    UNREACHABLE: "left out; no weights within the bounds reach it",
    THIN: "left out; too few columns or households contribute",
    NO_SUPPORT: "left out; no column contributes",
    ZERO: "left out; a relative error from zero has no meaning",
    NOT_FITTED: "left out; its level is not among the fitted ones",
}
MISSED_ABOVE = 0.05
UNPUBLISHABLE_BELOW = 10.0
WORST = 20
# A factor this close to its bound, relatively, counts as at it: weights have 24 bits.
AT_BOUND = 1e-6


def relative_error(estimate: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return (estimate - value) / |value|; NaN where the value is zero."""
    value = np.asarray(value, dtype=np.float64)
    return np.divide(
        estimate - value, np.abs(value), out=np.full(len(value), np.nan), where=value != 0.0
    )


def settle_states(
    target_state: np.ndarray, dense_error: np.ndarray, final_error: np.ndarray
) -> np.ndarray:
    """Turn FITTED into MET, MISSED or CONTRADICTED by the relative errors; arrays of (m,)."""
    missed = np.abs(final_error) > MISSED_ABOVE
    contradicted = missed & (np.abs(dense_error) > MISSED_ABOVE)
    verdict = np.where(contradicted, CONTRADICTED, np.where(missed, MISSED, MET))
    return np.where(target_state == FITTED, verdict, target_state)


def target_table(
    targets: pd.DataFrame,
    harmonized: np.ndarray,
    target_state: np.ndarray,
    rho: np.ndarray,
    start: RowSummary,
    households: np.ndarray,
    dense: np.ndarray,
    final: RowSummary,
) -> pd.DataFrame:
    """Return one row per target, in matrix order.

    Values and estimates are in the target's own unit (dollars or counts). Columns:

    - published_value: value of targets.parquet; harmonized_value: what was aimed at
    - start_estimate, dense_estimate, final_estimate: under the scaled design weights, under the
      fit of all records, and under the final weights
    - rel_error: (final - harmonized) / |harmonized|; empty for zero targets
    - state: see `MEANING`
    - columns, households: columns with an entry and a design weight, and distinct households
      among them; kept_columns: those with a final weight
    - effective_n: Kish's effective number of columns under the final weights
    - largest_share: largest column's share of the final estimate, 0..1
    - price: change of the fit's objective per relative change of the target, rho * (harmonized -
      final) / |harmonized|; empty if not fitted
    - rho: the target's weight in the objective, mean 1; empty if not fitted
    """
    final_error = relative_error(final.estimate, harmonized)
    labels = ["target_id", "name", "geo_level", "geographic_id", "variable", "domain_variable"]
    table = targets[labels].reset_index(drop=True)
    return table.assign(
        published_value=targets["value"].to_numpy(np.float64),
        harmonized_value=harmonized,
        start_estimate=start.estimate,
        dense_estimate=dense,
        final_estimate=final.estimate,
        rel_error=final_error,
        state=settle_states(target_state, relative_error(dense, harmonized), final_error),
        columns=start.columns,
        households=households,
        kept_columns=final.columns,
        effective_n=final.effective_n,
        largest_share=final.largest_share,
        price=-rho * final_error,
        rho=rho,
    )


def effective_size(weights: np.ndarray) -> float:
    """Return Kish's (sum w)^2 / sum w^2; 0 without weight."""
    weights = np.asarray(weights, dtype=np.float64)
    square = float(np.sum(weights * weights))
    return float(np.sum(weights)) ** 2 / square if square else 0.0


def design_effect(weights: np.ndarray) -> float | None:
    """Return Kish's design effect of the positive weights, at least 1; None if there is none."""
    size = effective_size(weights)
    return int(np.count_nonzero(weights)) / size if size else None


def effective_size_by_area(weights: np.ndarray, area: np.ndarray) -> pd.Series:
    """Return the effective size of every area that has columns, 0 where no weight is left."""
    areas, position = np.unique(area, return_inverse=True)
    weights = np.asarray(weights, dtype=np.float64)
    total = np.bincount(position, weights, len(areas))
    square = np.bincount(position, weights * weights, len(areas))
    sizes = np.divide(total * total, square, out=np.zeros(len(areas)), where=square > 0)
    return pd.Series(sizes, index=areas)


@dataclass(frozen=True)
class Columns:
    """The columns of the matrix; arrays of (J,)."""

    design_weight: np.ndarray
    """float64, households."""
    household: np.ndarray
    """int32."""
    state: np.ndarray
    """int32, FIPS."""
    district: np.ndarray
    """int32, state * 100 + district."""


def weight_quality(
    columns: Columns,
    start: np.ndarray,
    probability: np.ndarray,
    weights: np.ndarray,
    bounds: tuple[float, float],
) -> dict:
    """Describe the dispersion of the final weights.

    Args:
        columns: the columns of the matrix.
        start: float64 (J,), scaled design weights.
        probability: float64 (J,), of being kept; read where a weight is positive.
        weights: float64 (J,), final weights.
        bounds: smallest and largest factor = weight * probability / start.
    """
    kept = weights > 0
    final = weights[kept]
    factor = final * probability[kept] / start[kept]
    return {
        "records": int(kept.sum()),
        "sum_of_weights": float(np.sum(final)),
        "design_effect_start": design_effect(start),
        "design_effect": design_effect(weights),
        "effective_size_columns": effective_size(weights),
        "effective_size_households": effective_size(np.bincount(columns.household, weights)),
        "effective_size_states": _size_quantiles(weights, columns.state),
        "effective_size_districts": _size_quantiles(weights, columns.district),
        "factor_min": float(factor.min()),
        "factor_max": float(factor.max()),
        "share_at_lower_bound": float(np.mean(factor <= bounds[0] * (1 + AT_BOUND))),
        "share_at_upper_bound": float(np.mean(factor >= bounds[1] * (1 - AT_BOUND))),
        "largest_over_mean": float(final.max() / final.mean()),
    }


def _size_quantiles(weights: np.ndarray, area: np.ndarray) -> dict:
    sizes = effective_size_by_area(weights, area)
    return {
        "areas": len(sizes),
        "min": float(sizes.min()),
        "p5": float(sizes.quantile(0.05)),
        "median": float(sizes.median()),
        "below_10": int((sizes < UNPUBLISHABLE_BELOW).sum()),
    }


def error_groups(table: pd.DataFrame, fitted: np.ndarray) -> list[dict]:
    """Return relative errors by level, variable, domain and whether fitted; never pooled.

    `count` is the number of targets; the statistics leave out zero targets, which have no
    relative error, and are None where nothing is left.
    """
    start_error = relative_error(
        table["start_estimate"].to_numpy(), table["harmonized_value"].to_numpy()
    )
    table = table.assign(fitted=fitted, start_error=start_error)
    keys = ["geo_level", "variable", "domain_variable", "fitted"]
    return [
        dict(zip(keys, map(_plain, key), strict=True)) | _error_statistics(group)
        for key, group in table.groupby(keys, sort=True, dropna=False)
    ]


def _error_statistics(group: pd.DataFrame) -> dict:
    error = group["rel_error"].dropna()
    size = error.abs()
    return {
        "count": len(group),
        "median": _plain(size.median()),
        "p90": _plain(size.quantile(0.9)),
        "max": _plain(size.max()),
        "bias": _plain(error.mean()),
        "start_median": _plain(group["start_error"].abs().median()),
    }


def worst_targets(table: pd.DataFrame, fitted: np.ndarray) -> list[dict]:
    """Return the fitted targets with the largest relative errors, worst first."""
    rows = table[fitted]
    order = rows["rel_error"].abs().sort_values(ascending=False, kind="stable").index[:WORST]
    labels = ["target_id", "name", "state", "harmonized_value", "final_estimate", "rel_error"]
    return [
        {label: _plain(value) for label, value in row.items()}
        for row in rows.loc[order, labels].to_dict("records")
    ]


def _plain(value):
    """Return a value JSON can hold: Python's own type, None for NaN."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
