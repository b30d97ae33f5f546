"""The public-use files of one CPS ASEC: persons, families and households.

Columns and codes are those of the Census Bureau's data dictionary (Current Population Survey, 2024
Annual Social and Economic Supplement, technical documentation cpsmar24.pdf, chapter 6). The file of
year YY asks about the income of the year before.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.files.folders import files_in
from localcal.files.table import Table
from localcal.geography.codes import STATES
from localcal.microdata.cps.columns import (
    AMOUNTS,
    CODES,
    FAMILY,
    HOUSEHOLD,
    PERSON,
    POINTERS,
    TENURES,
)

logger = logging.getLogger(__name__)

# What the files of each kind begin with; two digits of the year follow.
PREFIXES = {"person": "pppub", "family": "ffpub", "household": "hhpub"}

INTERVIEWED = 1
HOUSEHOLD_TYPES = (INTERVIEWED, 2, 3)
# 80 stands for 80 to 84, and 85 for everybody older.
OLDEST = 85
# Weights have two implied decimals.
WEIGHT_UNIT = 100


class Survey(NamedTuple):
    """What the files hold of interviewed households.

    Attributes:
        persons: a column per name in `columns.PERSON`, sorted by household and line.
        households: the same of `columns.HOUSEHOLD`, sorted by number; weights are households.
        income_year: the year that incomes are about.
        source: what to call the person file in an error.
    """

    persons: pd.DataFrame
    households: pd.DataFrame
    income_year: int
    source: str


def read_survey(folder: str | Path) -> Survey:
    """Read the three files of one year and check that they fit together.

    Args:
        folder: what holds `pppubYY.csv`, `ffpubYY.csv` and `hhpubYY.csv`.

    Raises:
        InputError: a file or column is missing, the files are of several years, or a row is not
            what the data dictionary says; names file, line and column.
    """
    paths, year = _paths(folder)
    tables = {
        kind: Table(paths[kind], only)
        for kind, only in (("household", HOUSEHOLD), ("family", FAMILY), ("person", PERSON))
    }
    households = _numbers(tables["household"], HOUSEHOLD)
    families = _numbers(tables["family"], FAMILY)
    persons = _numbers(tables["person"], PERSON)
    _check_households(tables["household"], households)
    _check_links(tables, persons, families, households)
    _check_persons(tables["person"], persons)
    interviewed = households["H_HHTYPE"] == INTERVIEWED
    if not interviewed.all():
        logger.info(
            "%s: %d of %d households are left out, which were not interviewed",
            paths["household"],
            np.count_nonzero(~interviewed),
            interviewed.size,
        )
    households = households[interviewed].sort_values("H_SEQ", ignore_index=True)
    households["HSUP_WGT"] /= WEIGHT_UNIT
    persons = persons.sort_values(["PH_SEQ", "A_LINENO"], ignore_index=True)
    return Survey(persons, households, year - 1, str(paths["person"]))


def _paths(folder: str | Path) -> tuple[dict[str, Path], int]:
    """Return the file of each kind, and the year of the survey."""
    try:
        found = files_in(folder, "cps")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; correct population.path") from error
    years = sorted({path.stem[-2:] for path in found})
    if len(years) > 1:
        raise InputError(
            f"{folder}: holds files of several years ({', '.join(path.name for path in found)}); "
            "keep the three of one"
        )
    if not years:
        raise InputError(
            f"{folder}: holds no pppubYY.csv; put the three CSV files of a year's CPS ASEC there"
        )
    paths = {kind: Path(folder) / f"{prefix}{years[0]}.csv" for kind, prefix in PREFIXES.items()}
    for path in paths.values():
        if path not in found:
            raise InputError(
                f"{folder}: lacks {path.name}; add it, the archive of the year's CPS ASEC has all "
                f"of {', '.join(item.name for item in paths.values())}"
            )
    return paths, 2000 + int(years[0])


def _numbers(table: Table, names: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({name: table.numbers(name) for name in names})


def _check_households(table: Table, households: pd.DataFrame) -> None:
    number = households["H_SEQ"]
    _refuse(table, "H_SEQ", ~_is_key(number), "a household's number")
    table.refuse_rows(number.duplicated().to_numpy(), "has an H_SEQ that a line above it has")
    kinds = households["H_HHTYPE"].isin(HOUSEHOLD_TYPES)
    _refuse(table, "H_HHTYPE", ~kinds, "1 (interviewed), 2 or 3")
    _refuse(table, "HSUP_WGT", households["HSUP_WGT"] < 0, "a weight of 0 or more")
    interviewed = households["H_HHTYPE"] == INTERVIEWED
    states = households["GESTFIPS"].isin(STATES)
    _refuse(table, "GESTFIPS", interviewed & ~states, "the FIPS code of a state")
    tenures = households["H_TENURE"].isin(TENURES)
    need = f"a code of {TENURES[0]} to {TENURES[-1]}"
    _refuse(table, "H_TENURE", interviewed & ~tenures, need)
    weights = households["HSUP_WGT"][interviewed]
    if not weights.any():
        raise InputError(
            f"{table.path}: HSUP_WGT is 0 in every interviewed household; give a file with weights"
        )
    if (weights == 0).any():
        logger.info("%s: %d households have no weight", table.path, np.count_nonzero(weights == 0))


def _check_persons(table: Table, persons: pd.DataFrame) -> None:
    line = persons["A_LINENO"]
    _refuse(table, "A_LINENO", ~_is_key(line) | (line > 99), "a person's line number")
    twice = persons.duplicated(["PH_SEQ", "A_LINENO"]).to_numpy()
    table.refuse_rows(twice, "has the PH_SEQ and A_LINENO of a line above it")
    age = persons["A_AGE"]
    wrong = (age < 0) | (age > OLDEST) | (age != np.floor(age))
    _refuse(table, "A_AGE", wrong, f"an age of 0 to {OLDEST}")
    for name in AMOUNTS:
        _refuse(table, name, persons[name] < 0, "an amount of 0 or more")
    for name, codes in CODES.items():
        need = f"a code of {codes[0]} to {codes[-1]}"
        _refuse(table, name, ~persons[name].isin(codes), need)
    keys = pd.MultiIndex.from_frame(persons[["PH_SEQ", "A_LINENO"]])
    for name in POINTERS:
        pointed = pd.MultiIndex.from_frame(persons[["PH_SEQ", name]])
        lost = (persons[name] > 0) & ~pointed.isin(keys)
        _refuse(table, name, lost, "the A_LINENO of anybody in the household")
    first = persons.groupby("SPM_ID")["PH_SEQ"].transform("first")
    _refuse(table, "SPM_ID", persons["PH_SEQ"] != first, "an SPM unit of this household")


def _check_links(
    tables: dict[str, Table],
    persons: pd.DataFrame,
    families: pd.DataFrame,
    households: pd.DataFrame,
) -> None:
    """Refuse persons without household or family, and households without a person."""
    table, kinds = tables["person"], households.set_index("H_SEQ")["H_HHTYPE"]
    kind = persons["PH_SEQ"].map(kinds)
    listed = f"the H_SEQ of a household in {tables['household'].path}"
    _refuse(table, "PH_SEQ", kind.isna(), listed)
    _refuse(table, "PH_SEQ", kind != INTERVIEWED, f"{listed} that was interviewed")
    known = pd.MultiIndex.from_frame(families[["FH_SEQ", "FFPOS"]])
    lost = ~pd.MultiIndex.from_frame(persons[["PH_SEQ", "PF_SEQ"]]).isin(known)
    need = f"the FFPOS of a family of this household in {tables['family'].path}"
    _refuse(table, "PF_SEQ", lost, need)
    interviewed = households["H_HHTYPE"] == INTERVIEWED
    empty = interviewed & ~households["H_SEQ"].isin(persons["PH_SEQ"])
    need = f"the PH_SEQ of anybody in {table.path}"
    _refuse(tables["household"], "H_SEQ", empty, need)


def _is_key(values: pd.Series) -> pd.Series:
    return (values > 0) & (values == np.floor(values))


def _refuse(table: Table, name: str, wrong: pd.Series | np.ndarray, need: str) -> None:
    table.refuse_cells(name, np.asarray(wrong), need)
