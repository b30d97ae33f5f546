"""Targets that users write into tables of their own, beside those of the target database.

A run keeps a copy of the rows, each with where it stood: the tables are the user's, may lie
anywhere and change afterwards, and jobs on other machines do not have them.
"""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from localcal.database.constraints import (
    check_constraints,
    constraints_in,
    place_constraints,
    split_geography,
)
from localcal.database.reader import TARGET_COLUMNS, domain_of
from localcal.errors import REMAKE, InputError, near, one_line
from localcal.files.atomic import atomic_path
from localcal.files.rows import NUMBER, read_rows
from localcal.geography.areas import Area, read_areas
from localcal.geography.codes import TARGET_LEVELS

NEEDED = ("area", "variable", "constraints", "value", "period")
OPTIONAL = ("tolerance", "source", "hold_out")
# Of the run's copy: where a row stands in which table, its area's level and code, and whether it is
# one of the totals to compare with.
COMPARED = "compared"
COLUMNS = ("label", "geo_level", "code", *NEEDED[1:], *OPTIONAL, COMPARED)
TRUTHS = {"": False, "false": False, "true": True}


def copy_tables(
    tables: Iterable[Path], areas: Path, path: Path, compare: Path | None = None
) -> None:
    """Write the rows of users' tables into one, each with where it stood, once they are checked.

    Args:
        tables: CSV tables with the columns NEEDED and, if they like, OPTIONAL: the short name of an
            area, a variable of the model, conditions separated by semicolons (`age>=65;snap>0`),
            dollars or a number of units, the year, a relative uncertainty in per cent, who
            published it, and `true` if it is only compared with what the weights come to.
        areas: table of the areas, tab-separated.
        path: the table to write, with the columns COLUMNS.
        compare: such a table of totals, which are never fitted and give way to targets that mean
            the same.

    Raises:
        InputError: a table is missing or lacks a column, or a cell is not what its column needs.
    """
    known = {area.area: area for area in read_areas(areas)}
    rows = [row for table in tables for row in _rows(table, known)]
    for row in _rows(compare, known) if compare else ():
        rows.append(row | {"hold_out": "true", COMPARED: "true"})
    with atomic_path(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _rows(table: Path, known: Mapping[str, Area]) -> Iterator[dict[str, str]]:
    for place, row in read_rows(table, NEEDED):
        unknown = sorted(row.keys() - {*NEEDED, *OPTIONAL})
        if unknown:
            raise InputError(
                f"{table}: has the unknown column {unknown[0]!r}"
                f"{near(unknown[0], (*NEEDED, *OPTIONAL))}; it may have "
                f"{', '.join((*NEEDED, *OPTIONAL))}"
            )
        area = _area(place, row["area"], known)
        _check(place, row)
        conditions = constraints_in(place, row["constraints"])
        check_constraints(place, conditions)
        yield {
            "label": place,
            "geo_level": area.level,
            "code": area.code,
            "variable": row["variable"],
            "constraints": ";".join(map(str, conditions)),
            "value": row["value"],
            "period": row["period"],
            "tolerance": row.get("tolerance", ""),
            "source": row.get("source") or place,
            "hold_out": row.get("hold_out", ""),
            COMPARED: "",
        }


def _area(place: str, name: str, known: Mapping[str, Area]) -> Area:
    if name not in known:
        raise InputError(
            f"{place}: column area: no area is called {name!r}{near(name, known)}; use a short "
            "name of the table of areas, such as US, CA or CA-12"
        )
    area = known[name]
    if area.level not in TARGET_LEVELS:
        raise InputError(
            f"{place}: column area: {name} is a {area.level}; targets are about the nation, states "
            "and districts"
        )
    return area


def _check(place: str, row: Mapping[str, str]) -> None:
    if not re.fullmatch("[a-z][a-z0-9_]*", row["variable"]):
        raise InputError(
            f"{place}: column variable: {row['variable']!r} is no variable; name one of the model"
        )
    if not re.fullmatch("[0-9]{4}", row["period"]):
        raise InputError(f"{place}: column period: {row['period']!r} is no year; give four digits")
    if not math.isfinite(_number(row["value"])):
        raise InputError(
            f"{place}: column value: {row['value']!r} is no number; write it with digits and a "
            "point, nothing else"
        )
    held_out = row.get("hold_out", "")
    if held_out not in TRUTHS:
        raise InputError(f"{place}: column hold_out: {held_out!r}; give true, false or nothing")
    tolerance = row.get("tolerance", "")
    if tolerance and not 0 <= _number(tolerance) < math.inf:
        raise InputError(
            f"{place}: column tolerance: {tolerance!r} is no percentage; give one of at least 0, "
            "or nothing"
        )


def _number(text: str) -> float:
    # float() would take 1_000, infinity and other scripts' digits.
    plain = re.fullmatch(NUMBER, text)
    return float(text) if plain else math.nan


def read_tables(path: Path, first_id: int, first_stratum: int) -> pd.DataFrame:
    """Read what `copy_tables` wrote, in the form of `localcal.database.reader`.

    Args:
        path: the file.
        first_id: the target_id of the first row; the others follow.
        first_stratum: the stratum_id of the first row's stratum.

    Returns:
        One row per target, columns as `read_targets_table` has them, and `hold_out` and
        `compared`, bool.

    Raises:
        InputError: the file is damaged, or a geography is none.
    """
    strata: dict[tuple, int] = {}
    found: list[tuple] = []
    for place, row in read_rows(path, COLUMNS, remedy=REMAKE):
        try:
            period, value, tolerance = (
                int(row["period"]),
                float(row["value"]),
                float(row["tolerance"] or "nan"),
            )
            truths = (TRUTHS[row["hold_out"]], TRUTHS[row[COMPARED]])
        except (ValueError, KeyError) as error:
            raise InputError(f"{place}: {one_line(error)}; {REMAKE}") from error
        geography = place_constraints(row["geo_level"], row["code"])
        conditions = constraints_in(place, row["constraints"])
        level, area, rest = split_geography(row["label"], [*geography, *conditions])
        stratum = strata.setdefault((area, rest), first_stratum + len(strata))
        place_of_target = (level, area, domain_of(rest), rest)
        target = (first_id + len(found), row["variable"], period, stratum, 0, value, tolerance)
        found.append((*target, row["source"], *place_of_target, row["label"], *truths))
    table = pd.DataFrame(found, columns=[*TARGET_COLUMNS, "hold_out", COMPARED])
    return table.astype({"hold_out": bool, COMPARED: bool})
