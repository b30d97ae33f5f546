"""Households of a public survey, brought to the run's year, with a made-up top of incomes."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.files.rows import read_rows
from localcal.microdata.raking import raked
from localcal.microdata.survey.money import (
    aged,
    conditions_of,
    housing_of,
    incomes_of,
    read_factors,
)
from localcal.microdata.survey.people import people_of
from localcal.microdata.survey.records import INCOMES, read_records
from localcal.microdata.survey.top import People, read_top, top_households
from localcal.microdata.units import entity_arrays

# The columns of population.csv, and the ages that the second to the last but one begin with.
POPULATION = ("0_4", "5_17", "18_24", "25_44", "45_64", "65_74", "75_and_more", "households")
AGE_BOUNDS = (5, 18, 25, 45, 65, 75)
CHILDCARE = "spm_unit_pre_subsidy_childcare_expenses"
# At most so much of Social Security is taxed.
TAXED_SHARE = 0.85


class Households(NamedTuple):
    """A dataset, and which of its households are made up.

    Attributes:
        arrays: {variable: array}.
        synthetic: (households,) bool, in the order of household_id.
    """

    arrays: dict[str, np.ndarray]
    synthetic: np.ndarray


def survey_households(folder: Path, period: int, seed: int) -> Households:
    """Return the dataset of the survey's households and of the made-up top.

    Households in which a tax unit takes in as much as the top does are replaced by made-up ones,
    as many as returns were published of each bracket. The others are weighted so that all together
    are as many persons of each age group, and as many households, as published for the year.

    Args:
        folder: with households.csv.gz, factors.csv, population.csv and top.csv.
        period: the run's year.
        seed: of what is drawn: ages, sexes, and the top.

    Raises:
        InputError: a file cannot be used, or has nothing about the year.
    """
    totals = read_population(folder / "population.csv", period)
    factors = read_factors(folder / "factors.csv", period)
    brackets = read_top(folder / "top.csv")
    records = read_records(folder / "households.csv.gz")
    money = aged(records, factors)
    below = _below(records, money, brackets[0].agi_from)
    people = _people(
        records[below].reset_index(drop=True), money[below].reset_index(drop=True), seed
    )
    top = top_households(folder / "top.csv", brackets, people.persons.columns, period, seed)
    weight = people.units["household"]["household_weight"]
    left = totals - top.units["household"]["household_weight"].to_numpy() @ counts_of(top)
    people.units["household"]["household_weight"] = raked(
        str(folder / "population.csv"), weight.to_numpy(), counts_of(people), left
    )
    together = _together(people, top)
    numbers = together.persons["household"].unique()
    return Households(entity_arrays(*together), numbers < 0)


def read_population(path: Path, period: int) -> np.ndarray:
    """Return how many persons of each age group and how many households there are, (8,).

    Raises:
        InputError: the table is damaged, or has nothing about the year.
    """
    years = []
    for place, row in read_rows(path, ("year", *POPULATION)):
        years.append(row["year"])
        if row["year"] == str(period):
            try:
                return np.array([float(row[name]) for name in POPULATION])
            except ValueError as error:
                raise InputError(f"{place} holds no numbers ({error}); correct it") from error
    raise InputError(
        f"{path}: has no row for {period}, only for {', '.join(years) or 'no year'}; add one, or "
        "set period to one of these"
    )


def counts_of(people: People) -> np.ndarray:
    """Return persons by age group, and 1, per household, in the order of the households' table."""
    table = people.units["household"]
    home = table.index.get_indexer(pd.Index(people.persons["household"]))
    group = np.digitize(people.persons["age"], AGE_BOUNDS)
    counts = np.zeros((len(table), len(POPULATION)))
    np.add.at(counts, (home, group), 1)
    counts[:, -1] = 1
    return counts


def _below(records: pd.DataFrame, money: pd.DataFrame, bound: float) -> np.ndarray:
    """Say which units' households have no unit with taxable incomes of `bound` and more."""
    untaxed = money["e00400"] + (1 - TAXED_SHARE) * money["e02400"] + money["e01500"]
    income = money[list(INCOMES)].sum(axis=1) - untaxed + money["e01700"]
    highest = income.groupby(records["household"]).transform("max")
    return (highest < bound).to_numpy()


def _people(records: pd.DataFrame, money: pd.DataFrame, seed: int) -> People:
    """Return the persons and units of the survey's tax units."""
    persons = people_of(records, seed)
    incomes = incomes_of(money, persons) | housing_of(records, money, persons, seed)
    conditions = conditions_of(records, persons, incomes)
    heads = persons.drop_duplicates("unit")
    care = money["e32800"].groupby(heads["spm_unit"].to_numpy()).sum()
    homes = records.drop_duplicates("household").set_index("household")
    units = {
        "household": pd.DataFrame(
            {"household_weight": homes["weight"], "state_fips": homes["fips"].astype(np.int32)}
        ),
        "spm_unit": pd.DataFrame({CHILDCARE: care}),
    }
    variables = persons.drop(columns=["unit", "role"]).assign(**incomes, **conditions)
    return People(variables, units)


def _together(people: People, top: People) -> People:
    """Return both; what only one of them has is 0 or False for the other."""
    persons = pd.concat([people.persons, top.persons], ignore_index=True)
    both = set(people.persons) & set(top.persons)
    for name in set(persons) - both:
        given = people.persons if name in people.persons else top.persons
        persons[name] = persons[name].fillna(0).astype(given[name].dtype)
    household = pd.concat([people.units["household"], top.units["household"]])
    spm_units = pd.Index(top.persons["spm_unit"].unique())
    none = pd.DataFrame({CHILDCARE: np.zeros(len(spm_units))}, index=spm_units)
    return People(
        persons,
        {"household": household, "spm_unit": pd.concat([people.units["spm_unit"], none])},
    )
