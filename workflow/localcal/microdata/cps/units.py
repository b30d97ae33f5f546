"""Families, SPM units, couples and tax units of a CPS ASEC.

Every person is in one of each. Tax units are made by `microunit`, PolicyEngine's library of the
rules of filing and dependency (26 U.S.C. 152), since the Census Bureau's own (TAX_ID) follow its
tax model. SPM units and families are the survey's.
"""

import logging
from typing import NamedTuple

import numpy as np
import pandas as pd

from localcal.microdata.cps.columns import (
    DIFFICULTIES,
    POINTERS,
    TAX_UNIT_EVIDENCE,
)

logger = logging.getLogger(__name__)

RELATED_SUBFAMILY = 3
PRIMARY_FAMILY = 1
# Who is an adult to the model's SPM units, and who may be one if nobody else is.
ADULT_AGE = 18
INDEPENDENT_AGE = 15

# What `microunit` looks at beside TAX_UNIT_EVIDENCE: who somebody is, and gross income.
_TAX_UNIT_COLUMNS = (
    *("PH_SEQ", "A_LINENO", "A_AGE", "A_MARITL"),
    *("WSAL_VAL", "SEMP_VAL", "FRSE_VAL", "INT_VAL", "DIV_VAL", "RNT_VAL", "CAP_VAL", "UC_VAL"),
    *("OI_VAL", "ANN_VAL", "PNSN_VAL", "SS_VAL"),
)


class TaxUnits(NamedTuple):
    """Each person's tax unit, role and whether they are related to its head, (persons,)."""

    unit: np.ndarray
    role: np.ndarray
    is_related: np.ndarray


def without_lone_pointers(persons: pd.DataFrame) -> pd.DataFrame:
    """Return the persons with nobody married to somebody who is not married to them."""
    lines = persons.set_index(["PH_SEQ", "A_LINENO"])["A_SPOUSE"]
    theirs = lines.reindex(pd.MultiIndex.from_frame(persons[["PH_SEQ", "A_SPOUSE"]])).to_numpy()
    lone = (persons["A_SPOUSE"] > 0) & (theirs != persons["A_LINENO"])
    if lone.any():
        logger.info("%d persons point to a spouse who does not point back", np.count_nonzero(lone))
    return persons.assign(A_SPOUSE=persons["A_SPOUSE"].where(~lone, 0))


def families(persons: pd.DataFrame) -> np.ndarray:
    """Return each person's family, (persons,) int64: related subfamilies are in the primary one."""
    primary = persons["PF_SEQ"].where(persons["A_FAMTYP"] == PRIMARY_FAMILY)
    primary = primary.groupby(persons["PH_SEQ"]).transform("min").fillna(persons["PF_SEQ"])
    is_joined = persons["A_FAMTYP"] == RELATED_SUBFAMILY
    number = primary.where(is_joined, persons["PF_SEQ"])
    return _numbered(persons["PH_SEQ"], number)


def spm_units(persons: pd.DataFrame) -> np.ndarray:
    """Return each person's SPM unit, (persons,) int64.

    The model has no threshold for units of minors only: they are in the unit of the household's
    first adult. A household without one is a unit.
    """
    household = persons["PH_SEQ"]
    is_adult = persons["A_AGE"] >= ADULT_AGE
    is_young = ~is_adult.groupby(persons["SPM_ID"]).transform("any")
    first = persons["SPM_ID"].where(is_adult).groupby(household).transform("first")
    first = first.fillna(persons["SPM_ID"].groupby(household).transform("first"))
    joined = first.where(is_young, persons["SPM_ID"])
    if count := persons["SPM_ID"].nunique() - joined.nunique():
        logger.info("%d SPM units of minors are in the unit of their household's adult", count)
    return _numbered(household, joined)


def independent_minors(persons: pd.DataFrame, units: np.ndarray) -> np.ndarray:
    """Say who stands for an adult in an SPM unit that has none, (persons,) bool."""
    has_adult = (persons["A_AGE"] >= ADULT_AGE).groupby(units).transform("any")
    return (~has_adult & (persons["A_AGE"] >= INDEPENDENT_AGE)).to_numpy()


def marital_units(persons: pd.DataFrame) -> np.ndarray:
    """Return each person's marital unit, (persons,) int64: couples, and everybody else alone."""
    spouse = persons["A_SPOUSE"].where(persons["A_SPOUSE"] > 0, persons["A_LINENO"])
    first = spouse.clip(upper=persons["A_LINENO"])
    return _numbered(persons["PH_SEQ"], first)


def tax_units(persons: pd.DataFrame, year: int) -> TaxUnits:
    """Return who files and who depends on whom by the rules of a year.

    Args:
        persons: the persons.
        year: the year of incomes, for the limit on a dependent's gross income.
    """
    from microunit import construct_tax_units

    names = [*_TAX_UNIT_COLUMNS, *POINTERS, *DIFFICULTIES, *TAX_UNIT_EVIDENCE]
    assigned, _ = construct_tax_units(persons[names].copy(), year)
    return TaxUnits(
        assigned["TAX_ID"].to_numpy(np.int64),
        assigned["tax_unit_role_input"].to_numpy().astype("S"),
        assigned["is_related_to_head_or_spouse"].to_numpy(bool),
    )


def _numbered(household: pd.Series, within: pd.Series) -> np.ndarray:
    """Return a number from 1 for each unit, in the order of households and of units in them."""
    keys = np.stack([household.to_numpy(), within.to_numpy()])
    _, unit = np.unique(keys, axis=1, return_inverse=True)
    return unit.ravel().astype(np.int64) + 1
