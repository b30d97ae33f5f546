"""Pictures and tables of one run: how well it was fitted, and what the written files come to.

Errors are shown by level and family of targets, never pooled only: a pooled figure has hidden bad
fits before.
"""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from localcal.diagnostics import MISSED_ABOVE, UNPUBLISHABLE_BELOW
from localcal.files import atomic_path
from localcal.trace import read_trace

# Errors below this are drawn here, since a logarithmic axis has no zero.
SMALLEST_ERROR = 1e-5
SMALLEST_SIZE = 0.5

_ROLE_COLOURS = {"fitted": "tab:blue", "held_out": "tab:orange", "merged": "tab:gray"}
_LEVEL_COLOURS = {
    "national": "tab:red",
    "states": "tab:blue",
    "districts": "tab:gray",
    "cities": "tab:green",
}

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.4 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }}
table {{ border-collapse: collapse; font-size: 13px }}
th, td {{ padding: .2em .6em; border-bottom: 1px solid #ddd; text-align: right }}
img {{ max-width: 100% }}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""


@dataclass(frozen=True)
class Fit:
    """One scope's fit."""

    scope: str
    report: Mapping
    """Content of fit.json."""
    targets: pd.DataFrame
    """Content of diagnostics.csv."""
    areas: pd.DataFrame
    """Content of areas.csv."""
    weights: np.ndarray
    """float64 (K,): positive weights, households."""
    factor: np.ndarray
    """float64 (K,): their factors on the scaled design weight / selection probability."""


def read_fit(scope: str, folder: Path) -> Fit:
    """Read the files of one fit from its folder."""
    texts = {"geographic_id": str, "domain_variable": str}
    targets = pd.read_csv(folder / "diagnostics.csv", dtype=texts)
    trace, _ = read_trace(folder / "trace.h5")
    kept = trace.factor > 0
    return Fit(
        scope=scope,
        report=json.loads((folder / "fit.json").read_text()),
        targets=targets.fillna({"domain_variable": ""}),
        areas=pd.read_csv(folder / "areas.csv", dtype={"area": str}),
        weights=trace.weights()[kept].astype(np.float64),
        factor=trace.factor[kept],
    )


def write_report(
    fits: Sequence[Fit],
    validations: Sequence[Path],
    validation_summary: Path,
    matrix_summary: Path,
    outputs: Mapping[str, Path],
) -> None:
    """Draw and write everything, the page last.

    Args:
        fits: one per scope.
        validations: the areas' tables.
        validation_summary: their summary.
        matrix_summary: the matrix's.
        outputs: errors, sizes, weights and simulated (pictures), families, worst and areas
            (tables), index (page).
    """
    matplotlib.use("Agg")
    simulated = pd.concat(
        [pd.read_csv(path, dtype={"area": str}) for path in validations], ignore_index=True
    )
    pictures = {
        "errors": draw_errors(fits),
        "sizes": draw_sizes(fits),
        "weights": draw_weights(fits),
        "simulated": draw_simulated(simulated),
    }
    images = {name: _png(figure) for name, figure in pictures.items()}
    tables = {
        "families": families(fits),
        "worst": worst_targets(fits),
        "areas": errors_by_area(simulated),
    }
    for name, image in images.items():
        with atomic_path(outputs[name]) as part:
            part.write_bytes(image)
    for name, table in tables.items():
        with atomic_path(outputs[name]) as part:
            table.to_csv(part, index=False)
    matrix = json.loads(matrix_summary.read_text())
    validation = json.loads(validation_summary.read_text())
    page = _page(fits, matrix, validation, images, tables)
    with atomic_path(outputs["index"]) as part:
        part.write_text(page)


def draw_errors(fits: Sequence[Fit]) -> Figure:
    """Draw absolute relative errors by level and family of targets, one panel per scope.

    A bar runs from the median to the largest error, over a ring for the median at the start.
    """
    groups = [[row for row in fit.report["errors"] if row["role"] in _ROLE_COLOURS] for fit in fits]
    heights = [len(rows) + 2 for rows in groups]
    figure = Figure(figsize=(9, 0.6 * len(fits) + 0.27 * sum(heights)), layout="constrained")
    panels = figure.subplots(len(fits), 1, squeeze=False, sharex=True, height_ratios=heights)
    for axes, fit, rows in zip(panels[:, 0], fits, groups, strict=True):
        for place, row in enumerate(rows):
            _draw_group(axes, place, row)
        labels = [f"{_family(row)} ({row['count']})" for row in rows]
        axes.set_yticks(range(len(rows)), labels, fontsize=8)
        for text, row in zip(axes.get_yticklabels(), rows, strict=True):
            text.set_color(_ROLE_COLOURS[row["role"]])
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
    colour = _ROLE_COLOURS[row["role"]]
    median, p90, largest, start = (
        max(row[key], SMALLEST_ERROR) for key in ("median", "p90", "max", "start_median")
    )
    axes.plot([median, largest], [place, place], color=colour, linewidth=1)
    axes.plot([median, p90], [place, place], color=colour, linewidth=4, solid_capstyle="butt")
    axes.plot([start], [place], marker="o", markersize=6, markerfacecolor="none", color="black")
    axes.plot([median], [place], marker="o", markersize=5, color=colour)
    axes.plot([largest], [place], marker="|", markersize=8, color=colour)


def _error_legend(groups: Sequence[Sequence[Mapping]]) -> list[Line2D]:
    roles = [role for role in _ROLE_COLOURS if any(row["role"] == role for row in sum(groups, []))]
    handles = [
        Line2D([], [], marker="o", color=_ROLE_COLOURS[role], linewidth=3,
               label=f"{role.replace('_', ' ')}: median, 90 %, largest")
        for role in roles
    ]  # fmt: skip
    ring = Line2D([], [], marker="o", markerfacecolor="none", color="black", linewidth=0)
    ring.set_label("median at the start")
    return [*handles, ring]


def _family(row: Mapping) -> str:
    return " / ".join(row[key] for key in ("geo_level", "variable", "domain_variable") if row[key])


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


def draw_simulated(simulated: pd.DataFrame) -> Figure:
    """Draw the written files' totals against the official targets, on logarithmic axes."""
    figure = Figure(figsize=(6.5, 6), layout="constrained")
    axes = figure.subplots()
    drawn = simulated[(simulated["target"] > 0) & (simulated["simulated"] > 0)]
    for level, rows in drawn.groupby("level", sort=True):
        colour = _LEVEL_COLOURS[str(level)]
        axes.scatter(rows["target"], rows["simulated"], s=6, color=colour, label=level)
    if len(drawn):
        ends = [drawn["target"].min(), drawn["target"].max()]
        axes.plot(ends, ends, color="black", linewidth=0.8)
        axes.set(xscale="log", yscale="log")
        axes.legend()
    axes.set(xlabel="target (persons, units or dollars)", ylabel="simulated from the area's file")
    return figure


def families(fits: Sequence[Fit]) -> pd.DataFrame:
    """Return the relative errors of each scope by level, variable, domain and role."""
    tables = [pd.DataFrame(fit.report["errors"]).assign(scope=fit.scope) for fit in fits]
    table = pd.concat(tables, ignore_index=True)
    table = table[table["role"].isin(_ROLE_COLOURS)]
    first = ["scope", "role", "geo_level", "variable", "domain_variable", "count", "start_median"]
    table = table[[*first, "median", "p90", "max", "bias", "finding"]]
    return table.fillna({"finding": ""})


def worst_targets(fits: Sequence[Fit]) -> pd.DataFrame:
    """Return the fitted targets of each scope that are missed most, worst first."""
    tables = [pd.DataFrame(fit.report["worst"]).assign(scope=fit.scope) for fit in fits]
    table = pd.concat(tables, ignore_index=True)
    first = ["scope", "name", "state", "harmonized_value"]
    estimates = ["start_estimate", "dense_estimate", "final_estimate", "rel_error"]
    return table[[*first, *estimates, "columns", "effective_n", "largest_share"]]


def errors_by_area(simulated: pd.DataFrame) -> pd.DataFrame:
    """Return one row per area: targets, and median, 90th percentile and largest error."""
    size = simulated["rel_error"].abs()
    grouped = simulated.assign(size=size, insane=~simulated["sane"]).groupby(
        ["level", "area"], sort=False
    )
    return grouped.agg(
        targets=("target", "count"),
        median_abs_rel_error=("size", "median"),
        p90_abs_rel_error=("size", lambda errors: errors.quantile(0.9)),
        largest_abs_rel_error=("size", "max"),
        insane=("insane", "sum"),
    ).reset_index()


def _png(figure: Figure) -> bytes:
    image = BytesIO()
    # Without matplotlib's version in it, the same picture has the same bytes for longer.
    figure.savefig(image, format="png", dpi=110, metadata={"Software": None})
    return image.getvalue()


def _page(
    fits: Sequence[Fit],
    matrix: Mapping,
    validation: Mapping,
    images: Mapping[str, bytes],
    tables: Mapping[str, pd.DataFrame],
) -> str:
    rows, columns = matrix["shape"]
    parts = [
        f"<p>Matrix of {rows:,} targets by {columns:,} columns, {matrix['nnz']:,} entries; "
        f"{len(matrix['impossible'])} targets no column adds to.</p>",
        "<h2>Fit</h2>",
        _table(pd.DataFrame([_fit_row(fit) for fit in fits]).set_index("scope").T, index=True),
        *(_findings(fit) for fit in fits),
        _image("errors", images),
        "<h3>Errors by level and family</h3>",
        _table(tables["families"]),
        "<h3>Missed most</h3>",
        _table(tables["worst"]),
        "<h3>How many households an area rests on</h3>",
        _image("sizes", images),
        "<h3>Weights</h3>",
        _image("weights", images),
        "<h2>Validation</h2>",
        f"<p>{validation['areas']:,} areas, {validation['rows']:,} pairs of area and target, "
        f"{len(validation['insane'])} totals beyond what is possible.</p>",
        _image("simulated", images),
        _table(tables["areas"]),
    ]
    return _PAGE.format(title="Fit and validation", body="\n".join(parts))


def _fit_row(fit: Fit) -> dict[str, object]:
    report, quality = fit.report, fit.report["weights"]
    row: dict[str, object] = {"scope": fit.scope, "targets": report["n_targets"]}
    row |= report["targets_by_state"]
    row |= {key: report[key] for key in ("sweeps", "stopped_by", "rms_gap", "loss")}
    row |= {"records": quality["records"], "records per target": report["records_per_target"]}
    keys = ("design_effect_start", "design_effect", "effective_size_households")
    row |= {key.replace("_", " "): quality[key] for key in keys}
    row["largest over mean weight"] = quality["largest_over_mean"]
    return row


def _findings(fit: Fit) -> str:
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in fit.report["findings"])
    return f"<h3>Not to be overlooked in the {fit.scope} fit</h3><ul>{lines or '<li>nothing'}</ul>"


def _table(table: pd.DataFrame, index: bool = False) -> str:
    return table.to_html(index=index, border=0, na_rep="", float_format="{:,.4g}".format)


def _image(name: str, images: Mapping[str, bytes]) -> str:
    # Inside the page, which may be moved or shown by Snakemake's report.
    data = base64.b64encode(images[name]).decode("ascii")
    return f'<p><img alt="{html.escape(name)}" src="data:image/png;base64,{data}"></p>'
