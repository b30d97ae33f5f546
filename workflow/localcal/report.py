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
from matplotlib.figure import Figure

from localcal.diagnostics import CONTRADICTED, MET, MISSED, MISSED_ABOVE, WORST
from localcal.files import atomic_path

FITTED = (MET, MISSED, CONTRADICTED)

# Errors below this are drawn here, since a logarithmic axis has no zero.
SMALLEST_ERROR = 1e-5

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
    """One scope's fit: the content of fit.json, diagnostics.csv and weights.npy."""

    scope: str
    report: Mapping
    targets: pd.DataFrame
    weights: np.ndarray

    @property
    def fitted(self) -> pd.DataFrame:
        """Return the rows of the targets that the fit aimed at."""
        return self.targets[self.targets["state"].isin(FITTED)]


def read_fit(scope: str, report: Path, diagnostics: Path, weights: Path) -> Fit:
    """Read the files of one fit."""
    targets = pd.read_csv(diagnostics, dtype={"geographic_id": str, "domain_variable": str})
    return Fit(
        scope,
        json.loads(report.read_text()),
        targets.fillna({"domain_variable": ""}),
        np.load(weights, mmap_mode="r"),
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
        outputs: errors, weights and simulated (pictures), worst and areas (tables), index (page).
    """
    matplotlib.use("Agg")
    simulated = pd.concat(
        [pd.read_csv(path, dtype={"area": str}) for path in validations], ignore_index=True
    )
    pictures = {
        "errors": draw_errors(fits),
        "weights": draw_weights(fits),
        "simulated": draw_simulated(simulated),
    }
    images = {name: _png(figure) for name, figure in pictures.items()}
    tables = {"worst": worst_targets(fits), "areas": errors_by_area(simulated)}
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
    """Draw absolute relative errors by level and family of targets, one panel per scope."""
    groups = [_error_groups(fit) for fit in fits]
    rows = sum(len(group) for group in groups)
    figure = Figure(figsize=(9, 1.6 * len(fits) + 0.32 * rows), layout="constrained")
    heights = [len(group) + 2 for group in groups]
    panels = figure.subplots(len(fits), 1, squeeze=False, sharex=True, height_ratios=heights)
    for axes, fit, group in zip(panels[:, 0], fits, groups, strict=True):
        if group:
            axes.boxplot(
                [np.maximum(errors, SMALLEST_ERROR) for errors in group.values()],
                orientation="horizontal",
                tick_labels=[f"{label} ({len(errors)})" for label, errors in group.items()],
                flierprops={"markersize": 2},
            )
        axes.set_xscale("log")
        axes.axvline(MISSED_ABOVE, linestyle="--", color="tab:red", linewidth=1)
        axes.set_title(f"{fit.scope} fit")
        axes.invert_yaxis()
    panels[-1, 0].set_xlabel("absolute relative error of the fitted targets")
    return figure


def _error_groups(fit: Fit) -> dict[str, np.ndarray]:
    keys = ["geo_level", "variable", "domain_variable"]
    groups = fit.fitted.dropna(subset="rel_error").groupby(keys, sort=True)["rel_error"]
    return {
        " / ".join(part for part in key if part): errors.abs().to_numpy() for key, errors in groups
    }


def draw_weights(fits: Sequence[Fit]) -> Figure:
    """Draw the distribution of positive weights over their mean, one panel per scope."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    panels = figure.subplots(1, len(fits), squeeze=False)[0]
    for axes, fit in zip(panels, fits, strict=True):
        positive = fit.weights[fit.weights > 0].astype(np.float64)
        if positive.size:
            axes.hist(np.log10(positive / positive.mean()), bins=60)
        axes.set_title(f"{fit.scope}: {positive.size:,} of {fit.weights.size:,} columns")
        axes.set_xlabel("log10 of weight / mean weight")
        axes.set_ylabel("columns")
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


def worst_targets(fits: Sequence[Fit]) -> pd.DataFrame:
    """Return the fitted targets of each scope that are missed most, worst first."""
    columns = ["name", "state", "harmonized_value", "final_estimate", "rel_error", "columns"]
    tables = []
    for fit in fits:
        order = fit.fitted["rel_error"].abs().sort_values(ascending=False, kind="stable").index
        table = fit.targets.loc[order[:WORST], columns]
        table.insert(0, "scope", fit.scope)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


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
        _table(pd.DataFrame([_fit_row(fit) for fit in fits])),
        _image("errors", images),
        _image("weights", images),
        "<h3>Missed most</h3>",
        _table(tables["worst"]),
        "<h2>Validation</h2>",
        f"<p>{validation['areas']:,} areas, {validation['rows']:,} pairs of area and target, "
        f"{len(validation['insane'])} totals beyond what is possible.</p>",
        _image("simulated", images),
        _table(tables["areas"]),
    ]
    return _PAGE.format(title="Fit and validation", body="\n".join(parts))


def _fit_row(fit: Fit) -> dict[str, object]:
    keys = ("n_targets", "n_fitted", "sweeps", "stopped_by", "rms_gap")
    row = {"scope": fit.scope} | {key: fit.report[key] for key in keys}
    return row | fit.targets["state"].value_counts().sort_index().to_dict()


def _table(table: pd.DataFrame) -> str:
    return table.to_html(index=False, border=0, na_rep="", float_format="{:,.4g}".format)


def _image(name: str, images: Mapping[str, bytes]) -> str:
    # Inside the page, which may be moved or shown by Snakemake's report.
    data = base64.b64encode(images[name]).decode("ascii")
    return f'<p><img alt="{html.escape(name)}" src="data:image/png;base64,{data}"></p>'
