"""Targets and figures as people say them: `Returns with AGI of $1 to $5k`, `$15.8 trillion`."""

import math
from collections.abc import Iterable

import pandas as pd

from localcal.database.constraints import Constraint
from localcal.database.reader import FILER_VARIABLE, INCOME_VARIABLE

COUNTED = {
    "person_count": "People",
    "household_count": "Households",
    "family_count": "Families",
    "tax_unit_count": "Tax units",
    "spm_unit_count": "SPM units",
    "marital_unit_count": "Marital units",
}
RETURNS = "Returns"
# What is no word of its own, as it is written.
SHORT = {
    "aca": "ACA",
    "agi": "AGI",
    "ctc": "CTC",
    "eitc": "EITC",
    "id": "ID",
    "ira": "IRA",
    "irs": "IRS",
    "ptc": "PTC",
    "salt": "SALT",
    "snap": "SNAP",
    "ssi": "SSI",
    "tanf": "TANF",
}
NO_BREAK = "\u00a0"
SIZES = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))


def target_in_words(variable: str, constraints: Iterable[Constraint]) -> str:
    """Return what a target is about, without its area, as people say it."""
    conditions: dict[str, list[Constraint]] = {}
    for condition in constraints:
        conditions.setdefault(condition.variable, []).append(condition)
    files = [str(condition) for condition in conditions.pop(FILER_VARIABLE, ())]
    filing = files == [f"{FILER_VARIABLE}==1"]
    if variable in COUNTED:
        subject = RETURNS if filing and variable == "tax_unit_count" else COUNTED[variable]
    else:
        subject = variable_in_words(variable)
        subject = subject[0].upper() + subject[1:]
    on = ["on returns"] if filing and subject != RETURNS else [] if filing else files
    where = [_range(name, found, variable) for name, found in conditions.items()]
    return " ".join([subject, *on, *filter(None, where)])


def variable_in_words(variable: str) -> str:
    """Return a variable's name as people say it."""
    if variable == INCOME_VARIABLE:
        return "AGI"
    return " ".join(SHORT.get(word, word) for word in variable.split("_"))


def _range(variable: str, conditions: list[Constraint], counted: str) -> str:
    """Return the conditions on one variable in words."""
    try:
        bounds = {condition.operation: float(condition.value) for condition in conditions}
    except ValueError:
        bounds = {}
    if variable == "age" and bounds.keys() <= {">", ">=", "<", "<="} and bounds:
        return _ages(bounds)
    if bounds == {">": 0.0}:
        return "" if variable == counted else f"with {variable_in_words(variable)}"
    if bounds.keys() <= {">=", "<"} and bounds:
        return f"with {variable_in_words(variable)} {_amounts(bounds)}"
    return f"where {' and '.join(map(str, conditions))}"


def _ages(bounds: dict[str, float]) -> str:
    low = bounds.get(">=", bounds.get(">", -1.0) + 1)
    high = bounds.get("<=", bounds.get("<", math.inf) - 1)
    # Nobody is that old: the upper end of an open class.
    if high >= 150:
        return f"aged {low:.0f} and over"
    return f"under {high + 1:.0f}" if low <= 0 else f"aged {low:.0f} to {high:.0f}"


def _amounts(bounds: dict[str, float]) -> str:
    if ">=" not in bounds:
        return f"below {_dollars(bounds['<'])}"
    if "<" not in bounds:
        return f"of {_dollars(bounds['>='])} or more"
    return f"of {_dollars(bounds['>='])} to {_dollars(bounds['<'])}"


def _dollars(amount: float) -> str:
    for size, letter in ((1e6, "m"), (1e3, "k")):
        if abs(amount) >= size:
            return f"${amount / size:g}{letter}"
    return f"${amount:g}"


def is_money(variable: str) -> bool:
    """Say whether a total of a variable is in dollars, which all but counts are."""
    return variable not in COUNTED


def figure_in_words(value: float, money: bool) -> str:
    """Return a total to three figures or so, such as `$15.8 trillion`, `73.0 million`, `1,234`.

    Like shares, it does not break over two lines.
    """
    if not math.isfinite(value):
        return ""
    sign, unit = "-" if value < 0 else "", "$" if money else ""
    for size, name in SIZES:
        # What would be rounded up to the next size is of that size.
        if abs(value) >= size * 0.9995:
            amount = abs(value) / size
            digits = 2 if amount < 9.995 else 1 if amount < 99.95 else 0
            return f"{sign}{unit}{amount:,.{digits}f}{NO_BREAK}{name}"
    return f"{sign}{unit}{abs(value):,.0f}"


def share_in_words(share: float) -> str:
    """Return a relative difference as `+1.3 %`, nothing where there is none."""
    if pd.isna(share):
        return ""
    # A tenth of a per cent of what is far off says nothing.
    percent = round(100 * share, 0 if abs(share) >= 10 else 1)
    return (
        f"{percent:+,.{0 if abs(share) >= 10 else 1}f}{NO_BREAK}%" if percent else f"0{NO_BREAK}%"
    )
