"""The areas that get a file of their own.

Imported whenever the Snakefile is parsed, so nothing here is slow to import.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from localcal.errors import InputError
from localcal.files.rows import read_rows
from localcal.geography.codes import FOLDERS, LEVELS, at_large_code, level_named

COLUMNS = ("level", "area", "name", "code", "state_fips", "counties")

# An area's short name is part of file names, and a wildcard of rules.
AREA_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Area:
    """A nation, state, congressional district or city."""

    level: str
    """One of LEVELS."""
    area: str
    """Short name, unlike every other area's: US, CA, CA-12, NYC."""
    name: str
    code: str
    """US, a state's FIPS code, `state * 100 + number` of a district, or a city's short name."""
    state: int | None
    """FIPS code of the state it lies in; None for the nation."""
    counties: tuple[str, ...]
    """5-digit codes of the counties a city consists of; empty at the other levels."""

    @property
    def folder(self) -> str:
        """Return the folder that the files of its level lie in."""
        return FOLDERS[self.level]

    @property
    def scope(self) -> str:
        """Return the fit that its weights come from."""
        return "national" if self.level == "nation" else "local"


def read_areas(path: str | Path) -> list[Area]:
    """Read the table of areas, tab-separated, in its order.

    Raises:
        InputError: the file or a column is missing, or a line cannot be right; names the line.
    """
    rows = read_rows(path, COLUMNS, "\t", "correct areas.path; tabs separate the fields")
    areas = [_area(place, row) for place, row in rows]
    if not areas:
        raise InputError(f"{path}: lists no areas; give a table with one line per area")
    _refuse_repeats(path, areas)
    return areas


def _area(line: str, row: Mapping[str, str]) -> Area:
    level = level_named(row["level"])
    if level not in LEVELS:
        raise InputError(f"{line} has the level {row['level']!r}; use one of {', '.join(LEVELS)}")
    if not AREA_PATTERN.fullmatch(row["area"]):
        raise InputError(
            f"{line} has the area {row['area']!r}; use letters, digits, _ and -, as in CA-12"
        )
    counties = tuple(row["counties"].split(",")) if row["counties"] else ()
    area = Area(level, row["area"], row["name"], row["code"], _state(line, row), counties)
    _check_place(line, area)
    return replace(area, code=str(at_large_code(int(area.code)))) if level == "district" else area


def _state(line: str, row: Mapping[str, str]) -> int | None:
    if level_named(row["level"]) == "nation" and not row["state_fips"]:
        return None
    if not re.fullmatch("[0-9]{1,2}", row["state_fips"]):
        raise InputError(
            f"{line} has the state_fips {row['state_fips']!r}; give a state's FIPS code"
        )
    return int(row["state_fips"])


def _check_place(line: str, area: Area) -> None:
    if area.level == "state" and area.code != str(area.state):
        raise InputError(
            f"{line} has the code {area.code!r}, but state_fips {area.state}; correct one of them"
        )
    if area.level == "district" and not (
        re.fullmatch("0?[1-9][0-9]{2,3}", area.code) and int(area.code) // 100 == area.state
    ):
        raise InputError(
            f"{line} has the code {area.code!r}; give state_fips * 100 + the district's number"
        )
    if area.level == "city" and not area.counties:
        raise InputError(f"{line} is a city without counties; list their codes, comma-separated")
    for county in area.counties:
        if not re.fullmatch("[0-9]{5}", county):
            raise InputError(f"{line} has the county {county!r}; give 5 digits with leading zeros")


def _refuse_repeats(path: str | Path, areas: Iterable[Area]) -> None:
    seen = set()
    for area in areas:
        if area.area in seen:
            raise InputError(f"{path}: lists the area {area.area!r} twice; rename or remove one")
        seen.add(area.area)


def select(areas: Iterable[Area], wanted: Mapping[str, str | Iterable[str]]) -> list[Area]:
    """Return the areas that `wanted` asks for, in the order of `areas`.

    `wanted` maps a level's folder to "all" or to a list of short names; a level not mentioned gives
    none.

    Raises:
        InputError: a level or a name that does not exist; suggests the nearest one.
    """
    areas = list(areas)
    chosen = set()
    for folder, names in wanted.items():
        if folder not in FOLDERS.values():
            raise InputError(f"areas.{folder}: no such level; use {', '.join(FOLDERS.values())}")
        known = [area.area for area in areas if area.folder == folder]
        if names == "all":
            chosen.update(known)
            continue
        if isinstance(names, str):
            raise InputError(f"areas.{folder}: {names!r} is no list; write [{names}], or all")
        for name in names:
            if name not in known:
                raise InputError(_unknown(folder, name, known))
            chosen.add(name)
    return [area for area in areas if area.area in chosen]


def _unknown(folder: str, name: str, known: list[str]) -> str:
    by_upper = {area.upper(): area for area in known}
    near = difflib.get_close_matches(str(name).upper(), by_upper, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(by_upper[match] for match in near)}?" if near else (
        f"see the {len(known)} of this level in the table of areas"
    )  # fmt: skip
    return f"areas.{folder}: no area {name!r}; {hint}"
