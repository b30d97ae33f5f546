"""What the survey's units take in and pay, in dollars of the run's year, person by person."""

from pathlib import Path

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.files.rows import read_rows
from localcal.microdata.survey.people import HEAD, SPOUSE
from localcal.microdata.survey.records import HOUSEHOLD, INCOMES, MONEY_YEAR, OTHER_MONEY
from localcal.population.draws import keyed_uniform

# By which of the source's factors its money grows, as in `records.py` of Tax-Calculator 6.8.0:
# wages, businesses (profits and losses), farms, interest, dividends, capital gains, Social
# Security, unemployment compensation, medical prices, personal interest paid, veterans' benefits,
# and personal income per head for the rest.
FACTOR = dict.fromkeys((*INCOMES, *OTHER_MONEY), "ATXPY") | {
    "e00200p": "AWAGE",
    "e00200s": "AWAGE",
    "e00900p": "ASCHCI",
    "e00900s": "ASCHCI",
    "e02100p": "ASCHF",
    "e02100s": "ASCHF",
    "e00300": "AINTS",
    "e00400": "AINTS",
    "e00600": "ADIVS",
    "e00650": "ADIVS",
    "e01100": "ACGNS",
    "e02300": "AUCOMP",
    "e02400": "ASOCSEC",
    "e17500": "ACPIM",
    "e19200": "AIPD",
    "vet_ben": "ABENVET",
}
LOSSES = "ASCHCL"
BUSINESS = ("e00900p", "e00900s")

# Households who own their home, and who have a mortgage on it (Census ACS 2019-2023: 82.9 of 127.5
# million, 61.2 % of them).
OWNERS = 82.9 / 127.5
MORTGAGED = OWNERS * 0.612

# What one person's Medicaid is worth in the file, whoever it is: `mcaid_ben` counts them.
MEDICAID_VALUE = 7204

# Who of a couple gets what the file gives to both: those of this age, or else the head.
RETIREMENT_AGE = 62
PENSION_AGE = 55
OLD_AGE = 65
ADULT_AGE = 18
# About the substantial gainful activity of a year from which nobody counts as disabled for
# Supplemental Security Income, in dollars of MONEY_YEAR (SSA: $1,070 a month in 2014).
SUBSTANTIAL_EARNINGS = 12 * 1_070

# Person's variable, and the column of the unit that its head has all of.
OF_THE_HEAD = {
    "taxable_interest_income": "e00300",
    "tax_exempt_interest_income": "e00400",
    "qualified_dividend_income": "e00650",
    "long_term_capital_gains": "e01100",
    "unemployment_compensation": "e02300",
    "alimony_income": "e00800",
    "veterans_benefits": "vet_ben",
    "charitable_cash_donations": "e19800",
    "charitable_non_cash_donations": "e20100",
    "student_loan_interest": "e03210",
    "other_medical_expenses": "e17500",
}
# Person's variable, and the columns that say it of head and spouse.
OF_EACH = {
    "employment_income": ("e00200p", "e00200s"),
    "self_employment_income": ("e00900p", "e00900s"),
    "farm_operations_income": ("e02100p", "e02100s"),
}


def read_factors(path: Path, period: int) -> dict[str, float]:
    """Return what a dollar of 2014 has become by `period`, by the source's factors.

    Raises:
        InputError: the table is damaged, or lacks the year or a factor.
    """
    names = sorted({*FACTOR.values(), LOSSES})
    if period == MONEY_YEAR:
        return dict.fromkeys(names, 1.0)
    years = []
    for place, row in read_rows(path, ("year", *names)):
        years.append(row["year"])
        if row["year"] == str(period):
            try:
                return {name: float(row[name]) for name in names}
            except ValueError as error:
                raise InputError(f"{place} holds no numbers ({error}); correct it") from error
    known = f"{years[0]} to {years[-1]}" if years else "none"
    raise InputError(
        f"{path}: has no row for {period}, only {known}; set period to one of these years"
    )


def aged(records: pd.DataFrame, factors: dict[str, float]) -> pd.DataFrame:
    """Return the units' money in dollars of the year that the factors are of, float64."""
    money = pd.DataFrame({name: records[name] * factors[FACTOR[name]] for name in FACTOR})
    for name in BUSINESS:
        loses = records[name] < 0
        money[name] = money[name].where(~loses, records[name] * factors[LOSSES])
    return money


def incomes_of(money: pd.DataFrame, persons: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return dollars a year per person, by the model's variable.

    Args:
        money: the units', as of `aged`.
        persons: as of `people_of`.
    """
    unit = persons["unit"].to_numpy()
    own = {name: money[name].to_numpy()[unit] for name in money}
    is_head, is_spouse = (persons["role"].to_numpy() == role for role in (HEAD, SPOUSE))
    age = persons["age"].to_numpy()
    result = {name: own[column] * is_head for name, column in OF_THE_HEAD.items()}
    for name, (first, second) in OF_EACH.items():
        result[name] = own[first] * is_head + own[second] * is_spouse
    result["non_qualified_dividend_income"] = (own["e00600"] - own["e00650"]) * is_head
    pension = _shares(persons, PENSION_AGE)
    result["taxable_ira_distributions"] = own["e01400"] * pension
    result["taxable_private_pension_income"] = own["e01700"] * pension
    result["tax_exempt_private_pension_income"] = (own["e01500"] - own["e01700"]) * pension
    benefit = own["e02400"] * _shares(persons, RETIREMENT_AGE)
    result["social_security_retirement"] = benefit * (age >= RETIREMENT_AGE)
    is_worker = (age >= ADULT_AGE) & (age < RETIREMENT_AGE)
    result["social_security_disability"] = benefit * is_worker
    result["social_security_dependents"] = benefit * (age < ADULT_AGE)
    return result


def housing_of(
    records: pd.DataFrame, money: pd.DataFrame, persons: pd.DataFrame, seed: int
) -> dict[str, np.ndarray]:
    """Return what owners pay in real estate taxes and mortgage interest, dollars a year per person.

    The file spreads both over nearly all tax units. Here the head of a household pays them, if the
    household is drawn as one that owns its home, or has a mortgage on it. What owners pay is
    divided by their share, so that the taxes keep their sum; of the interest, of which the file has
    far more than is paid, that of owners without a mortgage is left out.
    """
    unit = persons["unit"].to_numpy()
    keys = (records[name].to_numpy()[unit] for name in HOUSEHOLD)
    drawn = keyed_uniform(seed, "survey home", *keys)
    payer = persons["is_household_head"].to_numpy()
    return {
        "real_estate_taxes": money["e18500"].to_numpy()[unit] / OWNERS * (drawn < OWNERS) * payer,
        "home_mortgage_interest": (
            money["e19200"].to_numpy()[unit] / OWNERS * (drawn < MORTGAGED) * payer
        ),
    }


def _shares(persons: pd.DataFrame, from_age: int) -> np.ndarray:
    """Return each person's share of what head and spouse have together, (persons,).

    Those of the couple who are of the age share it, and if neither is, the head has it all.
    """
    unit, role = persons["unit"].to_numpy(), persons["role"].to_numpy()
    eligible = ((role == HEAD) | (role == SPOUSE)) & (persons["age"].to_numpy() >= from_age)
    sharing = np.bincount(unit, weights=eligible)[unit]
    return np.where(sharing > 0, eligible / np.maximum(sharing, 1), role == HEAD)


def conditions_of(
    records: pd.DataFrame, persons: pd.DataFrame, incomes: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return who is blind, disabled and covered by Medicaid, (persons,) bool each.

    The file says of units, not of persons, who has Supplemental Security Income and Medicaid. The
    first goes to the one below 65 of head and spouse who earns least, or if nobody of them earns
    little enough to the unit's oldest child; Medicaid to as many of the youngest as the unit
    counts.
    """
    unit, role = persons["unit"].to_numpy(), persons["role"].to_numpy()
    age = persons["age"].to_numpy()
    is_head, is_spouse = role == HEAD, role == SPOUSE
    blind = np.select(
        [is_head, is_spouse],
        [records["blind_head"].to_numpy()[unit] > 0, records["blind_spouse"].to_numpy()[unit] > 0],
        False,
    )
    receives = _recipients(records, persons)
    youngest = _rank(unit, age)
    covered = np.rint(records["mcaid_ben"].to_numpy() / MEDICAID_VALUE)[unit]
    return {
        "is_blind": blind,
        "is_disabled": receives | (incomes["social_security_disability"] > 0),
        "meets_ssi_disability_criteria": receives,
        "has_medicaid_health_coverage_at_interview": youngest < covered,
    }


def _recipients(records: pd.DataFrame, persons: pd.DataFrame) -> np.ndarray:
    """Say who below 65 receives Supplemental Security Income, at most one person per unit."""
    unit, role = persons["unit"].to_numpy(), persons["role"].to_numpy()
    age = persons["age"].to_numpy()
    young = (records["ssi_ben"].to_numpy() > 0)[unit] & (age < OLD_AGE)
    earned = np.where(
        role == HEAD,
        (records["e00200p"] + records["e00900p"]).to_numpy()[unit],
        (records["e00200s"] + records["e00900s"]).to_numpy()[unit],
    )
    is_adult = (role == HEAD) | (role == SPOUSE)
    # Adults who earn little before children, children before adults who earn more.
    order = np.select(
        [is_adult & (earned <= SUBSTANTIAL_EARNINGS), ~is_adult & (age < ADULT_AGE), is_adult],
        [earned, 1e9 - age, 2e9 + earned],
        np.inf,
    )
    return young & np.isfinite(order) & (_rank(unit, np.where(young, order, np.inf)) == 0)


def _rank(unit: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return the place of each person among the unit's by value, from 0; ties as they come."""
    order = np.lexsort((value, unit))
    rank = np.empty(unit.size, dtype=np.int64)
    rank[order] = np.arange(unit.size) - np.searchsorted(unit, unit)[order]
    return rank
