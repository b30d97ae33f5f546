"""The report's tables."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from localcal.report.figures import ROLE_COLOURS
from localcal.report.fits import Fit


def families(fits: Sequence[Fit]) -> pd.DataFrame:
    """Return the relative errors of each scope by level, variable, domain and role."""
    tables = [pd.DataFrame(fit.report["errors"]).assign(scope=fit.scope) for fit in fits]
    table = pd.concat(tables, ignore_index=True)
    table = table[table["role"].isin(ROLE_COLOURS)]
    first = ["scope", "role", "geo_level", "variable", "domain_variable", "count", "base_median"]
    table = table[
        [*first, "median", "p90", "max", "bias", "finding", "uprated_median", "uprated_max"]
    ]
    return table.fillna({"finding": ""})


def accuracies(fits: Sequence[Fit]) -> pd.DataFrame:
    """Return the errors of fitted and of held-out targets of each scope, and at the start."""
    rows = []
    for fit in fits:
        found = fit.report["accuracy"]
        for role in ("fitted", "held_out"):
            if found[role]:
                after, start = found[role], found["start"][role]
                row = {"scope": fit.scope, "targets": role.replace("_", " "), "count": None}
                row |= after | {f"start {key}": start[key] for key in ("median", "p90")}
                rows.append(row)
    return pd.DataFrame(rows)


def penalties(fits: Sequence[Fit]) -> pd.DataFrame:
    """Return what each penalty that was tried comes to, by scope; no rows where it was given."""
    rows = [
        {"scope": fit.scope} | step | {"chosen": step["penalty"] == fit.report["penalty"]["value"]}
        for fit in fits
        for step in fit.report["penalty"]["path"]
    ]
    return pd.DataFrame(rows)


def worst_targets(
    fits: Sequence[Fit], margins: Mapping[str, pd.Series] | None = None
) -> pd.DataFrame:
    """Return the fitted targets of each scope that are missed most, worst first.

    `margins` are 90 % margins by scope and the target's name, where there are replicates: a last
    column then.
    """
    tables = [pd.DataFrame(fit.report["worst"]).assign(scope=fit.scope) for fit in fits]
    table = pd.concat(tables, ignore_index=True)
    first = ["scope", "name", "verdict", "harmonized_value"]
    estimates = ["base_estimate", "dense_estimate", "final_estimate", "rel_error"]
    sizes = ["columns", "effective_n", "largest_share", "effective_households"]
    table = table[[*first, *estimates, *sizes, "published_value", "target_value", "error_uprated"]]
    return _with_margins(table, margins)


def dearest_targets(fits: Sequence[Fit]) -> pd.DataFrame:
    """Return the targets of each scope that cost most, and what would be gained without them."""
    tables = [pd.DataFrame(fit.report["dearest"]).assign(scope=fit.scope) for fit in fits]
    table = pd.concat(tables, ignore_index=True)
    first = ["scope", "name", "verdict", "rel_error", "cost_objective", "cost_dispersion"]
    then = ["objective_gained", "dispersion", "dispersion_without", "rel_error_without"]
    return table[[*first, *then, "effective_households"]]


def sampling_errors(errors: pd.DataFrame) -> pd.DataFrame:
    """Return how sure the estimates of each scope are, by level and variable.

    Args:
        errors: rows of standard_errors.csv with `scope`.

    Returns:
        scope, kind (target, or the households of areas), geo_level, variable, estimates (how many),
        and the median, 90th percentile and largest of their 90 % margins, relative to them.
    """
    margin = errors["margin_90"] / errors["estimate"].abs()
    # What is zero has no relative margin.
    found = errors.assign(margin=margin.where(errors["estimate"] != 0.0))
    grouped = found.groupby(["scope", "kind", "geo_level", "variable"], sort=False)["margin"]
    table = grouped.agg(
        estimates="size",
        median_margin_90="median",
        p90_margin_90=lambda margins: margins.quantile(0.9),
        largest_margin_90="max",
    )
    return table.reset_index()


def _with_margins(table: pd.DataFrame, margins: Mapping[str, pd.Series] | None) -> pd.DataFrame:
    """Add `margin_90` to rows with `scope` and `name`, empty where a scope has no replicates."""
    if not margins:
        return table
    found = pd.concat(margins, names=["scope", "name"]).rename("margin_90")
    return table.join(found, on=["scope", "name"])


def errors_by_area(
    simulated: pd.DataFrame, margins: Mapping[str, pd.Series] | None = None
) -> pd.DataFrame:
    """Return one row per area: targets, and median, 90th percentile and largest error.

    With `margins`, as in `worst_targets`, also `median_margin_90` of its targets, relative to what
    they come to. A city has no targets of its own, so none.
    """
    table = _errors_by_area(simulated)
    if not margins:
        return table
    own = simulated[simulated["level"] != "city"]
    scope = np.where(own["level"] == "nation", "national", "local")
    own = _with_margins(own.assign(scope=scope), margins)
    # What is zero has no relative margin.
    size = own["simulated"].abs().where(own["simulated"] != 0.0)
    relative = own.assign(median_margin_90=own["margin_90"] / size)
    found = relative.groupby(["level", "area"])["median_margin_90"].median()
    return table.join(found, on=["level", "area"])


def _errors_by_area(simulated: pd.DataFrame) -> pd.DataFrame:
    size = simulated["rel_error"].abs()
    grouped = simulated.assign(size=size, insane=~simulated["sane"]).groupby(
        ["level", "area"], sort=False
    )
    return grouped.agg(
        targets=("target_value", "count"),
        median_abs_rel_error=("size", "median"),
        p90_abs_rel_error=("size", lambda errors: errors.quantile(0.9)),
        largest_abs_rel_error=("size", "max"),
        insane=("insane", "sum"),
    ).reset_index()


def fits_of_states(states: pd.DataFrame) -> pd.DataFrame:
    """Return one row per state: what the national file and the state's own say of it."""
    rows = []
    for area, table in states.groupby("area", sort=False):
        row: dict[str, object] = {"state": area}
        for size in ("households", "persons"):
            found = table[table["name"] == size].iloc[0]
            row |= {f"{size}, national file": found["national_file"]}
            row |= {f"{size}, state file": found["state_file"]}
        of_targets = table.iloc[2:].dropna(subset=["rel_difference"])
        apart = of_targets["rel_difference"].abs()
        row |= {"targets": len(of_targets), "median difference": apart.median()}
        if len(of_targets):
            worst = of_targets.iloc[int(apart.to_numpy().argmax())]
            row |= {"differs most": worst["name"], "national file": worst["national_file"]}
            row |= {"state file": worst["state_file"], "target": worst["target_value"]}
        rows.append(row)
    return pd.DataFrame(rows)
