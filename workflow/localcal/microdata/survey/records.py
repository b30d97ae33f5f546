"""What the extract of survey households holds: one row per tax unit, with money of 2014."""

import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.errors import InputError, one_line
from localcal.geography.codes import STATES

# The year whose dollars and whose population the survey's file is about.
MONEY_YEAR = 2014

# What names a household: the year that its incomes are of, and its number in that year's survey.
HOUSEHOLD = ("FLPDYR", "h_seq")

# What is said of a tax unit, and how many of its dependents are of what age.
UNIT = (
    "ffpos",
    "fips",
    "MARS",
    "DSI",
    "XTOT",
    "age_head",
    "age_spouse",
    "blind_head",
    "blind_spouse",
    "nu06",
    "nu13",
    "n24",
    "nu18",
    "n1820",
    "n21",
    "elderly_dependents",
)

# What a unit takes in, in dollars; p is the head's part and s the spouse's. e00650 and e01700
# are parts of e00600 and e01500.
INCOMES = (
    "e00200p",
    "e00200s",
    "e00900p",
    "e00900s",
    "e02100p",
    "e02100s",
    "e00300",
    "e00400",
    "e00600",
    "e00800",
    "e01100",
    "e01400",
    "e01500",
    "e02300",
    "e02400",
)
OTHER_MONEY = (
    "e00650",
    "e01700",
    "e03210",
    "e17500",
    "e18500",
    "e19200",
    "e19800",
    "e20100",
    "e32800",
    "mcaid_ben",
    "ssi_ben",
    "vet_ben",
)
COLUMNS = (*HOUSEHOLD, "weight", *UNIT, *INCOMES, *OTHER_MONEY)

# What may be below zero: businesses and farms lose money.
SIGNED = ("e00900p", "e00900s", "e02100p", "e02100s")
SINGLE, JOINT, SEPARATE, HEAD_OF_HOUSEHOLD = range(1, 5)

REMEDY = "make it again, see README.md beside it"


def read_records(path: Path) -> pd.DataFrame:
    """Return the extract's tax units, (units,) rows of COLUMNS, and their households' numbers.

    Returns:
        COLUMNS as int64, `weight` as float64, and `household`: 0, 1, ... in the rows' order.

    Raises:
        InputError: the file is missing or damaged, lacks a column, or a value is not possible;
            names the line.
    """
    try:
        table = pd.read_csv(path, usecols=list(COLUMNS))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; correct population.survey") from error
    except (OSError, EOFError, ValueError, zlib.error, pd.errors.ParserError) as error:
        raise InputError(f"{path}: damaged, no such table ({one_line(error)}); {REMEDY}") from error
    for name in COLUMNS:
        kinds = "if" if name == "weight" else "i"
        if table[name].dtype.kind not in kinds:
            raise InputError(f"{path}: {name} is not a whole number in every line; {REMEDY}")
    table["household"] = table.groupby(list(HOUSEHOLD), sort=False).ngroup()
    _refuse_impossible(path, table)
    return table


def _refuse_impossible(path: Path, table: pd.DataFrame) -> None:
    """Raise InputError for the first line with a value that cannot be."""
    first = table.groupby("household")[["weight", "fips"]].transform("first")
    wrong = {
        "weight": ~(table["weight"] > 0) | (table["weight"] != first["weight"]),
        "fips": ~table["fips"].isin(STATES) | (table["fips"] != first["fips"]),
        "MARS": ~table["MARS"].between(SINGLE, HEAD_OF_HOUSEHOLD),
        "nu06": table["nu06"] > table["nu13"],
        "nu13": table["nu13"] > table["n24"],
        "n24": table["n24"] > table["nu18"],
    }
    for name in COLUMNS:
        line = wrong.get(name, np.zeros(len(table), dtype=bool))
        if name not in SIGNED:
            line = line | (table[name] < 0)
        if line.any():
            row = int(np.argmax(line))
            raise InputError(
                f"{path}: line {row + 2} has the {name} {table[name].iloc[row]}, which cannot be, "
                f"or is not the household's; {REMEDY}"
            )
