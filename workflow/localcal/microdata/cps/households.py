"""A CPS ASEC as a dataset of the model."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.engine.protocol import Engine
from localcal.errors import InputError
from localcal.microdata.check import check_dataset
from localcal.microdata.cps.columns import (
    DIFFICULTIES,
    DISABILITIES,
    DISTRIBUTIONS,
    DOLLARS,
    FLAGS,
    TIMES,
)
from localcal.microdata.cps.files import Survey, read_survey
from localcal.microdata.cps.units import (
    families,
    independent_minors,
    marital_units,
    spm_units,
    tax_units,
    without_lone_pointers,
)
from localcal.population.dataset import LATER_YEARS, id_columns

logger = logging.getLogger(__name__)

# Of all that taxpayers reported in 2022 (IRS SOI, Historic Table 2, 22in55cmcsv.csv, United States,
# thousand dollars): the taxable part of interest (A00300 of A00300 + A00400), and the qualified
# part of dividends (A00650 of A00600).
TAXABLE_INTEREST = 133_121_649 / (133_121_649 + 55_089_838)
QUALIFIED_DIVIDENDS = 309_355_739 / 408_262_606

# Nobody gets a pension of Social Security for their own age before.
RETIREMENT_AGE = 62
CHILD_AGE = 18
SSI_AGED = 65
SOCIAL_SECURITY = ("retirement", "disability", "survivors", "dependents")
# RESNSS1 and RESNSS2: retired, disabled, widowed, spouse, surviving child, dependent child, on
# behalf of a child; 8 is another reason, and 0 none.
REASONS = {1: 0, 2: 1, 3: 2, 4: 3, 5: 2, 6: 3, 7: 3}

# DST_SC1 and so on: the account. Roth accounts are not taxed, all others are in full.
ACCOUNTS = {
    "taxable_401k_distributions": 1,
    "taxable_403b_distributions": 2,
    "tax_exempt_ira_distributions": 3,
    "taxable_ira_distributions": 4,
    "keogh_distributions": 5,
    "taxable_sep_distributions": 6,
}
OTHER_ACCOUNT = 7
# DIS_SC1: what WC_VAL holds.
WORKERS_COMPENSATION = 1
# OI_OFF: what other income is.
ALIMONY, STRIKE_BENEFITS = 20, 12

FEMALE = 2
SEPARATED = 6
COLLEGE = 2
FULL_TIME = 1
# A_EXPRRP: the reference person, with relatives or without.
REFERENCE_PERSON = (1, 2)
SPM_TENURES = ("OWNER_WITH_MORTGAGE", "OWNER_WITHOUT_MORTGAGE", "RENTER")
# H_TENURE; 0 is not in universe, as in group quarters, and 3 a home without payment of rent.
OWNED, RENTED = 1, 2
OWNED_OUTRIGHT = 2

SPM_DOLLARS = {
    "spm_unit_energy_subsidy": "SPM_ENGVAL",
    "spm_unit_pre_subsidy_childcare_expenses": "SPM_CHILDCAREXPNS",
}


def cps_households(folder: str | Path, period: int, engine: Engine) -> dict[str, np.ndarray]:
    """Return a dataset {variable: array} of the households in a year's CPS ASEC files.

    Args:
        folder: what holds `pppubYY.csv`, `ffpubYY.csv` and `hhpubYY.csv`.
        period: the year that the dataset is about. Incomes are of the year before the survey; into
            a later one the model takes over dollars and weights by its own growth factors.
        engine: the model.

    Raises:
        InputError: a file or a row cannot be used, or the year is before that of incomes or too
            far after it.
    """
    survey = read_survey(folder)
    year = survey.income_year
    if not year <= period <= year + LATER_YEARS:
        raise InputError(
            f"{survey.source}: is about incomes of {year}, the run about {period}; set period to a "
            f"year from {year} to {year + LATER_YEARS} or give the files of the survey of "
            f"{period + 1}"
        )
    arrays = survey_arrays(survey)
    return arrays if year == period else aged(survey.source, arrays, year, period, engine)


def aged(
    source: str, arrays: Mapping[str, np.ndarray], year: int, period: int, engine: Engine
) -> dict[str, np.ndarray]:
    """Return a dataset with the dollars and weights of a later year, as the model has them.

    Everybody keeps their age, work and units; what the model has no growth for stays as it is.
    """
    population = check_dataset(source, arrays, year, engine.variables())
    simulation = engine.simulate(population)
    result = {**id_columns(population), **population.values}
    growth = []
    for name in sorted(_dollars() & population.values.keys()):
        result[name] = simulation.calculate(name, period).astype(np.float32)
        before = np.abs(population.values[name]).sum(dtype=np.float64)
        if before > 0:
            growth.append(f"{name} {np.abs(result[name]).sum(dtype=np.float64) / before:.4f}")
    simulation.close()
    logger.info("%s: aged from %d to %d: %s", source, year, period, ", ".join(growth))
    return result


def _dollars() -> set[str]:
    social_security = {f"social_security_{kind}" for kind in SOCIAL_SECURITY}
    made = {"taxable_interest_income", "tax_exempt_interest_income"}
    made |= {"qualified_dividend_income", "non_qualified_dividend_income"}
    made |= {"taxable_private_pension_income", "disability_benefits", "alimony_income"}
    made |= {"strike_benefits", "miscellaneous_income", "household_weight"}
    return made | social_security | DOLLARS.keys() | ACCOUNTS.keys() | SPM_DOLLARS.keys()


def survey_arrays(survey: Survey) -> dict[str, np.ndarray]:
    """Return the dataset of the year of incomes."""
    persons = without_lone_pointers(survey.persons)
    arrays = {**_incomes(persons), **_people(persons), **_homes(survey.households, persons)}
    arrays |= _links(persons, survey.income_year)
    return arrays | _spm_units(persons, arrays["person_spm_unit_id"])


def _links(persons: pd.DataFrame, year: int) -> dict[str, np.ndarray]:
    """Return ids and links, and what the units say of persons."""
    units = tax_units(persons, year)
    spm = spm_units(persons)
    links = {
        "household": persons["PH_SEQ"].to_numpy(np.int64),
        "family": families(persons),
        "spm_unit": spm,
        "marital_unit": marital_units(persons),
        "tax_unit": units.unit,
    }
    arrays = {f"person_{group}_id": link for group, link in links.items()}
    arrays |= {f"{group}_id": np.unique(link) for group, link in links.items()}
    # A household has fewer than a hundred lines.
    arrays["person_id"] = links["household"] * 100 + persons["A_LINENO"].to_numpy(np.int64)
    for number in (1, 2):
        parent = persons[f"PEPAR{number}"].to_numpy(np.int64)
        ids = links["household"] * 100 + parent
        arrays[f"parent_{number}_id"] = np.where(parent > 0, ids, 0)
    arrays["tax_unit_role_input"] = units.role
    arrays["is_related_to_head_or_spouse"] = units.is_related
    minors = independent_minors(persons, spm)
    # Else the model knows by itself, and what is stored would win.
    return arrays | ({"is_spm_independent_minor_role": minors} if minors.any() else {})


def _incomes(persons: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return dollars a year, (persons,) float32 each."""
    dollars = {name: persons[column] for name, column in DOLLARS.items()}
    interest, dividends = persons["INT_VAL"], persons["DIV_VAL"]
    dollars["taxable_interest_income"] = interest * TAXABLE_INTEREST
    dollars["tax_exempt_interest_income"] = interest * (1 - TAXABLE_INTEREST)
    dollars["qualified_dividend_income"] = dividends * QUALIFIED_DIVIDENDS
    dollars["non_qualified_dividend_income"] = dividends * (1 - QUALIFIED_DIVIDENDS)
    for name, code in ACCOUNTS.items():
        dollars[name] = _of_kind(persons, DISTRIBUTIONS, code)
    # Taken as taxable in full: what was paid in after tax is not asked.
    pensions = persons["PNSN_VAL"] + persons["ANN_VAL"]
    other_accounts = _of_kind(persons, DISTRIBUTIONS, OTHER_ACCOUNT)
    dollars["taxable_private_pension_income"] = pensions + other_accounts
    every = sum(persons[amount] for _, amount in DISABILITIES)
    compensation = _of_kind(persons, DISABILITIES, WORKERS_COMPENSATION)
    dollars["disability_benefits"] = every - compensation
    kind, other = persons["OI_OFF"], persons["OI_VAL"]
    dollars["alimony_income"] = other.where(kind == ALIMONY, 0)
    dollars["strike_benefits"] = other.where(kind == STRIKE_BENEFITS, 0)
    dollars["miscellaneous_income"] = other.where(~kind.isin((ALIMONY, STRIKE_BENEFITS)), 0)
    reason = social_security_reason(persons)
    for number, name in enumerate(SOCIAL_SECURITY):
        dollars[f"social_security_{name}"] = persons["SS_VAL"].where(reason == number, 0)
    return {name: values.to_numpy(np.float32) for name, values in dollars.items()}


def _of_kind(persons: pd.DataFrame, pairs: tuple[tuple[str, str], ...], code: int) -> pd.Series:
    """Return the sum of the amounts whose kind has a code."""
    zero = pd.Series(0.0, index=persons.index)
    return sum((persons[amount].where(persons[kind] == code, 0) for kind, amount in pairs), zero)


def social_security_reason(persons: pd.DataFrame) -> np.ndarray:
    """Return the place in SOCIAL_SECURITY of what each person would get it for, (persons,) int64.

    It is the first reason that was given. Who gave none, or retirement before the age for it, gets
    it by age: for retirement, as somebody's child, or for a disability.
    """
    age = persons["A_AGE"]
    by_age = np.where(age >= RETIREMENT_AGE, 0, np.where(age < CHILD_AGE, 3, 1))
    reason = persons["RESNSS1"].map(REASONS).fillna(persons["RESNSS2"].map(REASONS))
    reason = reason.where((reason != 0) | (age >= RETIREMENT_AGE))
    return np.where(reason.isna(), by_age, reason).astype(np.int64)


def _people(persons: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return what persons are besides their incomes."""
    age = persons["A_AGE"]
    # The survey asks for six difficulties, which miss some of those who get SSI for theirs.
    gets_ssi = (persons["SSI_VAL"] > 0) & (age < SSI_AGED)
    has_difficulty = (persons[list(DIFFICULTIES)] == 1).any(axis=1)
    student = (persons["A_HSCOL"] == COLLEGE) & (persons["A_FTPT"] == FULL_TIME)
    flags = {name: persons[column] == 1 for name, column in FLAGS.items()} | {
        "is_disabled": has_difficulty | gets_ssi,
        "is_female": persons["A_SEX"] == FEMALE,
        "is_full_time_college_student": student,
        "is_hispanic": persons["PRDTHSP"] > 0,
        "is_household_head": persons["A_EXPRRP"].isin(REFERENCE_PERSON),
        "is_separated": persons["A_MARITL"] == SEPARATED,
        "meets_ssi_disability_criteria": gets_ssi,
    }
    times = {name: persons[column].clip(lower=0) for name, column in TIMES.items()}
    numbers = times | {"age": age, "cps_race": persons["PRDTRACE"]}
    arrays = {name: values.to_numpy(bool) for name, values in flags.items()}
    return arrays | {name: values.to_numpy(np.float32) for name, values in numbers.items()}


def _homes(households: pd.DataFrame, persons: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return what households are, one value per household."""
    mortgage = persons.groupby("PH_SEQ")["SPM_TENMORTSTATUS"].first().to_numpy()
    tenure = households["H_TENURE"].to_numpy()
    owned = np.where(mortgage == OWNED_OUTRIGHT, "OWNED_OUTRIGHT", "OWNED_WITH_MORTGAGE")
    rented = np.where(tenure == RENTED, "RENTED", "NONE")
    return {
        "household_weight": households["HSUP_WGT"].to_numpy(np.float32),
        "state_fips": households["GESTFIPS"].to_numpy(np.int32),
        "tenure_type": np.where(tenure == OWNED, owned, rented).astype("S"),
    }


def _spm_units(persons: pd.DataFrame, unit: np.ndarray) -> dict[str, np.ndarray]:
    """Return what SPM units are, one value per unit in the order of their ids.

    The survey repeats a unit's values in each of its persons.
    """
    of_survey = persons.groupby("SPM_ID").agg(
        {name: "first" for name in ("SPM_CAPHOUSESUB", "SPM_TENMORTSTATUS", *SPM_DOLLARS.values())}
    )
    of_survey["unit"] = pd.Series(unit).groupby(persons["SPM_ID"].to_numpy()).first()
    joined = of_survey.groupby("unit")
    tenure = joined["SPM_TENMORTSTATUS"].first().to_numpy(np.int64)
    dollars = {name: joined[column].sum() for name, column in SPM_DOLLARS.items()}
    return {name: values.to_numpy(np.float32) for name, values in dollars.items()} | {
        "receives_housing_assistance": (joined["SPM_CAPHOUSESUB"].sum() > 0).to_numpy(),
        "spm_unit_tenure_type": np.array(SPM_TENURES)[tenure - 1].astype("S"),
    }
