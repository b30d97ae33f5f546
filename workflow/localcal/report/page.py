"""Pictures and tables of one run: how well it was fitted, and what the written files come to.

Errors are shown by level and family of targets, never pooled only: a pooled figure has hidden bad
fits before.
"""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pandas as pd

from localcal.errors import REMAKE, InputError
from localcal.files.atomic import atomic_path
from localcal.files.documents import read_json
from localcal.files.origins import refuse_other_files
from localcal.files.table import read_table
from localcal.report.figures import (
    draw_errors,
    draw_penalties,
    draw_simulated,
    draw_sizes,
    draw_weights,
    png,
)
from localcal.report.fits import Fit
from localcal.report.parts import PAGE, table_of
from localcal.report.tables import (
    accuracies,
    dearest_targets,
    errors_by_area,
    families,
    fits_of_states,
    penalties,
    sampling_errors,
    worst_targets,
)
from localcal.report.totals import national_totals, totals_in_words

# Columns of the areas' tables.
BESIDE = ("area", "name", "target_value", "national_file", "state_file", "rel_difference")
ERRORS = ("kind", "name", "geo_level", "variable", "estimate", "margin_90")
SHOWN = ("level", "area", "name", "target_value", "simulated", "rel_error", "sane")


@dataclass(frozen=True)
class ReportInputs:
    """The files that a report shows besides the fits."""

    validations: Sequence[Path]
    """The areas' tables."""
    validation: Path
    """Their summary."""
    states: Path
    """The national file and the states' beside each other."""
    matrix: Path
    """The matrix's summary."""
    errors: Sequence[Path] = ()
    """Standard errors of the fits that have replicates, each in the folder of its scope."""


@dataclass(frozen=True)
class ReportOutputs:
    """The files of a report."""

    errors: Path
    sizes: Path
    weights: Path
    simulated: Path
    """Pictures, as the ones above."""
    families: Path
    worst: Path
    totals: Path
    areas: Path
    """Tables, as the ones above."""
    index: Path
    """The page, written last."""


def write_report(fits: Sequence[Fit], inputs: ReportInputs, outputs: ReportOutputs) -> None:
    """Draw and write everything, the page last.

    Args:
        fits: one per scope.
        inputs: the files read.
        outputs: the files written.

    Raises:
        InputError: a file is missing or damaged.
    """
    matplotlib.use("Agg")
    matrix = read_json(inputs.matrix, ("shape", "nnz", "impossible"))
    validation = read_json(
        inputs.validation, ("areas", "rows", "insane", "digests", "simulated_districts")
    )
    summed_up = {f"{path.parent.name}/{path.stem}": path for path in inputs.validations}
    summed_up["states"] = inputs.states
    refuse_other_files(inputs.validation, validation["digests"], summed_up)
    simulated = pd.concat(
        [read_table(path, SHOWN, ["level", "area", "name"]) for path in inputs.validations],
        ignore_index=True,
    )
    pictures = {
        "errors": draw_errors(fits),
        "sizes": draw_sizes(fits),
        "weights": draw_weights(fits),
        "simulated": draw_simulated(simulated),
    }
    images = {name: png(figure) for name, figure in pictures.items()}
    errors = _read_errors(fits, inputs.errors)
    margins = {
        scope: table[table["kind"] == "target"].set_index("name")["margin_90"]
        for scope, table in errors.items()
    }
    tables = {
        "families": families(fits),
        "worst": worst_targets(fits, margins),
        "totals": national_totals(fits, margins),
        "areas": errors_by_area(simulated, margins),
    }
    dearest = dearest_targets(fits)
    sure = pd.DataFrame()
    if errors:
        sure = sampling_errors(pd.concat(errors.values(), ignore_index=True))
    states = fits_of_states(read_table(inputs.states, BESIDE, ["area", "name"]))
    page = _page(
        fits,
        matrix,
        validation,
        images,
        tables | {"states": states, "dearest": dearest, "sure": sure},
    )
    for name, image in images.items():
        with atomic_path(getattr(outputs, name)) as part:
            part.write_bytes(image)
    for name, table in tables.items():
        with atomic_path(getattr(outputs, name)) as part:
            table.to_csv(part, index=False)
    with atomic_path(outputs.index) as part:
        part.write_text(page)


def _read_errors(fits: Sequence[Fit], paths: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """Return rows of ERRORS with `scope`, by scope."""
    targets = {fit.scope: fit.targets["name"].tolist() for fit in fits}
    found = {}
    for path in paths:
        scope = path.parent.name
        table = read_table(path, ERRORS, ERRORS[:4]).assign(scope=scope)
        if table.loc[table["kind"] == "target", "name"].tolist() != targets[scope]:
            raise InputError(f"{path}: its targets are not those of the fit; {REMAKE}")
        found[scope] = table
    return found


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
        "<h2>Totals of the nation</h2>",
        "<p>Before: what the households come to with their own weights, scaled. No fit was told "
        "those compared. Published figures of other years are brought to the run's.</p>",
        table_of(totals_in_words(tables["totals"], [fit.scope for fit in fits])),
        "<h2>Fit</h2>",
        table_of(pd.DataFrame([_fit_row(fit) for fit in fits]).set_index("scope").T, index=True),
        *(_findings(fit) for fit in fits),
        _image("errors", images),
        "<h3>What the weights know of what they were told, and of what they were not</h3>",
        table_of(accuracies(fits)),
        *_penalty(fits),
        "<h3>Errors by level and family</h3>",
        table_of(tables["families"]),
        "<h3>Missed most</h3>",
        table_of(tables["worst"]),
        "<h3>What costs most</h3>",
        "<p>What the objective and the weights' dispersion rise by per per cent by which a target "
        "must be met better; and, without it, by how much the objective falls, and what the "
        "dispersion and its own error would be.</p>",
        table_of(tables["dearest"]),
        *_sure(tables["sure"]),
        "<h3>How many households an area rests on</h3>",
        _image("sizes", images),
        "<h3>Weights</h3>",
        _image("weights", images),
        "<h2>Validation</h2>",
        f"<p>{validation['areas']:,} areas, {validation['rows']:,} pairs of area and target, "
        f"{len(validation['insane'])} totals beyond what is possible.</p>",
        _sampled(validation["simulated_districts"]),
        _image("simulated", images),
        table_of(tables["areas"]),
        "<h3>States in the national file and in their own</h3>",
        "<p>The national file has the weights of the national fit, every other file those of the "
        "local one; nothing makes them agree on a state. Which to use: the national file for the "
        "nation, a state's for the state.</p>",
        table_of(tables["states"]),
    ]
    return PAGE.format(title="Fit and validation", body="\n".join(parts))


def _sure(table: pd.DataFrame) -> list[str]:
    if table.empty:
        return []
    return [
        "<h3>How sure the estimates are</h3>",
        "<p>90 % margins relative to the estimate, from fits with other households; the targets "
        "count as known.</p>",
        table_of(table),
    ]


def _penalty(fits: Sequence[Fit]) -> list[str]:
    """Say how the penalties were chosen, where they were."""
    chosen = [fit for fit in fits if fit.report["penalty"]["path"]]
    if not chosen:
        return []
    # Inside the page only: no file of its own, since most settings need none.
    image = {"penalties": png(draw_penalties(chosen))}
    return [
        "<h3>How the penalty was chosen</h3>",
        "<p>A fifth of the targets at a time was left out; chosen is the largest penalty whose "
        "held-out error is within one standard error (of the difference) of the smallest.</p>",
        _image("penalties", image),
        table_of(penalties(chosen)),
    ]


def _sampled(names: Sequence[str]) -> str:
    if not names:
        return "<p>No district's own file was simulated (validation.simulated_districts).</p>"
    return (
        f"<p>By itself, each of these districts' files comes to what its state's does: "
        f"{html.escape(', '.join(names))}.</p>"
    )


def _fit_row(fit: Fit) -> dict[str, object]:
    report, quality = fit.report, fit.report["weights"]
    row: dict[str, object] = {"scope": fit.scope, "targets": report["n_targets"]}
    row |= report["targets_by_verdict"]
    row |= {key: report[key] for key in ("sweeps", "stopped_by", "rms_gap", "loss")}
    if report["settings"]["method"] != "given":
        row["distance"] = report["settings"]["distance"].replace("_", " ")
    row |= {"records": quality["records"], "records per target": report["records_per_target"]}
    keys = ("design_effect_base", "design_effect", "effective_size_households")
    row |= {key.replace("_", " "): quality[key] for key in keys}
    row["largest over mean weight"] = quality["largest_over_mean"]
    return row


def _findings(fit: Fit) -> str:
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in fit.report["findings"])
    return f"<h3>Not to be overlooked in the {fit.scope} fit</h3><ul>{lines or '<li>nothing'}</ul>"


def _image(name: str, images: Mapping[str, bytes]) -> str:
    # Inside the page, which may be moved or shown by Snakemake's report.
    data = base64.b64encode(images[name]).decode("ascii")
    return f'<p><img alt="{html.escape(name)}" src="data:image/png;base64,{data}"></p>'
