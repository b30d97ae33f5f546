"""An experiment as text."""

import itertools
import statistics
from collections.abc import Sequence

from localcal.experiments.experiment import Result
from localcal.experiments.settings import ARMS, VARIABLES, Setting, said
from localcal.experiments.stored import (
    PER,
    SECONDS,
    Compared,
    arms_compared,
    disturbances,
    in_words,
)
from localcal.status.words import aligned
from localcal.timing import PHASES

UNITS = {"cpu_seconds": "CPU s", "wall_seconds": "wall s", "peak_mb": "peak MB"}
# Seconds; what takes less is not worth a word.
LEAST_SHOWN = 0.005


def as_text(result: Result) -> str:
    """Return what was compared, the figures, and what follows in words."""
    design = result.design
    compared = arms_compared(result)
    per_column = design.variable == "chunk-columns"
    held = [name for name in VARIABLES if name != design.variable]
    data = result.conditions
    lines = [
        ("A", _arm(result, "A")),
        ("B", _arm(result, "B")),
        ("held", ", ".join(f"{name} {_held(design.arms['A'], name, result)}" for name in held)),
        (
            "of",
            f"columns 0 to {design.columns - 1:,}, clones of {data['households']:,} households; "
            f"{data['engine']} {data['engine_version']}",
        ),
        ("on", f"{data['host']}: {data['cores']} cores, {data['cpu']}"),
    ]
    if per_column:
        lines.append(("note", f"both do the same columns; seconds are of {PER:,} columns"))
    if design.is_noise:
        lines.append(("note", "both arms are the same: what is seen is the noise"))
    parts = [
        "\n".join(f"{name:5} {text}" for name, text in lines),
        _table(compared, PER / design.columns if per_column else 1.0, per_column),
        "\n".join(_phases(result, arm) for arm in ARMS),
        "\n".join(one.verdict for one in compared),
        _method(
            compared[0],
            f"each arm first in turn by seed {design.seed}, after a round that does not count",
        ),
        *[f"note: {text}" for text in disturbances(result)],
    ]
    return "\n\n".join(parts) + "\n"


def comparison_as_text(compared: Sequence[Compared], notes: Sequence[str]) -> str:
    """Return how two results compare, and why something is not compared."""
    parts = []
    for _, group in itertools.groupby(compared, key=lambda one: one.subject):
        of_arm = list(group)
        parts += [_table(of_arm, 1.0, per_column=False), "\n".join(one.verdict for one in of_arm)]
    parts.append(_method(compared[0], "every measurement of one by every one of the other"))
    return "\n\n".join([*parts, *[f"note: {text}" for text in notes]]) + "\n"


def _arm(result: Result, arm: str) -> str:
    variable = result.design.variable
    chunks = result.arms[arm]["chunks"]
    words = f"{variable} {said(result.design.arms[arm], variable)}"
    return (
        f"{words} ({chunks} chunk{'s' if chunks != 1 else ''})"
        if variable == "chunk-columns"
        else words
    )


def _phases(result: Result, arm: str) -> str:
    """Return the phases that took any time, by the median of the measurements that had them."""
    found = [taken.phases for taken in result.counted(arm)]
    middles = {
        name: statistics.median(phases[name] for phases in found if name in phases)
        for name in PHASES
        if any(name in phases for phases in found)
    }
    said = [f"{name} {middle:.2f} s" for name, middle in middles.items() if middle >= LEAST_SHOWN]
    return f"{arm}'s phases, in wall time: {', '.join(said) or 'none of any length'}"


def _held(setting: Setting, variable: str, result: Result) -> str:
    text = said(setting, variable)
    return f"{text} ({result.arms['A']['targets']:,})" if variable == "targets" else text


def _table(compared: Sequence[Compared], scale: float, per_column: bool) -> str:
    first, second = compared[0].subject
    rows = [("FIGURE", f"{first} MEDIAN (RANGE)", f"{second} MEDIAN (RANGE)", "RATIO (INTERVAL)")]
    for one in compared:
        is_seconds = one.figure.endswith(SECONDS)
        unit = UNITS[one.figure] + (f" / {PER:,} columns" if per_column and is_seconds else "")
        factor = scale if is_seconds else 1.0
        before, after = ([factor * value for value in side] for side in (one.first, one.second))
        ratio = "-" if one.ratio.ratio is None else in_words(one.ratio)
        rows.append((unit, _range(before), _range(after), ratio))
    return aligned(rows)


def _range(values: Sequence[float]) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    digits = 0 if middle >= 1_000 else 2 if middle >= 1 else 4
    return f"{middle:,.{digits}f} ({low:,.{digits}f}-{high:,.{digits}f})"


def _method(one: Compared, how: str) -> str:
    test = "sign test" if one.unit == "pairs" else "Mann-Whitney test"
    return (
        f"{one.ratio.count} {one.unit}, {how}. Ratios are medians; the interval is that of the "
        f"{test}, which holds the true median with {one.ratio.coverage:.0%}."
    )
