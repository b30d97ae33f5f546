"""Made-up households for the highest incomes, which surveys hardly reach."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.files.rows import read_rows
from localcal.microdata.synthetic.households import synthetic_households
from localcal.population.population import GROUPS, PERSON

# As many as give some hundred households to each of the highest brackets.
CANDIDATES = 12_000

# What counts as a unit's adjusted gross income here; made-up people have no more kinds.
TAXED = (
    "employment_income",
    "self_employment_income",
    "s_corp_income",
    "taxable_interest_income",
    "qualified_dividend_income",
    "long_term_capital_gains",
    "taxable_ira_distributions",
    "taxable_private_pension_income",
    "unemployment_compensation",
)
# Variables that the survey's people do not have, and the only ones that are kept of such.
OF_THE_TOP = ("s_corp_income", "social_security_survivors")


class Bracket(NamedTuple):
    """So many returns have an adjusted gross income of this much, in dollars, up to the next's."""

    agi_from: float
    returns: float


class People(NamedTuple):
    """Persons and units as `entity_arrays` wants them."""

    persons: pd.DataFrame
    units: dict[str, pd.DataFrame]


def read_top(path: Path) -> list[Bracket]:
    """Return the brackets of incomes that are made up, lowest first.

    Raises:
        InputError: the table is damaged, or its brackets are not in order.
    """
    brackets: list[Bracket] = []
    for place, row in read_rows(path, ("agi_from", "returns")):
        try:
            bracket = Bracket(float(row["agi_from"]), float(row["returns"]))
        except ValueError as error:
            raise InputError(f"{place} holds no numbers ({error}); correct it") from error
        if not (bracket.agi_from > 0 and bracket.returns > 0):
            raise InputError(f"{place} is not above 0; correct it")
        if brackets and bracket.agi_from <= brackets[-1].agi_from:
            raise InputError(f"{place} has no higher agi_from than the one before; sort the lines")
        brackets.append(bracket)
    if not brackets:
        raise InputError(f"{path}: holds no bracket; restore it")
    return brackets


def top_households(
    path: Path, brackets: list[Bracket], variables: Iterable[str], period: int, seed: int
) -> People:
    """Return made-up households with a tax unit in one of the brackets.

    Each bracket's weigh together as many households as returns were published for it. Units'
    numbers are negative, so that no other household has them.

    Args:
        path: the table that the brackets are from.
        brackets: lowest first.
        variables: persons' variables to keep, beside OF_THE_TOP.
        period: the run's year.
        seed: of the draws.

    Raises:
        InputError: a bracket has none.
    """
    data = synthetic_households(CANDIDATES, period, seed)
    unit = data["person_tax_unit_id"] - 1
    home = data["person_household_id"] - 1
    taken_in = np.sum([data[name].astype(np.float64) for name in TAXED], axis=0)
    of_unit = np.bincount(unit, weights=taken_in)
    highest = np.zeros(data["household_id"].size)
    np.maximum.at(highest, home, of_unit[unit])
    bracket = np.digitize(highest, [bracket.agi_from for bracket in brackets])
    found = np.bincount(bracket, minlength=len(brackets) + 1)[1:]
    for held, wanted in zip(found, brackets, strict=True):
        if held == 0:
            raise InputError(
                f"{path}: no made-up household has an income of {wanted.agi_from:,.0f} and more; "
                "join this bracket with the one before"
            )
    share = [wanted.returns / held for held, wanted in zip(found, brackets, strict=True)]
    kept = bracket[home] > 0
    names = sorted({*variables, *OF_THE_TOP} & data.keys())
    persons = pd.DataFrame({name: data[name][kept] for name in names})
    for group in GROUPS:
        persons[group] = -data[f"{PERSON}_{group}_id"][kept].astype(np.int64)
    table = {
        "household_weight": np.array([0.0, *share])[bracket],
        "state_fips": data["state_fips"],
    }
    return People(persons, {"household": pd.DataFrame(table, index=-data["household_id"])})
