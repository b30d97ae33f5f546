"""What a fit did to every target, and how good the weights are.

A small gap, a low design effect or one pooled "99.5 % within 5 %" has each been seen to hide a
bad fit: errors are reported by level, variable and domain, and every target has a row, fitted
or not.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from localcal.weights.columns import Columns
from localcal.weights.culprits import CONTRADICTION
from localcal.weights.preparation import Preparation
from localcal.weights.prices import DEAREST, costs
from localcal.weights.rows import HouseholdSummary, RowSummary
from localcal.weights.verdicts import (
    AT_BOUND,
    FITTED,
    MET_MOVED,
    UNPUBLISHABLE_BELOW,
    role_of,
    scaled_error,
    settle_verdicts,
)

# A fitted target whose estimate rests on so few effective households is met by chance.
FEW_EFFECTIVE = 5.0
# More weights than this at a bound, and the bounds decide rather than the targets.
MANY_AT_BOUND = 0.25
WORST = 20
# Of what is fitted, alone or in a sum.
FITTED_ROLES = ("fitted", "merged")
NO_LOCAL_INFORMATION = "no local information"


def target_table(
    targets: pd.DataFrame,
    prepared: Preparation,
    huber_weight: np.ndarray,
    dense: np.ndarray,
    final: RowSummary,
    carried_by: HouseholdSummary,
    penalty: float,
) -> pd.DataFrame:
    """Return one row per target, in matrix order.

    Args:
        targets: targets.parquet, m rows.
        prepared: what was decided before the fit.
        huber_weight: float64 (p,), factor on each equation's weight.
        dense: float64 (m,), each target's estimate under the fit of all records.
        final: each target's sums under the final weights.
        carried_by: the households behind each target under the final weights.
        penalty: mu of the fit's objective.

    Values and estimates are in the target's own unit (dollars or counts). Columns:

    - published_value: as it was published; target_value: uprated to the run's year;
      harmonized_value: what was aimed at, so that the levels agree
    - scale: what errors are divided by: |harmonized|, or the floor of a zero target; empty for
      zero targets without one
    - tolerance: the target's own relative uncertainty, 0 if none is known
    - base_estimate, dense_estimate, final_estimate: under the scaled design weights, under the
      fit of all records, and under the final weights
    - base_error, rel_error: (base - harmonized) / scale and (final - harmonized) / scale
    - error_uprated, error_published: of the final estimate from the uprated value, relative to
      that, and from the one as it was published; of a zero, relative to the floor
    - verdict: see `MEANING`; role: fitted, merged, held_out or left_out
    - columns, households: columns with an entry and a design weight, and distinct households
      among them; kept_columns: those with a final weight
    - effective_n: Kish's effective number of columns under the final weights
    - effective_households: the same of households, the contributions of a household's columns
      summed first: clones are one observation
    - is_carried_by_few: fitted, and effective_households is below 5
    - largest_share: largest column's share of the final estimate, 0..1
    - price: change of the fit's objective per relative change of the target, rho * huber_weight *
      (harmonized - final) / scale; empty if exact, or not fitted by itself
    - cost_objective, cost_dispersion: what the rest of the objective rises by per per cent by
      which the target is met better, and the same as dispersion of the weights,
      sum((w - base)^2 / base) / sum(base); see `localcal.weights.prices`; empty as price is
    - rho: the target's weight in the objective, mean 1 over what is fitted; huber_weight: factor
      on it, below 1 where the target was softened; empty if not fitted by itself
    - source: who published it, empty if nobody said
    """
    harmonized, scale, base = prepared.harmonized.values, prepared.scale, prepared.summary
    final_error = scaled_error(final.estimate, harmonized, scale)
    dense_error = scaled_error(dense, harmonized, scale)
    uprated = targets["value"].to_numpy(np.float64)
    published = targets["original_value"].to_numpy(np.float64)
    error_uprated, error_published = (
        scaled_error(final.estimate, value, np.where(value == 0.0, scale, np.abs(value)))
        for value in (uprated, published)
    )
    tolerance = prepared.rules.tolerance
    verdict = settle_verdicts(prepared.verdict, dense_error, final_error, error_uprated, tolerance)
    role = role_of(verdict)
    single = prepared.verdict == FITTED
    slot = prepared.equations.slot[single]
    rho, huber = np.full((2, len(targets)), np.nan)
    rho[single], huber[single] = prepared.equations.rho[slot], huber_weight[slot]
    # What an exact target costs, its error does not say.
    price = np.where(prepared.rules.exact, np.nan, -rho * huber * final_error)
    cost_objective, cost_dispersion = costs(price, penalty)
    labels = ["target_id", "name", "geo_level", "geographic_id", "variable", "domain_variable"]
    labels.append("constraints")
    table = targets[labels].reset_index(drop=True)
    source = targets["source"].to_numpy() if "source" in targets else ""
    return table.assign(
        published_value=published,
        target_value=uprated,
        harmonized_value=harmonized,
        scale=scale,
        tolerance=tolerance,
        base_estimate=base.estimate,
        dense_estimate=dense,
        final_estimate=final.estimate,
        base_error=scaled_error(base.estimate, harmonized, scale),
        rel_error=final_error,
        error_uprated=error_uprated,
        error_published=error_published,
        verdict=verdict,
        role=role,
        columns=base.columns,
        households=prepared.households,
        kept_columns=final.columns,
        effective_n=final.effective_n,
        effective_households=carried_by.effective,
        is_carried_by_few=(role == "fitted") & (carried_by.effective < FEW_EFFECTIVE),
        largest_share=final.largest_share,
        price=price,
        cost_objective=cost_objective,
        cost_dispersion=cost_dispersion,
        rho=rho,
        huber_weight=huber,
        source=source,
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


def weight_quality(
    columns: Columns,
    base: np.ndarray,
    probability: np.ndarray,
    weights: np.ndarray,
    bounds: tuple[float, ...],
) -> dict:
    """Describe the dispersion of the final weights.

    Args:
        columns: the columns of the matrix.
        base: float64 (J,), scaled design weights.
        probability: float64 (J,), of being kept; read where a weight is positive.
        weights: float64 (J,), final weights.
        bounds: smallest and largest factor = weight * probability / base.
    """
    kept = weights > 0
    final = weights[kept]
    factor = final * probability[kept] / base[kept]
    return {
        "records": int(kept.sum()),
        "sum_of_weights": float(np.sum(final)),
        "design_effect_base": design_effect(base),
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


def accuracy(table: pd.DataFrame) -> dict:
    """Return the absolute relative errors of fitted and of held-out targets, and before the fit.

    Each has `count`, `median` and `p90`; a side without targets is None.
    """
    sides = {role: table[table["role"] == role] for role in ("fitted", "held_out")}
    return {
        **{role: _sizes(rows["rel_error"]) for role, rows in sides.items()},
        "start": {role: _sizes(rows["base_error"]) for role, rows in sides.items()},
    }


def _sizes(error: pd.Series) -> dict | None:
    size = error.dropna().abs()
    if size.empty:
        return None
    return {
        "count": len(size),
        "median": _plain(size.median()),
        "p90": _plain(size.quantile(0.9)),
    }


def error_groups(table: pd.DataFrame) -> list[dict]:
    """Return relative errors by level, variable, domain and role; never pooled.

    Errors are from the harmonized values, `uprated_median` and `uprated_max` from those before.
    `count` is the number of targets; the statistics leave out zero targets without a floor, which
    have no relative error, and are None where nothing is left. `finding` is NO_LOCAL_INFORMATION
    where held-out targets are no better estimated than by the base weights.
    """
    keys = ["geo_level", "variable", "domain_variable", "role"]
    return [
        dict(zip(keys, map(_plain, key), strict=True)) | _error_statistics(group, str(key[-1]))
        for key, group in table.groupby(keys, sort=True, dropna=False)
    ]


def _error_statistics(group: pd.DataFrame, role: str) -> dict:
    error = group["rel_error"].dropna()
    size, base = error.abs(), group["base_error"].dropna().abs()
    uprated = group["error_uprated"].dropna().abs()
    # Not below: where nothing can be said, nothing was learnt.
    no_better = role == "held_out" and not size.median() < base.median()
    return {
        "count": len(group),
        "median": _plain(size.median()),
        "p90": _plain(size.quantile(0.9)),
        "max": _plain(size.max()),
        "bias": _plain(error.mean()),
        "base_median": _plain(base.median()),
        "base_p90": _plain(base.quantile(0.9)),
        "uprated_median": _plain(uprated.median()),
        "uprated_max": _plain(uprated.max()),
        "finding": NO_LOCAL_INFORMATION if no_better else None,
    }


def worst_targets(table: pd.DataFrame) -> list[dict]:
    """Return the fitted targets with the largest relative errors, worst first.

    Of a target's errors, from the harmonized value and from the one before that, the larger counts.
    """
    rows = table[table["role"] == "fitted"]
    largest = rows[["rel_error", "error_uprated"]].abs().max(axis=1)
    order = largest.sort_values(ascending=False, kind="stable").index[:WORST]
    labels = [
        "target_id", "name", "verdict", "published_value", "target_value", "harmonized_value",
        "base_estimate", "dense_estimate", "final_estimate", "rel_error", "error_uprated",
        "columns", "effective_n", "effective_households", "largest_share",
    ]  # fmt: skip
    return [
        {label: _plain(value) for label, value in row.items()}
        for row in rows.loc[order, labels].to_dict("records")
    ]


def dearest_targets(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the targets, fitted by themselves, that cost most, the dearest first."""
    cost = table["cost_objective"].dropna()
    return table.loc[cost.sort_values(ascending=False, kind="stable").index[:DEAREST]]


def describe_dearest(rows: pd.DataFrame, dropped: list[dict]) -> list[dict]:
    """Return JSON-ready rows: what each target costs, and what would be gained without it.

    Args:
        rows: of `dearest_targets`.
        dropped: of `localcal.weights.prices.without`, in the same order.
    """
    labels = [
        "target_id", "name", "verdict", "rel_error", "error_uprated", "effective_households",
        "cost_objective", "cost_dispersion",
    ]  # fmt: skip
    told = rows[labels].to_dict("records")
    return [
        {str(label): _plain(value) for label, value in row.items()} | found
        for row, found in zip(told, dropped, strict=True)
    ]


def moved_areas(table: pd.DataFrame) -> list[dict]:
    """Return the areas whose values were moved by more than 2 % to make the levels agree.

    One JSON-ready row per area, the one moved most first: how many of its targets were, and which
    by how much at most.
    """
    rows = with_moves(table)
    found = []
    for (level, area), moved in rows[rows["is_moved"]].groupby(["geo_level", "area"], sort=True):
        most = moved.iloc[int(moved["move"].abs().to_numpy().argmax())]
        row = {"level": str(level), "area": str(area), "targets": len(moved)}
        found.append(row | {"most": float(most["move"]), "name": str(most["name"])})
    return sorted(found, key=lambda row: -abs(row["most"]))


def with_moves(table: pd.DataFrame) -> pd.DataFrame:
    """Add `area`, as the areas' table spells it, and `move`: harmonized / uprated value - 1."""
    uprated = table["target_value"].to_numpy(np.float64)
    harmonized = table["harmonized_value"].to_numpy(np.float64)
    move = np.divide(harmonized, uprated, out=np.ones(len(table)), where=uprated != 0.0) - 1.0
    # 06 and 6 are one state.
    area = [area if area == "US" else str(int(area)) for area in table["geographic_id"]]
    is_moved = (np.abs(move) > CONTRADICTION) & table["role"].isin(FITTED_ROLES).to_numpy()
    return table.assign(area=area, move=move, is_moved=is_moved)


def area_table(table: pd.DataFrame, columns: "Columns", weights: np.ndarray) -> pd.DataFrame:
    """Return one row for the nation, every state and every district that has columns.

    Args:
        table: of `target_table`.
        columns: the columns of the matrix.
        weights: float64 (J,), final weights.

    Columns: level, area (US, FIPS or state * 100 + district), columns (with a design weight),
    records (with a final weight), sum_of_weights (households), effective_size (Kish, over
    records) and effective_households (Kish, over distinct households), is_publishable (the latter
    at least 10), largest_share (of one record), and number, median, 90th percentile, largest and
    signed mean of the relative errors of the area's fitted targets, and number and median of its
    held-out ones, by the final and by the base weights. Of the fitted ones further: uprated_median
    and uprated_max, of the errors from the values before harmonizing; moved and most_moved, how
    many that moved by more than 2 % and the largest move, relative and without sign; met_moved
    and carried_by_few, how many have that verdict and rest on too few effective households.
    """
    everywhere = np.zeros(len(weights), dtype=np.int32)
    places = {"nation": everywhere, "state": columns.state, "district": columns.district}
    parts = [_area_sizes(level, area, columns, weights) for level, area in places.items()]
    sizes = pd.concat(parts, ignore_index=True)
    keys = ["level", "area"]
    labelled = (
        with_moves(table).drop(columns="geographic_id").rename(columns={"geo_level": "level"})
    )
    labelled = labelled.assign(
        size=labelled["rel_error"].abs(),
        uprated=labelled["error_uprated"].abs(),
        moved_by=labelled["move"].abs(),
        is_met_moved=labelled["verdict"] == MET_MOVED,
    )
    fitted = labelled[labelled["role"] == "fitted"].groupby(keys)
    others = labelled[labelled["role"] == "held_out"].assign(
        base=lambda rows: rows["base_error"].abs()
    )
    held_out = others.groupby(keys)
    found = [
        fitted["size"].agg(
            fitted="size", median="median", p90=lambda sizes: sizes.quantile(0.9), max="max"
        ),
        fitted["rel_error"].mean().rename("bias"),
        held_out["size"].agg(held_out="size", held_out_median="median"),
        held_out["base"].median().rename("held_out_base_median"),
        fitted["uprated"].agg(uprated_median="median", uprated_max="max"),
        labelled.groupby(keys)["is_moved"].sum().rename("moved"),
        labelled[labelled["is_moved"]].groupby(keys)["moved_by"].max().rename("most_moved"),
        fitted["is_met_moved"].sum().rename("met_moved"),
        fitted["is_carried_by_few"].sum().rename("carried_by_few"),
    ]
    for part in found:
        sizes = sizes.merge(part, how="left", left_on=keys, right_index=True)
    counts = ["fitted", "held_out", "moved", "met_moved", "carried_by_few"]
    return sizes.assign(**{name: sizes[name].fillna(0).astype(np.int64) for name in counts})


def _area_sizes(
    level: str, area: np.ndarray, columns: "Columns", weights: np.ndarray
) -> pd.DataFrame:
    areas, position = np.unique(area, return_inverse=True)
    count = len(areas)
    kept = np.flatnonzero(weights > 0)
    # Clones of one household in one area are one observation.
    n_households = int(columns.household.max()) + 1
    home = position[kept].astype(np.int64) * n_households + columns.household[kept]
    homes, place = np.unique(home, return_inverse=True)
    by_home = np.bincount(place, weights[kept], len(homes))
    total = np.bincount(position, weights, count)
    square = np.bincount(position, weights * weights, count)
    square_homes = np.bincount(homes // n_households, by_home * by_home, count)
    largest = np.zeros(count)
    np.maximum.at(largest, position[kept], weights[kept])
    effective_households = _ratio(total * total, square_homes)
    return pd.DataFrame(
        {
            "level": level,
            "area": ["US"] if level == "nation" else areas.astype(str),
            "columns": np.bincount(position[columns.design_weight > 0], minlength=count),
            "records": np.bincount(position[kept], minlength=count),
            "sum_of_weights": total,
            "effective_size": _ratio(total * total, square),
            "effective_households": effective_households,
            "is_publishable": effective_households >= UNPUBLISHABLE_BELOW,
            "largest_share": _ratio(largest, total),
        }
    )


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)


def group_name(row: dict) -> str:
    return " / ".join(row[key] for key in ("geo_level", "variable", "domain_variable") if row[key])


def _plain(value: Any) -> Any:
    """Return a value JSON can hold: Python's own type, None for NaN."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
