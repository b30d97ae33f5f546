"""What changed against the run that was made before on this machine."""

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from localcal.errors import InputError
from localcal.report.elements import Cell, figure, items, number, paragraph, share, size, table
from localcal.report.named import family_in_words, in_words
from localcal.report.words import is_money
from localcal.run.provenance import RUN_FILE, read_record
from localcal.status.difference import compare

VALIDATED = "validation/summary.json"
_DIGEST = 12
_LONG = 60


def previous_run(run: Path) -> tuple[Path | None, list[str]]:
    """Return the newest of the runs beside this one that were begun before it and are validated.

    Also what was damaged on the way, one line each.
    """
    begun = _created(run)
    found: list[tuple[datetime, str, Path]] = []
    problems = []
    for folder in sorted(run.parent.iterdir()):
        if not ((folder / RUN_FILE).is_file() and (folder / VALIDATED).is_file()):
            continue
        try:
            when = _created(folder)
        except InputError as error:
            problems.append(str(error))
            continue
        if folder.name != run.name and when < begun:
            found.append((when, folder.name, folder))
    return (max(found)[2] if found else None), problems


def _created(run: Path) -> datetime:
    record = read_record(run)
    try:
        return datetime.fromisoformat(record["created"])
    except (KeyError, ValueError) as error:
        raise InputError(f"{run / RUN_FILE}: does not say when it was made; restore it") from error


def changes(run: Path, known: dict[str, str]) -> str:
    """Return what differs from the run before.

    Args:
        run: the run's folder.
        known: the targets' names in words.
    """
    before, problems = previous_run(run)
    if before is None:
        return paragraph("There is no earlier run beside this one.") + items(problems)
    difference = compare(before, run)
    content = difference.content
    parts = [
        paragraph(
            f"Against {before.name}, the newest of the validated runs begun before this one."
        ),
        items([*problems, *difference.problems]),
        _made_from(content),
        _errors(content),
        _targets(content["targets"], known),
        _weights(content["weights"]),
    ]
    return "\n".join(filter(None, parts))


def _made_from(content: Mapping[str, Any]) -> str:
    rows = [
        [f"{part}: {one['what']}", *map(_value, one["values"])]
        for part in ("config", "inputs", "code", "versions")
        for one in content[part]
    ]
    if not rows:
        return paragraph("Config, inputs, code and versions of libraries are the same.")
    return table("What it was made from", ["What", "Before", "Now"], rows)


def _value(value: Any) -> str:
    text = "" if value is None else str(value)
    if len(text) == 64 and set(text) <= set("0123456789abcdef"):
        return text[:_DIGEST]
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _errors(content: Mapping[str, Any]) -> str:
    rows: list[tuple[float, list[Cell | str]]] = []
    refused = []
    for scope, found in content["errors"].items():
        if found["not_compared"] is not None:
            refused.append(f"Errors of the {scope} fit are not compared: {found['not_compared']}")
            continue
        for one in found["families"]:
            family = family_in_words(one["variable"], one["domain"])
            what = f"{scope} fit, {one['level']}, {one['role'].replace('_', ' ')}: {family}"
            before, now = map(_known, one["median"])
            cells = [size(before), size(now), _points(now - before)]
            moved = abs(now - before)
            # Which only one of the runs has comes first.
            moved = math.inf if math.isnan(moved) else moved
            rows.append((moved, [what, *map(number, map(_known, one["count"])), *cells]))
    columns = ["Family", "Targets before", "now", "Median error before", "now", "Change"]
    rows.sort(key=lambda row: -row[0])
    listed = [cells for _, cells in rows]
    shown = table("Errors by family, most changed first", columns, listed) if rows else ""
    return items(refused) + shown


def _points(change: float) -> Cell:
    text = "" if math.isnan(change) else f"{100 * change:+.2g}\u00a0points" if change else "0"
    return Cell(text, change)


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _targets(found: Mapping[str, Any], known: dict[str, str]) -> str:
    if found["not_compared"] is not None:
        return paragraph(f"Targets are not compared: {found['not_compared']}")
    before, now = found["count"]
    said = (
        f"{before:,} targets before, {now:,} now; {found['shared']:,} in both, of which "
        f"{found['changed']:,} have another value."
    )
    rows: list[list[Cell | str]] = []
    for one in found["largest_changes"]:
        values = [
            figure(_known(value), is_money(one["name"].split("/")[1])) for value in one["values"]
        ]
        rows.append([in_words(one["name"], known), *values, share(_known(one["change"]))])
    columns = ["Target", "Before", "Now", "Change"]
    shown = table("Targets that changed most", columns, rows) if rows else ""
    return paragraph(said) + shown


def _weights(found: Mapping[str, Any]) -> str:
    rows: list[list[Cell | str]] = []
    refused = []
    for scope, one in found.items():
        if one["not_compared"] is not None:
            refused.append(f"Weights of the {scope} fit are not compared: {one['not_compared']}")
            continue
        for key, digits in (("columns", 0), ("records", 0), ("sum_of_weights", 0)):
            cells = [number(_known(value), digits) for value in one[key]]
            rows.append([f"{scope} fit: {key.replace('_', ' ')}", *cells])
        cells = [number(_known(value), 3) for value in one["design_effect"]]
        rows.append([f"{scope} fit: design effect", *cells])
    shown = table("Weights", ["What", "Before", "Now"], rows) if rows else ""
    return items(refused) + shown
