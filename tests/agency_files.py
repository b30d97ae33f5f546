"""Small files in the form of the agencies', made up: the old districts and the new ones."""

import csv
from pathlib import Path

from localcal.geography.areas import read_areas

AREAS = Path(__file__).parents[1] / "config" / "areas.tsv"
DISTRICTS = [area.code for area in read_areas(AREAS) if area.level == "district"]

# States that got another number of districts by the census of 2020, and what they had before.
HAD = {6: 53, 8: 7, 12: 27, 17: 18, 26: 14, 30: 1, 36: 27, 37: 13, 39: 16, 41: 5, 42: 18, 48: 36}
HAD |= {54: 3}


def people() -> dict[int, dict[int, int]]:
    """Return by old and by new district how many people live in both.

    Of every old district 700,000 are in the one of the same number and 200,000 in the next, where
    the first comes after the last.
    """
    states = sorted({int(code) // 100 for code in DISTRICTS})
    found: dict[int, dict[int, int]] = {}
    for state in states:
        new = sorted(int(code) for code in DISTRICTS if int(code) // 100 == state)
        for number in range(HAD.get(state, len(new))):
            parts = found[100 * state + 1 + number] = {}
            for step, count in enumerate((700_000, 200_000)):
                code = new[(number + step) % len(new)]
                parts[code] = parts.get(code, 0) + count
    # The last of Texas's is next to none of the old ones.
    found[4836][4838] = 50_000
    return found


PEOPLE = people()
OLD_DISTRICTS = list(PEOPLE)


def as_published(code: int) -> tuple[str, str]:
    """Return a district's state and number, as the Census Bureau writes them."""
    state, number = divmod(code, 100)
    only = [c for c in map(int, DISTRICTS) if c // 100 == state] == [code]
    return f"{state:02}", {True: "98" if state == 11 else "00"}.get(only, f"{number:02}")


def crosswalk_rows() -> list[list]:
    """Return the rows of a crosswalk like Geocorr's: names, what they mean, and the parts."""
    rows: list[list] = [["state", "cd119", "cd117", "stab", "pop20", "afact2"]]
    rows.append(["State code", "New", "Old", "State abbr.", "Total population", "factor"])
    for old, parts in PEOPLE.items():
        for new, count in parts.items():
            state, number = as_published(new)
            # It has numbers of one digit without a zero, too.
            before = "00" if old == 3001 else str(old % 100) if len(parts) > 1 else number
            share = round(count / sum(parts.values()), 4)
            rows.append([state, number, before, "", count, share])
    # Blocks in no old district, and Puerto Rico.
    rows.insert(-1, ["37", "14", "-", "NC", 13, 1])
    rows.insert(-1, ["72", "98", "98", "PR", 3_285_874, 1])
    return rows


def write_csv(path: Path, rows: list[list]) -> Path:
    """Write rows as a table with commas."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path
