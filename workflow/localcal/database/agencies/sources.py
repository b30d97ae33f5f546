"""The sources that are known: which raw files each reads, and the table made of them."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from localcal.database.agencies import census, cms, irs, usda
from localcal.database.agencies.figures import Published, write_figures
from localcal.database.agencies.raw import REMEDY
from localcal.errors import InputError
from localcal.geography.areas import Area, read_areas


class Source(NamedTuple):
    """One table: the raw files it is made of, the year, and how they are read."""

    files: tuple[str, ...]
    period: int
    read: Callable[..., Iterator[Published]]
    # What a file calls a state, to be found in the table of areas: "name", "area", or a code.
    states: str = "code"
    # Whether the districts of the table of areas are needed.
    districts: bool = False
    # Whether a run has it only where `targets.agencies` names it.
    optional: bool = False
    # Whether it has figures, or is only looked at.
    figures: bool = True


SOURCES = {
    "census_age_nation": Source(("acs_S0101_national_2024.json",), 2024, census.age_figures),
    "census_age_states": Source(("acs_S0101_state_2024.json",), 2024, census.age_figures),
    "census_age_districts": Source(("acs_S0101_district_2024.json",), 2024, census.age_figures),
    "census_districts": Source(
        ("acs5_congressional_districts_2024.json",),
        2024,
        census.compare_districts,
        districts=True,
        figures=False,
    ),
    "census_snap_districts": Source(("acs_S2201_district_2024.json",), 2024, census.snap_figures),
    "census_income_tax": Source(
        ("census_stc_individual_income_tax_2024.json",), 2024, census.income_tax_figures
    ),
    "cms_medicaid": Source(("medicaid_enrollment_2024.csv",), 2024, cms.medicaid_figures, "area"),
    "irs_nation": Source(("22in55cmcsv.csv",), 2022, irs.nation_figures),
    "irs_states": Source(("22in55cmcsv.csv",), 2022, irs.state_figures, "area"),
    "irs_districts": Source(
        ("22incd.csv", "geocorr2022_cd117_to_cd119.csv"),
        2022,
        irs.district_figures,
        districts=True,
        optional=True,
    ),
    "usda_snap": Source(("snap_fy69tocurrent.zip",), 2024, usda.snap_figures, "name"),
}

# What a run has unless it says otherwise.
DEFAULT_SOURCES = tuple(name for name, source in SOURCES.items() if not source.optional)


def write_source(name: str, raw: Path, areas: Path, path: Path) -> None:
    """Write the table of one source.

    Args:
        name: one of SOURCES.
        raw: folder that holds its raw files, at any depth.
        areas: table of the areas.
        path: the table to write.

    Raises:
        InputError: a raw file is missing, there twice, or not what it should be.
    """
    source = SOURCES[name]
    files = find_raw(name, raw)
    figures = list(source.read(*files, period=source.period, **_told(source, read_areas(areas))))
    if not figures and source.figures:
        raise InputError(f"{name}: {', '.join(map(str, files))}: no figures in it; {REMEDY}")
    write_figures(figures, path)


def _told(source: Source, areas: Sequence[Area]) -> dict[str, Collection[str]]:
    """Return what of the table of areas is needed to read a source's files."""
    told: dict[str, Collection[str]] = {}
    if source.states != "code":
        told["states"] = {
            getattr(area, source.states): area.code for area in areas if area.level == "state"
        }
    if source.districts:
        told["districts"] = [area.code for area in areas if area.level == "district"]
    return told


def find_raw(name: str, raw: Path) -> list[Path]:
    """Return the raw files of a source.

    Raises:
        InputError: one is missing, or there twice.
    """
    return [_only_one(name, raw, file) for file in SOURCES[name].files]


def _only_one(name: str, raw: Path, file: str) -> Path:
    found = sorted(path for path in raw.rglob(file) if path.is_file())
    if len(found) != 1:
        where = f"is there {len(found)} times" if found else "is missing"
        raise InputError(f"{name}: {file} {where} below {raw}; put it there once")
    return found[0]
