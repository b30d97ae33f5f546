"""Pictures and tables of one run: how well it was fitted, and what the written files come to.

Errors are shown by level and family of targets, never pooled only: a pooled figure has hidden bad
fits before.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import pandas as pd

from localcal.errors import REMAKE, InputError
from localcal.files.atomic import atomic_path
from localcal.files.documents import read_json
from localcal.files.origins import refuse_other_files
from localcal.files.table import read_table
from localcal.geography.geography import read_geography
from localcal.release.gates import Gate
from localcal.report import shown
from localcal.report.document import write_document
from localcal.report.earlier import changes
from localcal.report.elements import items, paragraph, picture, section
from localcal.report.embedded import embedded
from localcal.report.figures import (
    draw_errors,
    draw_penalties,
    draw_simulated,
    draw_sizes,
    draw_targets,
    draw_weights,
    png,
)
from localcal.report.fits import Fit
from localcal.report.jobs import draw_graph, draw_timeline, read_graph, read_jobs, sum_up
from localcal.report.maps import draw_maps
from localcal.report.named import finding_in_words
from localcal.report.origin import origin
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
from localcal.report.totals import national_totals
from localcal.report.verdict import answer, check_run, checks

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
    geography: Path | None = None
    """Places of the columns, for the weights of each area."""
    run: Path | None = None
    """The run's record, with logs, other records and earlier runs beside it, where they are at
    hand."""
    limits: Mapping[str, float | None] = field(default_factory=dict)
    """What a release is held against, where it is not what it is held against by default."""


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
    simulated = _read_validations(inputs.validations)
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
    sure = pd.DataFrame()
    if errors:
        sure = sampling_errors(pd.concat(errors.values(), ignore_index=True))
    states = fits_of_states(read_table(inputs.states, BESIDE, ["area", "name"]))
    geography = None if inputs.geography is None else read_geography(inputs.geography)
    data = embedded(fits, simulated, geography)
    content = Content(
        fits=fits,
        matrix=matrix,
        validation=validation,
        images=images,
        tables=tables | {"states": states, "dearest": dearest_targets(fits), "sure": sure},
        run=None if inputs.run is None else inputs.run.parent,
        gates=check_run(None if inputs.run is None else inputs.run.parent, inputs.limits),
        read=_files(inputs),
    )
    for name, image in images.items():
        with atomic_path(getattr(outputs, name)) as part:
            part.write_bytes(image)
    for name, table in tables.items():
        with atomic_path(getattr(outputs, name)) as part:
            table.to_csv(part, index=False)
    name = "" if content.run is None else content.run.name
    with atomic_path(outputs.index) as part:
        write_document(part, name, _sections(content), data)


@dataclass(frozen=True)
class Content:
    """All that the page is made of."""

    fits: Sequence[Fit]
    matrix: Mapping
    validation: Mapping
    images: Mapping[str, bytes]
    tables: Mapping[str, pd.DataFrame]
    run: Path | None
    """The run's folder."""
    gates: Sequence[Gate]
    read: Sequence[Path]
    """The files of the run that the report is made from."""


def _files(inputs: ReportInputs) -> list[Path]:
    found = [*inputs.validations, inputs.validation, inputs.states, inputs.matrix, *inputs.errors]
    return found + ([] if inputs.geography is None else [inputs.geography])


def _read_validations(paths: Sequence[Path]) -> pd.DataFrame:
    """Return the rows of all areas' tables, SHOWN; none where no area was asked for."""
    tables = [read_table(path, SHOWN, ["level", "area", "name"]) for path in paths]
    if tables:
        return pd.concat(tables, ignore_index=True)
    empty = {name: pd.Series(dtype="str") for name in SHOWN[:3]}
    empty |= {name: pd.Series(dtype="float64") for name in SHOWN[3:6]}
    return pd.DataFrame(empty | {"sane": pd.Series(dtype="bool")})


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


def _sections(content: Content) -> list[str]:
    """Return the parts of the page, the answer first."""
    known = shown.names_of(content.fits)
    return [
        answer(content.fits, content.gates, known),
        section(
            "places",
            "Where it is good, and where it is not",
            paragraph(
                "By the local fit, whose weights the files of states and districts have. Darkest: "
                "more than 5 % off, or too few effective households to be published."
            ),
            draw_maps(content.fits[0].areas),
        ),
        section(
            "targets",
            "Targets",
            '<div id="all-targets" class="scripted" hidden></div>',
            "<noscript><p>The table of all targets and the places' pages need JavaScript; "
            "weights/*/diagnostics.csv of the run has the same.</p></noscript>",
            "<h3>Target against estimate</h3>",
            picture(
                png(draw_targets(content.fits)),
                "Estimates of the fits against the targets as published, as brought to the run's "
                "year and as harmonized; the table above has the figures",
                "What the weights come to, against each target as it was published, brought to "
                "the run's year (uprated), and made to agree across levels (harmonized). What "
                "lies on the line is met.",
            ),
        ),
        _fit(content, known),
        _validation(content, known),
        section(
            "totals",
            "Totals of the nation",
            paragraph(
                "Before: what the households come to with their own weights, scaled. No fit was "
                "told those compared. Published figures of other years are brought to the run's."
            ),
            shown.totals(content.tables["totals"], [fit.scope for fit in content.fits]),
        ),
        *_of_run(content, known),
    ]


def _of_run(content: Content, known: dict[str, str]) -> list[str]:
    """Return what is only known where the run's folder is at hand."""
    if content.run is None:
        return []
    jobs = read_jobs(content.run)
    graph = read_graph(content.run, "write_report", content.read)
    return [
        section(
            "work", "Time and memory", sum_up(jobs), draw_timeline(jobs), draw_graph(graph, jobs)
        ),
        section("changes", "What changed against the run before", changes(content.run, known)),
        section("origin", "What it was made of", checks(content.gates, known), origin(content.run)),
    ]


def _fit(content: Content, known: dict[str, str]) -> str:
    rows, columns = content.matrix["shape"]
    fits, tables = content.fits, content.tables
    money = shown.is_money_of(fits)
    return section(
        "fit",
        "The fits",
        paragraph(
            f"Matrix of {rows:,} targets by {columns:,} columns, {content.matrix['nnz']:,} "
            f"entries; {len(content.matrix['impossible']):,} targets no column adds to."
        ),
        *(_findings(fit, known) for fit in fits),
        shown.fits_side_by_side(fits),
        "<h3>What the weights know of what they were told, and of what they were not</h3>",
        shown.accuracies(accuracies(fits)),
        *_penalty(fits),
        "<h3>Errors by level and family</h3>",
        picture(
            content.images["errors"],
            "Errors by level and family of targets; the table below has the figures",
            "A bar runs from the median to the largest error, a thick one to where 9 of 10 are; "
            "the ring is the median before the fit.",
        ),
        shown.families(tables["families"]),
        "<h3>Missed most</h3>",
        shown.worst(tables["worst"], known, money),
        "<h3>What costs most</h3>",
        paragraph(
            "What the objective and the weights' dispersion rise by per per cent by which a "
            "target must be met better; and, without it, by how much the objective falls, and "
            "what the dispersion and its own error would be."
        ),
        shown.dearest(tables["dearest"], known),
        *_sure(tables["sure"]),
        "<h3>Weights</h3>",
        picture(
            content.images["weights"],
            "Distribution of the weights over their mean, and of their factors on the design "
            "weight",
        ),
        picture(
            content.images["sizes"],
            "Effective households of states and districts, the smallest first; the pages of the "
            "places have the figures",
        ),
    )


def _validation(content: Content, known: dict[str, str]) -> str:
    validation, tables = content.validation, content.tables
    return section(
        "validation",
        "The written files in the model",
        paragraph(
            f"{validation['areas']:,} areas, {validation['rows']:,} pairs of area and target, "
            f"{len(validation['insane']):,} totals beyond what is possible."
        ),
        items(validation["insane"]),
        _sampled(validation["simulated_districts"]),
        picture(
            content.images["simulated"],
            "Totals of the written files against the targets; the table below has the errors",
        )
        if validation["rows"]
        else "",
        shown.areas(tables["areas"]),
        "<h3>States in the national file and in their own</h3>",
        paragraph(
            "The national file has the weights of the national fit, every other file those of the "
            "local one; nothing makes them agree on a state. Which to use: the national file for "
            "the nation, a state's for the state."
        ),
        shown.states(tables["states"], known, shown.is_money_of(content.fits)),
    )


def _sure(table: pd.DataFrame) -> list[str]:
    if table.empty:
        return []
    return [
        "<h3>How sure the estimates are</h3>",
        paragraph(
            "90 % margins relative to the estimate, from fits with other households; the targets "
            "count as known."
        ),
        shown.sampling_errors(table),
    ]


def _penalty(fits: Sequence[Fit]) -> list[str]:
    """Say how the penalties were chosen, where they were."""
    chosen = [fit for fit in fits if fit.report["penalty"]["path"]]
    if not chosen:
        return []
    # Inside the page only: no file of its own, since most settings need none.
    return [
        "<h3>How the penalty was chosen</h3>",
        paragraph(
            "A fifth of the targets at a time was left out; chosen is the largest penalty whose "
            "held-out error is within one standard error (of the difference) of the smallest."
        ),
        picture(
            png(draw_penalties(chosen)),
            "Errors and design effect against the penalty; the table below has the figures",
        ),
        shown.penalties(penalties(chosen)),
    ]


def _sampled(names: Sequence[str]) -> str:
    if not names:
        return paragraph("No district's own file was simulated (validation.simulated_districts).")
    return paragraph(
        "By itself, each of these districts' files comes to what its state's does: "
        f"{', '.join(names)}."
    )


def _findings(fit: Fit, known: dict[str, str]) -> str:
    told = [finding_in_words(text, known) for text in fit.report["findings"]]
    lines = items(told) or "<p>Nothing.</p>"
    return f"<h3>Not to be overlooked in the {html.escape(fit.scope)} fit</h3>{lines}"
