"""What the Census Bureau publishes: people by age, households on SNAP, states' income tax."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from localcal.database.agencies.crosswalk import refuse_other_districts
from localcal.database.agencies.figures import Published
from localcal.database.agencies.raw import (
    REMEDY,
    Row,
    read_json_records,
    read_json_rows,
    refuse_other_states,
)
from localcal.errors import InputError
from localcal.geography.codes import DISTRICTS, STATES, at_large_code

AGE = "Census ACS S0101"
SNAP = "Census ACS S2201"
INCOME_TAX = "Census STC T40"
DISTRICT_LIST = "Census list of districts"

# Five years each, and 85 and older, in the columns _002E to _019E.
AGES = 18
GEO_ID = re.compile(r"01\d{5}US|0400000US(\d{2})|500(\d{2})\d{2}US(\d{4}|\d{2}ZZ)")
# The districts of another have the same numbers, but other people.
CONGRESS = "119"
# In place of a margin: the estimate is controlled to the population estimates and has none.
CONTROLLED = -555_555_555
# These states tax some income of some people, but the file has nothing for them.
TAXED_WITHOUT_FIGURE = (33, 53)


def age_figures(path: Path, period: int) -> Iterator[Published]:
    """Yield people by age in all areas of one file: the nation, the states, or the districts."""
    columns = ["GEO_ID"]
    for number in range(2, 2 + AGES):
        columns += [f"S0101_C01_{number:03}E", f"S0101_C01_{number:03}M"]
    for level, code, row in _areas(AGE, path, columns):
        for number in range(2, 2 + AGES):
            least = 5 * (number - 2)
            below = 1000 if number == 1 + AGES else least + 5
            value, tolerance, notes = _estimate(row, f"S0101_C01_{number:03}")
            within = f"age>{least - 1};age<{below}"
            yield Published(
                level,
                code,
                "person_count",
                period,
                within,
                value,
                AGE,
                tolerance=tolerance,
                notes=notes,
            )


def snap_figures(path: Path, period: int) -> Iterator[Published]:
    """Yield the households on SNAP in every district."""
    columns = ["GEO_ID", "S2201_C03_001E", "S2201_C03_001M"]
    for level, code, row in _areas(SNAP, path, columns):
        value, tolerance, notes = _estimate(row, "S2201_C03_001")
        yield Published(
            level,
            code,
            "household_count",
            period,
            "snap>0",
            value,
            SNAP,
            tolerance=tolerance,
            notes=notes,
        )


def compare_districts(path: Path, period: int, districts: Collection[str]) -> Iterator[Published]:
    """Yield no figures, but refuse a list of other districts than those of the table of areas.

    Args:
        path: the Census API's list of districts.
        period: the year.
        districts: codes of the districts of the table of areas.
    """
    found: set[str] = set()
    for row in read_json_rows(DISTRICT_LIST, path, ("NAME", "state", "congressional district")):
        # Not in any district: water.
        if row.whole("state") not in STATES or row.cells["congressional district"] == "ZZ":
            continue
        if f"({CONGRESS}th Congress)" not in row.cells["NAME"]:
            raise InputError(
                f"{row.place}: column NAME is {row.cells['NAME']!r}, expected a district of the "
                f"{CONGRESS}th Congress; {REMEDY}"
            )
        code = at_large_code(100 * row.whole("state") + row.whole("congressional district"))
        if str(code) in found:
            raise InputError(f"{row.place}: district {code} comes twice; {REMEDY}")
        found.add(str(code))
    refuse_other_districts(f"{DISTRICT_LIST}: {path}:", found, districts)
    yield from ()


def income_tax_figures(path: Path, period: int) -> Iterator[Published]:
    """Yield what every state collects in income tax from individuals."""
    found: dict[int, float] = {}
    for row in read_json_records(INCOME_TAX, path, ("state_fips", "income_tax_collections")):
        state = row.whole("state_fips")
        if state not in STATES:
            continue
        if state in found:
            raise InputError(f"{row.place}: state {state} comes twice; {REMEDY}")
        found[state] = row.number("income_tax_collections")
    refuse_other_states(INCOME_TAX, path, list(found))
    for state in STATES:
        unknown = found[state] == 0 and state in TAXED_WITHOUT_FIGURE
        yield Published(
            "state",
            str(state),
            "state_income_tax",
            period,
            "",
            found[state],
            INCOME_TAX,
            active=int(not unknown),
            notes="some income is taxed here, but the file says 0" if unknown else "",
        )


def _areas(source: str, path: Path, columns: list[str]) -> Iterator[tuple[str, str, Row]]:
    """Yield level, code and row of every area, which must be all of the level."""
    found: dict[tuple[str, str], Row] = {}
    for row in read_json_rows(source, path, columns):
        match = GEO_ID.fullmatch(row.cells["GEO_ID"])
        if match is None:
            raise InputError(
                f"{row.place}: column GEO_ID is {row.cells['GEO_ID']!r}, expected the nation, a "
                f"state or a district, such as 0400000US01; {REMEDY}"
            )
        state, congress, district = match.groups()
        if congress and f"1{congress}" != CONGRESS:
            raise InputError(
                f"{row.place}: column GEO_ID is {row.cells['GEO_ID']!r}, a district of the "
                f"1{congress}th Congress, expected one of the {CONGRESS}th; {REMEDY}"
            )
        # Not in any district: water.
        if district and district.endswith("ZZ"):
            continue
        if state is None and district is None:
            key = ("nation", "US")
        elif int(state or district[:2]) not in STATES:
            continue
        elif state:
            key = ("state", str(int(state)))
        else:
            key = ("district", str(at_large_code(int(district))))
        if key in found:
            raise InputError(f"{row.place}: {key[0]} {key[1]} comes twice; {REMEDY}")
        found[key] = row
    levels = [level for level, _ in found]
    expected = {"nation": 1, "state": len(STATES), "district": DISTRICTS}
    if len(set(levels)) != 1 or len(levels) != expected[levels[0]]:
        counts = ", ".join(f"{levels.count(level)} of level {level}" for level in expected)
        raise InputError(
            f"{source}: {path}: has {counts}; expected 1 nation, {len(STATES)} states, or "
            f"{DISTRICTS} districts; {REMEDY}"
        )
    for (level, code), row in found.items():
        yield level, code, row


def _estimate(row: Row, column: str) -> tuple[float, float | None, str]:
    """Return an estimate, its margin of error in per cent of it, and what else is to be said.

    The margin is the bureau's: 90 per cent of the samples that could have been drawn are within it.
    There is none in per cent where nobody was found, or where the bureau sets the estimate to its
    population estimates.
    """
    value, margin = row.number(f"{column}E"), row.number(f"{column}M")
    # The bureau writes such numbers for what it does not publish.
    if value < 0:
        raise InputError(
            f"{row.place}: column {column}E is {value:.0f}, expected a count; it was suppressed; "
            f"{REMEDY}"
        )
    if margin < 0 and margin != CONTROLLED:
        raise InputError(
            f"{row.place}: column {column}M is {margin:.0f}, expected a margin of error or "
            f"{CONTROLLED}; {REMEDY}"
        )
    if value == 0:
        return value, None, f"nobody was found; the margin of error is {margin:.0f}"
    return value, None if margin == CONTROLLED else 100 * margin / value, ""
