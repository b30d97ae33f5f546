"""Pictures of a sweep: what outcomes come to by the value of a parameter."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from localcal.report.amounts import Unit, scale_of

# More points than these say nothing more in a picture, and more bars hide them.
MOST_POINTS = 1_500
MOST_BARS = 60
# Means are drawn over so many classes of a parameter, and of so many points at least.
CLASSES = 12
FEWEST_FOR_MEANS = 40

# Three beside each other on a page.
SIZE = (3.3, 2.6)
LABEL_WIDTH = 44


def draw_parameter(
    points: pd.DataFrame, parameter: str, areas: Sequence[str], unit: Unit, alone: bool
) -> Figure:
    """Draw the change of an outcome against one parameter, a colour per area.

    Args:
        points: `x`, the parameter's value, `area`, `delta` and `margin`.
        parameter: its column, with dates.
        areas: in the order of their colours.
        unit: of the change.
        alone: whether no other parameter varies, so that the points make a line.
    """
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    scale, words = scale_of(points["delta"], unit)
    for number, area in enumerate(areas):
        own = points[points["area"] == area].sort_values("x", kind="stable")
        own = own.assign(delta=own["delta"] / scale, margin=own["margin"] / scale)
        colour = f"C{number}"
        draw = _line if alone else _cloud
        draw(axes, own, colour, area)
    _finish(axes, parameter, points["x"], f"change, {words}" if words else "change")
    if len(areas) > 1:
        axes.legend(fontsize=8)
    return figure


def _line(axes: Axes, own: pd.DataFrame, colour: str, label: str) -> None:
    few = len(own) <= MOST_BARS
    axes.plot(own["x"], own["delta"], marker="o" if few else "", markersize=3, color=colour,
              linewidth=1.2, label=label)  # fmt: skip
    sure = own.dropna(subset=["margin"])
    low, high = sure["delta"] - sure["margin"], sure["delta"] + sure["margin"]
    axes.fill_between(sure["x"], low, high, color=colour, alpha=0.15, linewidth=0)
    if few:
        axes.errorbar(sure["x"], sure["delta"], yerr=sure["margin"], fmt="none", capsize=2,
                      color=colour, linewidth=0.8)  # fmt: skip


def _cloud(axes: Axes, own: pd.DataFrame, colour: str, label: str) -> None:
    drawn = own.iloc[spaced(len(own), MOST_POINTS)]
    sure = drawn.dropna(subset=["margin"])
    if len(drawn) <= MOST_BARS:
        axes.errorbar(sure["x"], sure["delta"], yerr=sure["margin"], fmt="none", capsize=2,
                      color=colour, linewidth=0.8, alpha=0.6)  # fmt: skip
    few = len(drawn) <= MOST_BARS
    axes.scatter(drawn["x"], drawn["delta"], s=10 if few else 3, color=colour,
                 alpha=0.9 if few else 0.3, linewidths=0)  # fmt: skip
    # What the legend shows, whose points would be too faint.
    axes.plot([], [], color=colour, marker="o", markersize=4, label=label)
    middle = means(own)
    axes.plot(middle["x"], middle["delta"], color="black", linewidth=3)
    axes.plot(middle["x"], middle["delta"], color=colour, linewidth=1.5)


def means(own: pd.DataFrame) -> pd.DataFrame:
    """Return means of `x` and `delta` over the values of x, or where these are many over classes.

    Args:
        own: the points of an area, sorted by x.

    Returns:
        No rows for points too few to have a mean.
    """
    if len(own) < FEWEST_FOR_MEANS:
        return own.iloc[:0]
    if own["x"].nunique() <= CLASSES:
        return own.groupby("x", as_index=False)[["x", "delta"]].mean()
    classes = np.arange(len(own)) * CLASSES // len(own)
    return own[["x", "delta"]].groupby(classes).mean()


def _finish(axes: Axes, parameter: str, x: pd.Series, words: str) -> None:
    path, _, dates = parameter.partition("@")
    lines = textwrap.wrap(path, LABEL_WIDTH)
    start, _, stop = dates.partition(".")
    lines += [" ".join([f"from {start}"] * bool(start) + [f"to {stop}"] * bool(stop))]
    axes.set_xlabel("\n".join(filter(None, lines)), fontsize=7.5)
    axes.set_ylabel(words, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.locator_params(axis="x", nbins=5)
    axes.axhline(0, color="black", linewidth=0.6)
    if x.dtype == bool:
        axes.set_xticks([0, 1], ["false", "true"])
        axes.set_xlim(-0.5, 1.5)


def draw_parts(
    rows: pd.DataFrame, parts: Sequence[str], sets: Mapping[int, str], unit: Unit
) -> Figure:
    """Draw the change in each part, a decile or a state, for a few sets.

    Args:
        rows: `set_idx`, `group`, `delta` and `margin`.
        parts: in their order.
        sets: what to call each, by its number, in the order of their colours.
        unit: of the change.
    """
    height = max(SIZE[1], 0.7 + 0.17 * len(parts))
    figure = Figure(figsize=(SIZE[0], height), layout="constrained")
    axes = figure.subplots()
    scale, words = scale_of(rows["delta"], unit)
    places = {name: place for place, name in enumerate(parts)}
    for number, (set_idx, label) in enumerate(sets.items()):
        own = rows[rows["set_idx"] == set_idx]
        place = own["group"].map(places) + 0.12 * (number - (len(sets) - 1) / 2)
        margin = (own["margin"] / scale).fillna(0.0)
        axes.errorbar(own["delta"] / scale, place, xerr=margin, fmt="o", markersize=3,
                      linewidth=0.8, color=f"C{number}", label=_literal(label))  # fmt: skip
    axes.set_yticks(range(len(parts)), map(_literal, parts), fontsize=7.5)
    axes.set_ylim(len(parts) - 0.5, -0.5)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(f"change, {words}" if words else "change", fontsize=8)
    axes.legend(fontsize=7)
    return figure


def _literal(text: str) -> str:
    """Return a user's own words so that matplotlib takes none of them for a formula."""
    return text[:LABEL_WIDTH].replace("$", r"\$")


def spaced(count: int, most: int) -> np.ndarray:
    """Return at most so many of the positions 0 to count - 1, evenly spaced, the ends in them."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.int64))
