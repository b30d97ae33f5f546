"""A sweep's page: what was asked, what failed, and each outcome against each parameter."""

import base64
import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from localcal.files.atomic import atomic_path
from localcal.files.documents import read_json
from localcal.files.replicates import read_about
from localcal.report.amounts import (
    Told,
    amount_in_words,
    change_in_words,
    margin_in_words,
    told_of,
    value_in_words,
)
from localcal.report.curves import FEWEST_FOR_MEANS, MOST_POINTS, draw_parameter, draw_parts, spaced
from localcal.report.effects import (
    Concerned,
    Effects,
    Failures,
    Reason,
    read_effects,
    read_failures,
)
from localcal.report.figures import png
from localcal.report.parts import PAGE
from localcal.report.sortable import SORTABLE, Cell, sortable_table
from localcal.sweeps.names import file_of
from localcal.sweeps.plan import Planned, read_plan
from localcal.sweeps.sets import Value, dates_of

# What a page can show and people can look at; all there is is in the tables.
MOST_AREAS = 10
MOST_PANELS = 12
MOST_CELLS = 12_000
MOST_ROWS = 600
MOST_REASONS = 40
MOST_VALUES = 8
FEW_SETS = 4

PLAN_KEYS = ("areas", "outcomes", "repeated", "seeds", "sets")

STYLE = """<style>
.panels { display: flex; flex-wrap: wrap; gap: .5em 1em }
.panels figure { margin: 0; max-width: 100% }
.panels figcaption { font-size: 13px }
</style>"""


@dataclass(frozen=True)
class SweepInputs:
    """The files that a sweep's page shows.

    Attributes:
        plan: the parameter sets.
        about: what the sweep takes.
        outcomes: their tables, in the sweep's order.
        failures: the rows that have no value.
        replicates: the replicate weights of the areas, in the sweep's order, or none.
    """

    plan: Path
    about: Path
    outcomes: Sequence[Path]
    failures: Path
    replicates: Sequence[Path]


@dataclass(frozen=True)
class _Shown:
    """What is shown of a sweep besides its outcomes.

    Attributes:
        about: content of plan.json.
        planned: its sets.
        varied: the parameters that have several values; the first one where none has.
        areas: those drawn.
    """

    about: Mapping[str, Any]
    planned: Planned
    varied: tuple[str, ...]
    areas: tuple[str, ...]

    def of(self, parameter: str) -> list[Value]:
        """Return what each set makes of a parameter; a set's number is its place."""
        place = self.planned.columns.index(parameter)
        return [values[place] for values in self.planned.values]

    @property
    def few(self) -> list[int]:
        """Return the sets of which parts are shown, evenly chosen by the first parameter."""
        order = np.argsort(self.of(self.varied[0]), kind="stable").tolist()
        return [order[place] for place in spaced(len(order), FEW_SETS)]

    def values(self, number: int) -> list[Value]:
        """Return what a set makes of the parameters that vary."""
        own = dict(zip(self.planned.columns, self.planned.values[number], strict=True))
        return [own[name] for name in self.varied]

    def label(self, number: int) -> str:
        """Return what a set is called."""
        values = ", ".join(map(value_in_words, self.values(number)[:3]))
        return self.planned.name[number] or f"set {number}: {values}"


def write_sweep_page(name: str, run_id: str, inputs: SweepInputs, path: Path) -> None:
    """Write the page of a sweep, which needs nothing beside it.

    Args:
        name: the sweep's.
        run_id: the run's.
        inputs: the files read.
        path: the page to write.

    Raises:
        InputError: a file is missing or damaged.
    """
    matplotlib.use("Agg")
    about = read_json(inputs.about, PLAN_KEYS)
    shown = _shown(read_plan(inputs.plan), about)
    factors = {
        area: float(read_about(own, ("variance_factor",))["variance_factor"])
        for area, own in zip(about["areas"], inputs.replicates, strict=bool(inputs.replicates))
    }
    failures = read_failures(inputs.failures)
    draws = len(about["seeds"])
    told = {outcome: told_of(outcome) for outcome in about["outcomes"]}
    effects = {
        outcome: read_effects(file, draws, factors, shown.few)
        for outcome, file in zip(about["outcomes"], inputs.outcomes, strict=True)
    }
    parts = [
        STYLE,
        SORTABLE,
        *_asked(run_id, shown, failures, bool(factors)),
        *_failures(failures, about["outcomes"]),
        *_outcomes(effects, told, shown),
    ]
    page = PAGE.format(title=f"Policy sweep {html.escape(name)}", body="\n".join(parts))
    with atomic_path(path) as part:
        part.write_text(page, encoding="utf-8")


def _shown(planned: Planned, about: Mapping[str, Any]) -> _Shown:
    varied = [
        name
        for name, values in zip(planned.columns, zip(*planned.values, strict=True), strict=True)
        if len(set(values)) > 1
    ]
    return _Shown(
        about, planned, tuple(varied or planned.columns[:1]), tuple(about["areas"][:MOST_AREAS])
    )


def _asked(run_id: str, shown: _Shown, failures: Failures, replicated: bool) -> Iterator[str]:
    """Say what was asked, and whether it was had."""
    about, failed = shown.about, len(failures.sets)
    sets, areas, seeds = about["sets"], about["areas"], about["seeds"]
    status = "All have their outcomes."
    if failed:
        status = "All of them failed." if failed == sets else f"{failed:,} of them failed."
    drawn = f"{len(seeds)} draws" if len(seeds) > 1 else "one draw"
    yield (
        f"<p>{_counted(sets, 'parameter set')} in {html.escape(_listed(areas))}, "
        f"{_counted(len(about['outcomes']), 'outcome')}, from the files of run "
        f"{html.escape(run_id)}. {status}</p>"
    )
    yield "<h2>What was asked</h2>"
    heads = ["parameter", "from", "to", "values"]
    rows = [_parameter(name, shown.of(name)) for name in shown.planned.columns]
    yield from sortable_table(heads, rows)
    yield (
        f"<p>Of each set and area {drawn} of who takes up what"
        f"{', with the replicates of the weights' if replicated else ''}. "
        f"{_sure(len(seeds), replicated)}</p>"
    )
    if len(shown.varied) > 1:
        some = f", {MOST_POINTS:,} of them at most" if sets > MOST_POINTS else ""
        yield (
            f"<p>A point is a parameter set{some}; the other parameters vary, too."
            f"{' Lines join means over classes of the parameter.' * (sets >= FEWEST_FOR_MEANS)}"
            "</p>"
        )
    if about["repeated"]:
        yield f"<p>{_counted(len(about['repeated']), 'set')} more were repetitions of these.</p>"


def _sure(draws: int, replicated: bool) -> str:
    if draws == 1 and not replicated:
        return (
            "Nothing tells how sure a figure is: ask for several draws (seeds.count) or for "
            "replicates."
        )
    if not replicated:
        return (
            "Intervals are 90 % ones of the change over the draws; that the households are a "
            "sample is not in them."
        )
    return (
        f"Intervals are 90 % ones of the change over the replicates{' and draws' * (draws > 1)}: "
        "other samples of households with their own weights."
    )


def _parameter(column: str, values: Sequence[Value]) -> list[Cell]:
    """Return a row on a parameter."""
    path = column.partition("@")[0]
    start, stop = dates_of(column) or ("year of the run", "")
    words = [value_in_words(value) for value in sorted(set(values))]
    told = ", ".join(words)
    if len(words) > MOST_VALUES:
        told = f"{len(words):,} from {words[0]} to {words[-1]}"
    return [Cell(text, text) for text in (path, start or "ever", stop or "ever", told)]


def _failures(failures: Failures, outcomes: Sequence[str]) -> Iterator[str]:
    """Say what has no value, and why."""
    if failures.reasons:
        heads = ["reason", "status", "outcomes", "sets", "first of them"]
        rows = [
            _reason(reason, own, len(outcomes)) for reason, own in failures.reasons[:MOST_REASONS]
        ]
        yield "<h2>What failed</h2>"
        yield _first(len(rows), len(failures.reasons), "reasons", "failures.parquet")
        yield from sortable_table(heads, rows)
    if failures.undefined:
        yield (
            f"<p>{_counted(failures.undefined, 'row')} of groups of nobody in their area have no "
            "value, which is no failure.</p>"
        )


def _reason(reason: Reason, own: Concerned, outcomes: int) -> list[Cell]:
    words = ": ".join(filter(None, (reason.error_type, reason.error_message)))
    told = "all" if len(own.outcomes) == outcomes else _listed(own.outcomes)
    texts = [Cell(text, text) for text in (words, reason.status, told)]
    return [*texts, Cell(f"{own.sets:,}", own.sets), Cell(f"set {own.first}", own.first)]


def _outcomes(
    effects: Mapping[str, Effects], told: Mapping[str, Told], shown: _Shown
) -> Iterator[str]:
    if all(own.table.empty for own in effects.values()):
        yield "<p>No parameter set has a value.</p>"
        return
    for outcome, own in effects.items():
        yield from _outcome(outcome, told[outcome], own, shown)
    yield from _sets(effects, told, shown)


def _outcome(outcome: str, told: Told, effects: Effects, shown: _Shown) -> Iterator[str]:
    """Show one outcome: without a reform, and its change against each parameter."""
    yield f"<h2>{html.escape(told.title)}</h2>"
    yield f"<p>{html.escape(told.about)}</p>"
    table = effects.table
    if table.empty:
        yield "<p>No parameter set has a value.</p>"
        return
    if told.before:
        yield f"<p>Without a reform: {html.escape(_baselines(effects, told))}.</p>"
    changed = [name for name in effects.groups if _changes(table[table["group"] == name])]
    for name in effects.groups:
        if name not in changed:
            yield f"<p>{html.escape(_head(told.title, name))}: no set changes it.</p>"
    panels = [(parameter, group) for group in changed for parameter in shown.varied]
    yield '<div class="panels">'
    for parameter, group in panels[:MOST_PANELS]:
        yield _panel(table[table["group"] == group], parameter, group, told, shown)
    yield from _parts(effects, told, shown)
    yield "</div>"
    yield from _certainty(table[table["group"].isin(changed)], told)
    yield from _left_out(outcome, effects, shown, len(panels))


def _certainty(rows: pd.DataFrame, told: Told) -> Iterator[str]:
    """Say how sure the changes are, since a picture of many points has no room for that."""
    found = rows["margin"].dropna()
    if len(found):
        middle, largest = (margin_in_words(one, told.unit) for one in (found.median(), found.max()))
        yield f"<p>90 % margins: {middle} in the middle, {largest} at most.</p>"


def _changes(rows: pd.DataFrame) -> bool:
    return bool((rows["delta"] != 0).any())


def _baselines(effects: Effects, told: Told) -> str:
    """Return what there is without a reform, which is the same in all sets."""
    before = effects.table.drop_duplicates(["area", "group"])
    before = before[before["group"].isin(effects.groups)]
    columns = (before[name].tolist() for name in ("area", "group", "baseline"))
    return "; ".join(
        f"{_head(area, group)} {amount_in_words(baseline, told.unit)}"
        for area, group, baseline in zip(*columns, strict=True)
    )


def _panel(rows: pd.DataFrame, parameter: str, group: str, told: Told, shown: _Shown) -> str:
    points = rows.assign(x=np.array(shown.of(parameter))[rows["set_idx"]])
    alone = len(shown.varied) == 1
    figure = draw_parameter(points, parameter, shown.areas, told.unit, alone)
    title = _head(told.title, group)
    return _figure(figure, title, f"{title} by {parameter}")


def _parts(effects: Effects, told: Told, shown: _Shown) -> Iterator[str]:
    """Show the parts of an area, its deciles or states, for a few sets."""
    labels = {number: shown.label(number) for number in shown.few}
    for area in shown.areas[:MOST_PANELS] if effects.parts else ():
        table = effects.table
        rows = table[(table["area"] == area) & table["set_idx"].isin(labels)]
        rows = rows[rows["group"].isin(effects.parts)]
        if not _changes(rows):
            continue
        present = [name for name in effects.parts if (rows["group"] == name).any()]
        figure = draw_parts(rows, present, labels, told.unit)
        yield _figure(figure, f"{told.title} in parts of {area}", f"{told.title}, {area}, parts")


def _left_out(outcome: str, effects: Effects, shown: _Shown, panels: int) -> Iterator[str]:
    left = []
    if panels > MOST_PANELS:
        left.append(f"{panels - MOST_PANELS} more pictures of a group against a parameter")
    if effects.left_out:
        left.append(_counted(effects.left_out, "more group"))
    if len(shown.about["areas"]) > len(shown.areas):
        left.append(_counted(len(shown.about["areas"]) - len(shown.areas), "more area"))
    if left:
        file = html.escape(f"outcomes/{file_of(outcome)}.parquet")
        yield f"<p>Not shown: {', '.join(left)}; all is in {file}.</p>"


def _sets(effects: Mapping[str, Effects], told: Mapping[str, Told], shown: _Shown) -> Iterator[str]:
    """Show all figures, set by set, as many as a page can have."""
    columns = [(outcome, group) for outcome, own in effects.items() for group in own.groups]
    areas = shown.about["areas"]
    most = max(1, min(MOST_ROWS, MOST_CELLS // (len(columns) + 1)) // len(areas))
    count = len(shown.planned.set_id)
    numbers = spaced(count, most).tolist()
    yield "<h2>Parameter sets</h2>"
    yield "<p>Changes, with their margins. A click on a column's head sorts by it.</p>"
    yield _first(len(numbers), count, "parameter sets, evenly chosen", "outcomes/")
    heads = ["set", "area", *shown.varied]
    heads += [_head(told[outcome].title, group) for outcome, group in columns]
    found = {
        (outcome, group): _changes_of(own.table, group, numbers, told[outcome])
        for outcome, own in effects.items()
        for group in own.groups
    }
    rows = (
        [
            Cell(shown.planned.name[number] or f"set {number}", number),
            Cell(area, area),
            *(Cell(value_in_words(value), float(value)) for value in shown.values(number)),
            *(found[column].get((number, area), Cell()) for column in columns),
        ]
        for number in numbers
        for area in areas
    )
    yield from sortable_table(heads, rows)


def _changes_of(
    table: pd.DataFrame, group: str, numbers: Sequence[int], told: Told
) -> dict[tuple[int, str], Cell]:
    """Return a cell on the change in a group of some sets, by set and area."""
    rows = table[(table["group"] == group) & table["set_idx"].isin(numbers)]
    columns = (rows[name].tolist() for name in ("set_idx", "area", "value", "delta", "margin"))
    found = {}
    for number, area, value, delta, margin in zip(*columns, strict=True):
        words = [change_in_words(delta, told.unit), margin_in_words(margin, told.unit)]
        about = f"then {amount_in_words(value, told.unit)}"
        found[number, area] = Cell(" ".join(filter(None, words)), delta, about)
    return found


def _head(title: str, group: str) -> str:
    return f"{title}{f', {group}' if group else ''}"


def _first(shown: int, count: int, what: str, file: str) -> str:
    if shown >= count:
        return ""
    return f"<p>{shown:,} of {count:,} {what}; all are in {html.escape(file)}.</p>"


def _figure(figure: Figure, caption: str, alt: str) -> str:
    data = base64.b64encode(png(figure)).decode("ascii")
    return (
        f"<figure><figcaption>{html.escape(caption)}</figcaption>"
        f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}"></figure>'
    )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _listed(names: Sequence[object]) -> str:
    return ", ".join(map(str, names))
