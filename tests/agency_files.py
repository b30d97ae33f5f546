"""Small files in the form of the agencies', made up: every one that a source is read from."""

import csv
import json
import zipfile
from pathlib import Path

import openpyxl

from localcal.database.agencies import cms, irs, usda
from localcal.geography.areas import read_areas

AREAS = Path(__file__).parents[1] / "config" / "areas.tsv"
DISTRICTS = [area.code for area in read_areas(AREAS) if area.level == "district"]
STATE_AREAS = [area for area in read_areas(AREAS) if area.level == "state"]

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


def write_raw_files(folder: Path) -> None:
    """Write one file for every name that a source has."""
    folder.mkdir(parents=True, exist_ok=True)
    states = [f"0400000US{int(area.code):02}" for area in [*STATE_AREAS]] + ["0400000US72"]
    districts = ["".join(("5001900US", *as_published(int(code)))) for code in DISTRICTS]
    # Puerto Rico, and water in no district.
    districts += ["5001900US7298", "5001900US09ZZ"]
    ages = [f"S0101_C01_{number:03}{kind}" for number in range(2, 20) for kind in "EM"]
    for name, areas in (("national", ["0100000US"]), ("state", states), ("district", districts)):
        rows = [["GEO_ID", *ages], *([area, *["400", "20"] * 18] for area in areas)]
        write_json(folder / f"acs_S0101_{name}_2024.json", rows)
    snap = [["GEO_ID", "S2201_C03_001E", "S2201_C03_001M"], *([d, "50", "10"] for d in districts)]
    write_json(folder / "acs_S2201_district_2024.json", snap)
    write_json(folder / "acs5_congressional_districts_2024.json", district_list())
    taxes = [{"state_fips": area.code, "income_tax_collections": 7} for area in STATE_AREAS]
    write_json(folder / "census_stc_individual_income_tax_2024.json", taxes)
    enrolled = [[area.area, f"2024{m:02}", "Y", m] for area in STATE_AREAS for m in (11, 12)]
    write_csv(folder / "medicaid_enrollment_2024.csv", [list(cms.COLUMNS), *enrolled])
    returns = [list(irs.COLUMNS)]
    for letters in ["US", "OA", "PR", *(area.area for area in STATE_AREAS)]:
        cells = dict.fromkeys(irs.COLUMNS[2:], 60 if letters == "US" else 1)
        cells |= {"A59660": 4 * cells["A59661"]}
        returns += [[letters, stub, *cells.values()] for stub in range(11)]
    write_csv(folder / "22in55cmcsv.csv", returns)
    write_csv(folder / "22incd.csv", old_district_rows())
    write_csv(folder / "geocorr2022_cd117_to_cd119.csv", crosswalk_rows())
    write_workbooks(folder / "snap_fy69tocurrent.zip", [area.name for area in STATE_AREAS])


def district_list() -> list[list[str]]:
    """Return the Census API's list of districts."""
    places = [as_published(int(code)) for code in DISTRICTS] + [("72", "98"), ("09", "ZZ")]
    name = "District (119th Congress), Somewhere"
    return [["NAME", "state", "congressional district"], *([name, *place] for place in places)]


def old_district_rows() -> list[list]:
    """Return a file of returns in the old districts, each of which has one in every stub."""
    rows: list[list] = [list(irs.DISTRICT_COLUMNS)]
    several = {old // 100 for old in PEOPLE if old % 100 == 2}
    for old in PEOPLE:
        number = old % 100 if old // 100 in several else 0
        for stub in range(1, 10):
            cells = dict.fromkeys(irs.DISTRICT_COLUMNS[3:], 1) | {"A59660": 4}
            rows.append([old // 100, number, stub, *cells.values()])
    return rows


def write_workbooks(
    path: Path, states: list[str], leave_out: str = "", column: object = 5000
) -> Path:
    """Write the zip of the SNAP workbooks with one of them, of one year.

    Args:
        path: the zip.
        states: names of the states, besides Guam.
        leave_out: one of them that gets no row of totals.
        column: every state's benefits.
    """
    book = openpyxl.Workbook()
    for name in usda.REGIONS:
        book.create_sheet(name)
    sheet = book[usda.REGIONS[0]]
    for state in [*states, "Guam"]:
        sheet.append([state])
        sheet.append(["Oct 2023", 7, 8, 9])
        if state != leave_out:
            sheet.append(["Total", 100.5, 8, column])
    book.save(path.with_suffix(".xlsx"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(path.with_suffix(".xlsx"), "FY24.xlsx")
    path.with_suffix(".xlsx").unlink()
    return path


def write_json(path: Path, content: list) -> Path:
    """Write a list as JSON."""
    path.write_text(json.dumps(content))
    return path
