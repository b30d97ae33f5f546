"""The sources that are known: which raw files each reads, and the table made of them."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from localcal.database.agencies import census, cms, irs, usda
from localcal.database.agencies.figures import Published, write_figures
from localcal.errors import InputError
from localcal.geography.areas import read_areas


class Source(NamedTuple):
    """One table: the raw file it is made of, the year, and how that file is read."""

    file: str
    period: int
    read: Callable[..., Iterator[Published]]
    # What the file calls a state, to be found in the table of areas: "name", "area", or a code.
    states: str = "code"


SOURCES = {
    "census_age_nation": Source("acs_S0101_national_2024.json", 2024, census.age_figures),
    "census_age_states": Source("acs_S0101_state_2024.json", 2024, census.age_figures),
    "census_age_districts": Source("acs_S0101_district_2024.json", 2024, census.age_figures),
    "census_snap_districts": Source("acs_S2201_district_2024.json", 2024, census.snap_figures),
    "census_income_tax": Source(
        "census_stc_individual_income_tax_2024.json", 2024, census.income_tax_figures
    ),
    "cms_medicaid": Source("medicaid_enrollment_2024.csv", 2024, cms.medicaid_figures, "area"),
    "irs_states": Source("22in55cmcsv.csv", 2022, irs.state_figures, "area"),
    "usda_snap": Source("snap_fy69tocurrent.zip", 2024, usda.snap_figures, "name"),
}


def raw_files(source: Source) -> tuple[str, ...]:
    """Return the names of the raw files that a source is made of."""
    return (source.file,)


def write_source(name: str, raw: Path, areas: Path, path: Path) -> None:
    """Write the table of one source.

    Args:
        name: one of SOURCES.
        raw: folder that holds its raw file, at any depth.
        areas: table of the areas.
        path: the table to write.

    Raises:
        InputError: the raw file is missing, there twice, or not what it should be.
    """
    source = SOURCES[name]
    read = source.read
    if source.states != "code":
        states = {
            getattr(area, source.states): area.code
            for area in read_areas(areas)
            if area.level == "state"
        }
        read = functools.partial(read, states=states)
    write_figures(read(find_raw(name, raw), source.period), path)


def find_raw(name: str, raw: Path) -> Path:
    """Return the raw file of a source.

    Raises:
        InputError: it is missing, or there twice.
    """
    file = SOURCES[name].file
    found = sorted(path for path in raw.rglob(file) if path.is_file())
    if len(found) != 1:
        where = f"is there {len(found)} times" if found else "is missing"
        raise InputError(f"{name}: {file} {where} below {raw}; put it there once")
    return found[0]
