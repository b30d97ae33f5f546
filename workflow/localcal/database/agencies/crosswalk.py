"""From the districts of one Congress to those of another, by the people who live in both."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from localcal.database.agencies.raw import REMEDY, Row, read_csv_rows
from localcal.errors import InputError
from localcal.geography.codes import DISTRICTS, STATES, at_large_code

SOURCE = "Geocorr 117th to 119th Congress"
OLD, NEW, PEOPLE, SHARE = "cd117", "cd119", "pop20", "afact2"
COLUMNS = ("state", OLD, NEW, PEOPLE, SHARE)
# The file rounds its shares to four digits.
ROUNDING = 5e-5

Crosswalk = Mapping[int, Mapping[int, float]]
"""By old district, the share of its people in every new district; each one's come to 1."""


def read_crosswalk(path: Path, districts: Collection[str]) -> Crosswalk:
    """Return the shares of the 117th Congress's districts in those of the 119th.

    They are the populations of the 2020 Census in both, of which the file's own shares say the
    same with fewer digits. A state's only district is its number 1, in either Congress.

    Args:
        path: the table of Geocorr 2022, with a second line that describes the columns.
        districts: codes of the new districts.

    Raises:
        InputError: a district is missing, unknown or there twice, or shares are not those of the
            people or do not come to 1.
    """
    rows = _rows(path)
    if len(rows) != DISTRICTS:
        raise InputError(
            f"{SOURCE}: {path}: column {OLD} has {len(rows)} districts, expected {DISTRICTS}; "
            f"{REMEDY}"
        )
    found = {str(new) for parts in rows.values() for new in parts}
    refuse_other_districts(f"{SOURCE}: {path}: column {NEW}", found, districts)
    return {old: _shares(path, old, rows[old]) for old in sorted(rows)}


def move(crosswalk: Crosswalk, totals: Mapping[int, Mapping[str, float]]) -> dict[int, dict]:
    """Return the totals of the new districts, which come to those of the old ones.

    Args:
        crosswalk: the shares.
        totals: by old district, its totals by name; every district of the crosswalk has all.
    """
    moved: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for old, parts in crosswalk.items():
        for new, share in parts.items():
            for name, total in totals[old].items():
                moved[new][name] += share * total
    return {new: dict(moved[new]) for new in sorted(moved)}


def refuse_other_districts(
    place: str, found: Collection[str], expected: Collection[str], whose: str = "areas.path"
) -> None:
    """Refuse districts that are not those of the table of areas, or of `whose`, and name them."""
    missing = sorted(set(expected) - set(found), key=int)
    unknown = sorted(set(found) - set(expected), key=int)
    if missing or unknown:
        raise InputError(
            f"{place} has {len(found)} districts, expected the {len(expected)} of {whose} "
            f"(missing: {_some(missing)}; not in {whose}: {_some(unknown)}); districts change with "
            f"a Congress: bring {whose} up to date, or fetch the file again"
        )


def _some(codes: Sequence[str]) -> str:
    more = f" and {len(codes) - 10} more" if len(codes) > 10 else ""
    return ", ".join(codes[:10]) + more if codes else "none"


def _rows(path: Path) -> dict[int, dict[int, Row]]:
    rows: dict[int, dict[int, Row]] = defaultdict(dict)
    for number, row in enumerate(read_csv_rows(SOURCE, path, COLUMNS)):
        # The line below the names says what they mean.
        if number == 0 and not row.cells["state"].isdecimal():
            continue
        state = row.whole("state")
        # Besides territories: blocks that are in no old district, most of them water.
        if state not in STATES or row.cells[OLD].strip() in ("", "-"):
            continue
        old, new = (at_large_code(100 * state + row.whole(column)) for column in (OLD, NEW))
        if new in rows[old]:
            raise InputError(f"{row.place}: districts {old} and {new} come twice; {REMEDY}")
        rows[old][new] = row
    return rows


def _shares(path: Path, old: int, parts: Mapping[int, Row]) -> dict[int, float]:
    people = {new: parts[new].whole(PEOPLE) for new in sorted(parts)}
    shares = {new: parts[new].number(SHARE) for new in people}
    whole, total = sum(shares.values()), sum(people.values())
    if abs(whole - 1) > ROUNDING * (len(shares) + 1):
        raise InputError(
            f"{SOURCE}: {path}: column {SHARE}: the shares of district {old} come to {whole:.4f}, "
            f"expected 1; {REMEDY}"
        )
    for new, share in shares.items():
        if total <= 0 or abs(people[new] / total - share) > 2 * ROUNDING:
            raise InputError(
                f"{parts[new].place}: column {PEOPLE} is {people[new]}, expected {share} of "
                f"the {total} people of district {old}; {REMEDY}"
            )
    return {new: people[new] / total for new in people}
