"""The report's tables as people read them."""

from collections.abc import Mapping, Sequence

import pandas as pd

from localcal.report.elements import Cell, figure, number, percent, share, size, table
from localcal.report.fits import Fit
from localcal.report.named import family_in_words, names, reason
from localcal.report.outlines import place_name, read_states
from localcal.report.words import COUNTED, is_money, variable_in_words


def names_of(fits: Sequence[Fit]) -> dict[str, str]:
    """Return what people say of the targets, by their own names."""
    found: dict[str, str] = {}
    for fit in fits:
        found |= names(fit.targets)
    return found


def is_money_of(fits: Sequence[Fit]) -> dict[str, bool]:
    """Say which targets are in dollars, by their own names."""
    return {
        name: is_money(variable)
        for fit in fits
        for name, variable in zip(fit.targets["name"], fit.targets["variable"], strict=True)
    }


def totals(found: pd.DataFrame, scopes: Sequence[str]) -> str:
    """Return the nation's totals: published, before, and after each fit."""
    margins = [scope for scope in scopes if f"{scope}_margin_90" in found]
    columns = ["Total", "Published", "Before the fits", "Off by"]
    for scope in scopes:
        columns += [f"{scope.capitalize()} fit"]
        columns += [f"{scope.capitalize()} fit: 90 % margin"] * (scope in margins)
        columns += [f"{scope.capitalize()} fit: off by", f"{scope.capitalize()} fit: verdict"]
    rows: list[list[Cell | str]] = []
    for one in found.to_dict("records"):
        money = is_money(one["variable"])
        row: list[Cell | str] = [one["target"], figure(one["published"], money)]
        row += [figure(one[f"{scopes[0]}_before"], money), share(one[f"{scopes[0]}_before_error"])]
        for scope in scopes:
            row.append(figure(one[f"{scope}_after"], money))
            if scope in margins:
                margin = figure(one[f"{scope}_margin_90"], money)
                row.append(margin._replace(text=f"±\u00a0{margin.text}" if margin.text else ""))
            row.append(share(one[f"{scope}_after_error"]))
            row.append(str(one[f"{scope}_verdict"]).replace("_", " "))
        rows.append([*row, str(one["source"])])
    return table("Totals of the nation", [*columns, "Source"], rows)


def families(found: pd.DataFrame) -> str:
    """Return the errors by level and family."""
    rows: list[list[Cell | str]] = [
        [
            family_in_words(one["variable"], one["domain_variable"]),
            one["geo_level"],
            f"{one['scope']}, {one['role'].replace('_', ' ')}",
            number(one["count"]),
            size(_float(one["base_median"])),
            size(_float(one["median"])),
            size(_float(one["p90"])),
            size(_float(one["max"])),
            size(_float(one["uprated_median"])),
            str(one["finding"]),
        ]
        for one in found.to_dict("records")
    ]
    columns = ["Family", "Level", "Fit", "Targets", "Median before", "Median", "9 of 10 within"]
    columns += ["Largest", "Median from the uprated value", "Finding"]
    return table("Errors by level and family of targets", columns, rows)


def accuracies(found: pd.DataFrame) -> str:
    """Return the errors of fitted and of held-out targets."""
    rows: list[list[Cell | str]] = [
        [
            f"{one['scope']} fit, {one['targets']}",
            number(one["count"]),
            size(_float(one["start median"])),
            size(_float(one["median"])),
            size(_float(one["start p90"])),
            size(_float(one["p90"])),
        ]
        for one in found.to_dict("records")
    ]
    columns = ["Targets", "Number", "Median before", "Median", "9 of 10 before within"]
    return table(
        "Errors of what the fits were told, and of what was held out",
        [*columns, "9 of 10 within"],
        rows,
    )


def worst(found: pd.DataFrame, known: Mapping[str, str], money: Mapping[str, bool]) -> str:
    """Return the targets missed most, with the reason."""
    rows = []
    has_margins = "margin_90" in found
    for one in found.to_dict("records"):
        of = money[one["name"]]
        row: list[Cell | str] = [known[one["name"]], str(one["scope"]), share(one["rel_error"])]
        row.append(reason(one["verdict"], one["effective_households"]))
        keys = ("published_value", "target_value", "harmonized_value", "base_estimate")
        row += [figure(one[key], of) for key in (*keys, "final_estimate")]
        if has_margins:
            row.append(figure(one["margin_90"], of))
        row += [number(one["effective_households"], 1), size(one["largest_share"])]
        rows.append(row)
    columns = ["Target", "Fit", "Off by", "Reason", "Published", "In the run's year", "Harmonized"]
    columns += ["Before the fit", "Estimate", *(["90 % margin"] * has_margins)]
    columns += ["Effective households", "Share of the largest weight"]
    return table("Targets that are missed most", columns, rows)


def dearest(found: pd.DataFrame, known: Mapping[str, str]) -> str:
    """Return the targets that cost most."""
    rows: list[list[Cell | str]] = [
        [
            known[one["name"]],
            str(one["scope"]),
            str(one["verdict"]).replace("_", " "),
            share(one["rel_error"]),
            _exact(one["cost_objective"]),
            _exact(one["cost_dispersion"]),
            _exact(one["objective_gained"]),
            number(one["dispersion"], 4),
            number(one["dispersion_without"], 4),
            share(one["rel_error_without"]),
            number(one["effective_households"], 1),
        ]
        for one in found.to_dict("records")
    ]
    columns = ["Target", "Fit", "Verdict", "Off by", "Cost in the objective", "Cost in dispersion"]
    columns += ["Objective gained without it", "Dispersion", "Dispersion without it"]
    columns += ["Off by without it", "Effective households"]
    return table("Targets that cost most", columns, rows)


def penalties(found: pd.DataFrame) -> str:
    """Return what each penalty that was tried comes to."""
    rows: list[list[Cell | str]] = [
        [
            str(one["scope"]),
            Cell(f"{one['penalty']:g}", one["penalty"]),
            size(_float(one["error_fitted"])),
            size(_float(one["error_held_out"])),
            size(_float(one["standard_error"])),
            number(_float(one["design_effect"]), 3),
            "chosen" if one["chosen"] else "",
        ]
        for one in found.to_dict("records")
    ]
    columns = ["Fit", "Penalty", "Error of fitted", "Error of held out", "Its standard error"]
    return table("Penalties that were tried", [*columns, "Design effect", "Chosen"], rows)


def sampling_errors(found: pd.DataFrame) -> str:
    """Return how sure the estimates are."""
    rows: list[list[Cell | str]] = [
        [
            _counted(one["variable"]),
            f"{one['scope']}, {one['kind']}",
            str(one["geo_level"]),
            number(one["estimates"]),
            size(one["median_margin_90"]),
            size(one["p90_margin_90"]),
            size(one["largest_margin_90"]),
        ]
        for one in found.to_dict("records")
    ]
    columns = ["Estimates of", "Fit", "Level", "Number", "Median margin", "9 of 10 within"]
    return table("90 % margins of the estimates", [*columns, "Largest margin"], rows)


def areas(found: pd.DataFrame) -> str:
    """Return what the files of the areas come to."""
    has_margins = "median_margin_90" in found
    rows = []
    for one in found.to_dict("records"):
        name, link = place_of_file(one["level"], one["area"])
        row: list[Cell | str] = [Cell(name, link=link), one["level"], number(one["targets"])]
        row += [size(one[f"{key}_abs_rel_error"]) for key in ("median", "p90", "largest")]
        row.append(number(one["insane"]))
        if has_margins:
            row.append(size(one["median_margin_90"]))
        rows.append(row)
    columns = ["Area", "Level", "Targets", "Median error", "9 of 10 within", "Largest error"]
    columns += ["Impossible totals", *(["Median 90 % margin"] * has_margins)]
    return table("What the areas' files come to in the model", columns, rows)


def place_of_file(level: str, area: str) -> tuple[str, str]:
    """Return what people call an area's file, and the link to its page; a city has none."""
    codes = {state.short: state.code for state in read_states().values()}
    if level == "nation":
        return place_name(level, area), "#area/nation/US"
    state, _, number_of = area.partition("-")
    if level not in ("state", "district") or state not in codes:
        return area, ""
    code = codes[state] if level == "state" else codes[state] * 100 + int(number_of)
    return place_name(level, str(code)), f"#area/{level}/{code}"


def states(found: pd.DataFrame, known: Mapping[str, str], money: Mapping[str, bool]) -> str:
    """Return the states in the national file and in their own."""
    rows = []
    for one in found.to_dict("records"):
        name, link = place_of_file("state", one["state"])
        row: list[Cell | str] = [Cell(name, link=link)]
        for unit in ("households", "persons"):
            row += [figure(one[f"{unit}, {file} file"], False) for file in ("national", "state")]
        row += [number(one["targets"]), size(_float(one["median difference"]))]
        most = one.get("differs most")
        if isinstance(most, str):
            of = money.get(most, True)
            row += [known.get(most, most)]
            row += [figure(one[key], of) for key in ("national file", "state file", "target")]
        else:
            row += ["", *[Cell("", float("nan"))] * 3]
        rows.append(row)
    columns = ["State", "Households, national file", "Households, its own", "People, national file"]
    columns += ["People, its own", "Targets", "Median difference", "Differs most", "National file"]
    return table(
        "States in the national file and in their own", [*columns, "Its own", "Target"], rows
    )


def fit_row(fit: Fit) -> dict[str, str]:
    """Return what a fit is, in words."""
    report, quality = fit.report, fit.report["weights"]
    row = {"targets": f"{report['n_targets']:,}"}
    row |= {
        key.replace("_", " "): f"{count:,}" for key, count in report["targets_by_verdict"].items()
    }
    row |= {"sweeps": f"{report['sweeps']:,}", "stopped by": str(report["stopped_by"])}
    row |= {
        "root mean square of the gaps": percent(report["rms_gap"]),
        "loss": f"{report['loss']:.4g}",
    }
    if report["settings"]["method"] != "given":
        row["distance"] = report["settings"]["distance"].replace("_", " ")
    row |= {
        "weights": f"{quality['records']:,}",
        "weights per target": f"{report['records_per_target']:,.1f}",
        "design effect before": f"{quality['design_effect_base']:.3f}",
        "design effect": f"{quality['design_effect']:.3f}",
        "effective households": f"{quality['effective_size_households']:,.0f}",
        "largest over mean weight": f"{quality['largest_over_mean']:,.1f}",
    }
    return row


def fits_side_by_side(fits: Sequence[Fit]) -> str:
    """Return what the fits are, one column each."""
    rows = {fit.scope: fit_row(fit) for fit in fits}
    keys = list(dict.fromkeys(key for row in rows.values() for key in row))
    return table(
        "The fits",
        ["What", *(f"{scope} fit" for scope in rows)],
        [[key, *(row.get(key, "") for row in rows.values())] for key in keys],
    )


def _counted(variable: str) -> str:
    return COUNTED.get(variable) or variable_in_words(variable)


def _exact(value: float) -> Cell:
    return Cell("" if pd.isna(value) else f"{value:.3g}", value)


def _float(value: float | None) -> float:
    return float("nan") if value is None else float(value)
