"""The report's pictures."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from localcal.report.fits import Fit
from localcal.report.named import family_in_words
from localcal.weights.verdicts import MISSED_ABOVE, UNPUBLISHABLE_BELOW

# Errors below this are drawn here, since a logarithmic axis has no zero.
SMALLEST_ERROR = 1e-5
SMALLEST_SIZE = 0.5

ROLE_COLOURS = {"fitted": "tab:blue", "held_out": "tab:orange", "merged": "tab:gray"}
_LEVEL_COLOURS = {
    "nation": "tab:red",
    "state": "tab:blue",
    "district": "tab:gray",
    "city": "tab:green",
}


def draw_errors(fits: Sequence[Fit]) -> Figure:
    """Draw absolute relative errors by level and family of targets, one panel per scope.

    A bar runs from the median to the largest error, over a ring for the median of the base weights.
    """
    groups = [[row for row in fit.report["errors"] if row["role"] in ROLE_COLOURS] for fit in fits]
    heights = [len(rows) + 2 for rows in groups]
    figure = Figure(figsize=(9, 0.6 * len(fits) + 0.27 * sum(heights)), layout="constrained")
    panels = figure.subplots(len(fits), 1, squeeze=False, sharex=True, height_ratios=heights)
    for axes, fit, rows in zip(panels[:, 0], fits, groups, strict=True):
        for place, row in enumerate(rows):
            _draw_group(axes, place, row)
        labels = [f"{_family(row)} ({row['count']})" for row in rows]
        axes.set_yticks(range(len(rows)), labels, fontsize=8)
        for text, row in zip(axes.get_yticklabels(), rows, strict=True):
            text.set_color(ROLE_COLOURS[row["role"]])
        axes.set_xscale("log")
        axes.axvline(MISSED_ABOVE, linestyle="--", color="tab:red", linewidth=1)
        axes.set_title(f"{fit.scope} fit", loc="left")
        axes.set_ylim(len(rows) - 0.5, -0.5)
    panels[0, 0].legend(handles=_error_legend(groups), loc="lower right", ncols=2, fontsize=8,
                        bbox_to_anchor=(1.0, 1.0))  # fmt: skip
    panels[-1, 0].set_xlabel("absolute relative error")
    return figure


def _draw_group(axes: Axes, place: int, row: Mapping) -> None:
    if row["median"] is None:
        return
    colour = ROLE_COLOURS[row["role"]]
    median, p90, largest, base = (
        max(row[key], SMALLEST_ERROR) for key in ("median", "p90", "max", "base_median")
    )
    axes.plot([median, largest], [place, place], color=colour, linewidth=1)
    axes.plot([median, p90], [place, place], color=colour, linewidth=4, solid_capstyle="butt")
    axes.plot([base], [place], marker="o", markersize=6, markerfacecolor="none", color="black")
    axes.plot([median], [place], marker="o", markersize=5, color=colour)
    axes.plot([largest], [place], marker="|", markersize=8, color=colour)


def _error_legend(groups: Sequence[Sequence[Mapping]]) -> list[Line2D]:
    roles = [
        role
        for role in ROLE_COLOURS
        if any(row["role"] == role for group in groups for row in group)
    ]
    handles = [
        Line2D([], [], marker="o", color=ROLE_COLOURS[role], linewidth=3,
               label=f"{role.replace('_', ' ')}: median, 90 %, largest")
        for role in roles
    ]  # fmt: skip
    ring = Line2D([], [], marker="o", markerfacecolor="none", color="black", linewidth=0)
    ring.set_label("median of the base weights")
    return [*handles, ring]


def _family(row: Mapping) -> str:
    family = family_in_words(row["variable"], row["domain_variable"] or "")
    return f"{row['geo_level']}: {family}"


def draw_sizes(fits: Sequence[Fit]) -> Figure:
    """Draw the effective number of households of every state and district, smallest first."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, len(fits), squeeze=False, sharey=True)[0]
    for axes, fit in zip(panels, fits, strict=True):
        for level, colour in (("state", "tab:blue"), ("district", "tab:gray")):
            sizes = fit.areas.loc[fit.areas["level"] == level, "effective_households"]
            sizes = np.sort(np.maximum(sizes.to_numpy(), SMALLEST_SIZE))
            share = (np.arange(len(sizes)) + 0.5) / max(len(sizes), 1)
            low = int((sizes < UNPUBLISHABLE_BELOW).sum())
            label = f"{level}s, {low} of {len(sizes)} not publishable"
            axes.plot(share, sizes, marker=".", markersize=3, color=colour, label=label)
        axes.axhline(UNPUBLISHABLE_BELOW, linestyle="--", color="tab:red", linewidth=1)
        axes.set_yscale("log")
        axes.set_title(f"{fit.scope} fit")
        axes.set_xlabel("share of areas")
        axes.legend(fontsize=8)
    panels[0].set_ylabel("effective households")
    return figure


def draw_weights(fits: Sequence[Fit]) -> Figure:
    """Draw the distribution of weights over their mean and of the factors between the bounds."""
    figure = Figure(figsize=(9, 2.6 * len(fits)), layout="constrained")
    panels = figure.subplots(len(fits), 2, squeeze=False)
    for (left, right), fit in zip(panels, fits, strict=True):
        quality = fit.report["weights"]
        left.hist(np.log10(fit.weights / fit.weights.mean()), bins=60)
        left.set_title(
            f"{fit.scope}: {fit.weights.size:,} of {fit.report['n_columns']:,} columns, design "
            f"effect {quality['design_effect']:.2f}", fontsize=9,
        )  # fmt: skip
        left.set_xlabel("log10 of weight / mean weight")
        left.set_ylabel("columns")
        right.hist(np.log10(fit.factor), bins=60)
        for bound in fit.report["settings"]["bounds"]:
            right.axvline(np.log10(bound), linestyle="--", color="tab:red", linewidth=1)
        right.set_title(
            f"{quality['share_at_lower_bound']:.1%} at the lower, "
            f"{quality['share_at_upper_bound']:.1%} at the upper bound", fontsize=9,
        )  # fmt: skip
        right.set_xlabel("log10 of factor on the design weight")
        right.locator_params(axis="x", nbins=6)
    return figure


def draw_penalties(fits: Sequence[Fit]) -> Figure:
    """Draw errors and design effect against the penalty, one panel per scope that chose it."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, len(fits), squeeze=False)[0]
    for axes, fit in zip(panels, fits, strict=True):
        path = pd.DataFrame(fit.report["penalty"]["path"])
        axes.plot(path["penalty"], path["error_fitted"], marker=".", label="fitted")
        axes.errorbar(
            path["penalty"], path["error_held_out"], yerr=path["standard_error"], marker=".",
            capsize=2, label="held out, ± its standard error",
        )  # fmt: skip
        axes.axvline(fit.report["penalty"]["value"], linestyle="--", color="black", linewidth=1)
        axes.set_xscale("log")
        axes.invert_xaxis()
        axes.set_xlabel("penalty")
        axes.set_ylabel("mean absolute relative error")
        axes.set_ylim(bottom=0.0)
        axes.set_title(f"{fit.scope} fit: {fit.report['penalty']['value']:g}")
        beside = axes.twinx()
        beside.plot(path["penalty"], path["design_effect"], color="tab:gray", label="design effect")
        beside.set_ylabel("design effect", color="tab:gray")
        axes.legend(fontsize=8, loc="lower left")
    return figure


# The values of a target by how they are called.
_VALUES = {
    "published_value": "published",
    "target_value": "uprated to the run's year",
    "harmonized_value": "harmonized",
}


def draw_targets(fits: Sequence[Fit]) -> Figure:
    """Draw the estimates of fitted and held-out targets against each of their three values."""
    figure = Figure(figsize=(11, 3.9 * len(fits)), layout="constrained")
    panels = figure.subplots(len(fits), len(_VALUES), squeeze=False)
    for row, fit in zip(panels, fits, strict=True):
        judged = fit.targets[fit.targets["role"].isin(["fitted", "held_out"])]
        for axes, (column, name) in zip(row, _VALUES.items(), strict=True):
            drawn = judged[(judged[column] > 0) & (judged["final_estimate"] > 0)]
            for level, rows in drawn.groupby("geo_level", sort=True):
                axes.scatter(
                    rows[column], rows["final_estimate"], s=7, linewidth=0, alpha=0.7,
                    color=_LEVEL_COLOURS[str(level)], label=level,
                )  # fmt: skip
            if len(drawn):
                ends = [drawn[column].min(), drawn[column].max()]
                axes.plot(ends, ends, color="black", linewidth=0.8)
                axes.set(xscale="log", yscale="log")
                axes.legend(fontsize=8)
            far = (drawn["final_estimate"] / drawn[column] - 1).abs() > MISSED_ABOVE
            axes.set_title(
                f"{fit.scope} fit, {name}\n{far.sum():,} of {len(drawn):,} more than "
                f"{MISSED_ABOVE:.0%} off",
                fontsize=9,
            )
            axes.set_xlabel(f"target, {name}", fontsize=8)
            axes.tick_params(labelsize=7)
        row[0].set_ylabel("estimate (persons, units or dollars)", fontsize=8)
    return figure


def draw_simulated(simulated: pd.DataFrame) -> Figure:
    """Draw the written files' totals against the official targets, on logarithmic axes."""
    figure = Figure(figsize=(6.5, 6), layout="constrained")
    axes = figure.subplots()
    drawn = simulated[(simulated["target_value"] > 0) & (simulated["simulated"] > 0)]
    for level, rows in drawn.groupby("level", sort=True):
        colour = _LEVEL_COLOURS[str(level)]
        axes.scatter(rows["target_value"], rows["simulated"], s=6, color=colour, label=level)
    if len(drawn):
        ends = [drawn["target_value"].min(), drawn["target_value"].max()]
        axes.plot(ends, ends, color="black", linewidth=0.8)
        axes.set(xscale="log", yscale="log")
        axes.legend()
    axes.set(xlabel="target (persons, units or dollars)", ylabel="simulated from the area's file")
    return figure


def png(figure: Figure) -> bytes:
    image = BytesIO()
    # Without matplotlib's version in it, the same picture has the same bytes for longer.
    figure.savefig(image, format="png", dpi=110, metadata={"Software": None})
    return image.getvalue()
