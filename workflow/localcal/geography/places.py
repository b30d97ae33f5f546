"""The tables that places are drawn from.

Rows are sorted on reading, so the order of a file's rows never reaches a result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from localcal.errors import InputError
from localcal.files.table import Table
from localcal.geography.blocks import at_large_as_01, refuse_foreign_states
from localcal.geography.codes import BLOCK_DIGITS, COUNTY_DIGITS, UNKNOWN_BLOCK

SHARE_COLUMNS = ("share", "probability")
DISTRICT_COLUMNS = ("district", "cd_geoid")


@dataclass(frozen=True, eq=False)
class Places:
    """The places of every district and the mass of each, sorted by district, then by place."""

    district: np.ndarray
    """(P,) int64, `state * 100 + number`."""
    block: np.ndarray
    """(P,) S15; a county's code and ten zeros where only counties are known."""
    share: np.ndarray
    """(P,) float64, not negative; sums to something positive within each district."""


class AreaIncome(NamedTuple):
    """Published adjusted gross income in dollars, by district (state * 100 + number) and state."""

    districts: Mapping[int, float]
    states: Mapping[int, float]


def read_places(path: str | Path) -> Places:
    """Read P(place | district) from a csv, csv.gz or parquet file.

    Columns: `district` or `cd_geoid`; `block_geoid` (15 digits) or `county_fips` (5 digits);
    `share` or `probability`, in any unit, since only its proportions within a district count.

    Raises:
        InputError: the file or a column is missing, or a row cannot be right; names the row.
    """
    table = Table(path)
    district = at_large_as_01(table.whole_numbers(DISTRICT_COLUMNS))
    block = _read_blocks(table)
    share = table.real_numbers(SHARE_COLUMNS)
    table.refuse_rows(~(np.isfinite(share) & (share >= 0)), "has a share that is not 0 or more")
    refuse_foreign_states(block, district, table.row_name)
    order = np.lexsort((block.astype(np.int64), district))
    district, block, share = district[order], block[order], share[order]
    repeated = np.zeros(len(order), dtype=bool)
    repeated[order[1:]] = (district[1:] == district[:-1]) & (block[1:] == block[:-1])
    table.refuse_rows(repeated, "repeats a district and place given before")
    _refuse_massless(path, district, share)
    return Places(district, block, share)


def _read_blocks(table: "Table") -> np.ndarray:
    if table.has(("block_geoid",)):
        return table.codes(("block_geoid",), BLOCK_DIGITS)
    county = table.codes(("county_fips", "block_geoid"), COUNTY_DIGITS)
    return np.strings.add(county, UNKNOWN_BLOCK)


def _refuse_massless(path: str | Path, district: np.ndarray, share: np.ndarray) -> None:
    codes, position = np.unique(district, return_inverse=True)
    massless = codes[np.bincount(position, weights=share) <= 0]
    if len(massless):
        raise InputError(
            f"{path}: every share of district {massless[0]} is zero; "
            "give its places shares, or take it out of this and the population file"
        )


def read_district_population(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted districts (D,) int64 and their populations (D,) float64, all positive.

    Columns: `district` or `cd_geoid`; `population`.

    Raises:
        InputError: the file or a column is missing, or a row cannot be right; names the row.
    """
    table = Table(path)
    district = at_large_as_01(table.whole_numbers(DISTRICT_COLUMNS))
    population = table.real_numbers(("population",))
    table.refuse_rows(
        ~(np.isfinite(population) & (population > 0)), "has a population that is not above 0"
    )
    order = np.argsort(district, kind="stable")
    repeated = np.zeros(len(order), dtype=bool)
    repeated[order[1:]] = district[order[1:]] == district[order[:-1]]
    table.refuse_rows(repeated, "repeats a district given before")
    return district[order], population[order]
