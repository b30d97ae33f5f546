"""Amounts of a sweep's outcomes and what they are called, as people say them."""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import pandas as pd

from localcal.report.words import NO_BREAK, SIZES, figure_in_words
from localcal.sweeps.names import file_of
from localcal.sweeps.sets import Value

type Unit = Literal["dollars", "share", "number"]

CENTS_BELOW = 100


class Told(NamedTuple):
    """What a page says of an outcome.

    Attributes:
        title: its name.
        about: a sentence.
        unit: of its values.
        before: whether there is anything to say of it without a reform.
    """

    title: str
    about: str
    unit: Unit
    before: bool = True


OUTCOMES: Mapping[str, Told] = {
    "cost": Told(
        "Net cost",
        "What households cost federal, state and local governments together: benefits less taxes, "
        "a year, before anybody changes what they do.",
        "dollars",
    ),
    "revenue": Told("Income tax", "Net of refundable credits, a year.", "dollars"),
    "poverty_rate": Told(
        "Poverty", "Share of persons whose SPM unit has less than its threshold.", "share"
    ),
    "deep_poverty_rate": Told(
        "Deep poverty",
        "Share of persons whose SPM unit has less than half of its threshold.",
        "share",
    ),
    "poverty_gap": Told(
        "Poverty gap", "What SPM units in poverty lack to their thresholds, a year.", "dollars"
    ),
    "mean_change": Told("Mean net income", "Of households, a year.", "dollars"),
    "winners_losers": Told(
        "Winners and losers",
        "Shares of persons by what happens to their household's net income.",
        "share",
        before=False,
    ),
    "gini": Told(
        "Gini index",
        "Of persons' equivalised household net income, from 0 (all have the same) to 1.",
        "number",
    ),
}


def told_of(outcome: str) -> Told:
    """Return what is said of an outcome; nothing is known of a user's own but its name."""
    return OUTCOMES.get(outcome) or Told(file_of(outcome), f"From {outcome}.", "number")


def amount_in_words(value: float, unit: Unit) -> str:
    """Return an amount as `$15.8 billion`, `$12.30`, `11.25 %` or `0.4832`."""
    if not math.isfinite(value):
        return ""
    if unit == "share":
        # What is rounded to nothing has no sign.
        return f"{round(100 * value, 2) + 0.0:.2f}{NO_BREAK}%"
    if unit == "number":
        return f"{value:,.4g}"
    if 0 < abs(value) < CENTS_BELOW:
        return f"{'-' if round(value, 2) < 0 else ''}${abs(value):.2f}"
    return figure_in_words(value, money=True)


def change_in_words(value: float, unit: Unit) -> str:
    """Return a change, with its sign; of a share in percentage points."""
    words = _points(amount_in_words(value, unit), unit)
    return f"+{words}" if value > 0 and any(digit in words for digit in "123456789") else words


def margin_in_words(value: float, unit: Unit) -> str:
    """Return a margin, nothing where there is none."""
    found = _points(amount_in_words(value, unit), unit)
    return f"±{NO_BREAK}{found}" if found else ""


def _points(words: str, unit: Unit) -> str:
    return words.replace("%", "points") if unit == "share" else words


def scale_of(values: pd.Series, unit: Unit) -> tuple[float, str]:
    """Return what an axis divides by, and what it is called then."""
    if unit == "share":
        return 0.01, "percentage points"
    if unit == "number":
        return 1.0, ""
    largest = values.abs().max()
    for size, name in SIZES:
        if largest >= size:
            return size, f"{name} dollars"
    return 1.0, "dollars"


def value_in_words(value: Value) -> str:
    """Return a parameter's value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.6g}"
