"""Tables from the agencies' files: what is in them, and what is refused; small files of our own."""

import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import openpyxl
import pytest

from localcal.database.agencies import census, cms, usda
from localcal.database.agencies.figures import write_figures
from localcal.database.demo import write_demo_database
from localcal.errors import InputError
from localcal.geography.codes import STATES
from tests.agency_files import AREAS, write_csv

CODES = {f"S{code:02}": str(code) for code in STATES}


def write_json(path: Path, rows: list) -> Path:
    path.write_text(json.dumps(rows))
    return path


def age_rows(*geo_ids: str) -> list[list]:
    names = [f"S0101_C01_{n:03}{kind}" for n in range(2, 20) for kind in "EM"]
    cells = [text for n in range(2, 20) for text in (str(100 * n), "20")]
    return [["GEO_ID", *names], *([geo_id, *cells] for geo_id in geo_ids)]


def state_ids() -> list[str]:
    return [f"0400000US{code:02}" for code in STATES]


def test_people_have_eighteen_ages_and_a_margin(tmp_path):
    path = write_json(tmp_path / "age.json", age_rows("0100000US"))
    figures = list(census.age_figures(path, 2024))
    assert len(figures) == 18
    assert figures[0].constraints == "age>-1;age<5"
    assert figures[1].constraints == "age>4;age<10"
    assert figures[-1].constraints == "age>84;age<1000"
    assert (figures[0].value, figures[0].tolerance) == (200, 10)


def test_puerto_rico_is_left_out(tmp_path):
    path = write_json(tmp_path / "age.json", age_rows(*state_ids(), "0400000US72"))
    assert {int(f.code) for f in census.age_figures(path, 2024)} == set(STATES)


def test_a_controlled_estimate_has_no_tolerance(tmp_path):
    rows = age_rows("0100000US")
    rows[1][2] = "-555555555"
    (first, *_) = census.age_figures(write_json(tmp_path / "age.json", rows), 2024)
    assert first.tolerance is None


@pytest.mark.parametrize(
    ("row", "column", "cell", "message"),
    [
        (0, 1, "S0101_C01_002X", "has no column S0101_C01_002E"),
        (1, 1, "-888888888", "row 2: column S0101_C01_002E is -888888888, expected a count"),
        (1, 2, "-222222222", "row 2: column S0101_C01_002M is -222222222, expected a margin"),
        (1, 1, None, "row 2: column S0101_C01_002E is '', expected a number"),
        (1, 0, "0500000US01001", "row 2: column GEO_ID is '0500000US01001', expected the nation"),
    ],
)
def test_cells_that_are_no_figures_are_refused(tmp_path, row, column, cell, message):
    rows = age_rows("0100000US")
    rows[row][column] = cell
    with pytest.raises(InputError, match=message):
        list(census.age_figures(write_json(tmp_path / "age.json", rows), 2024))


def test_a_missing_or_doubled_state_is_refused(tmp_path):
    with pytest.raises(InputError, match="50 of level state"):
        path = write_json(tmp_path / "age.json", age_rows(*state_ids()[1:]))
        list(census.age_figures(path, 2024))
    with pytest.raises(InputError, match="row 53: state 1 comes twice"):
        path = write_json(tmp_path / "age.json", age_rows(*state_ids(), "0400000US01"))
        list(census.age_figures(path, 2024))


def test_districts_at_large_are_numbered_01(tmp_path):
    """In a file of another number of districts, so that the message shows what was counted."""
    header = ["GEO_ID", "S2201_C03_001E", "S2201_C03_001M"]
    ids = ["5001900US0200", "5001900US1198", "5001900US7298", "5001900US01ZZ"]
    rows = [header, *([geo_id, "10", "1"] for geo_id in ids)]
    with pytest.raises(InputError, match="has 0 of level nation, 0 of level state, 2 of level dis"):
        list(census.snap_figures(write_json(tmp_path / "snap.json", rows), 2024))
    with pytest.raises(InputError, match="district 201 comes twice"):
        rows.append(["5001900US0201", "10", "1"])
        list(census.snap_figures(write_json(tmp_path / "snap.json", rows), 2024))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html><body>502 Bad Gateway</body></html>", "is a web page"),
        (b'[["GEO_ID", "S2201', "is not JSON"),
        (b"\xff\xfe[\x00", "is not text in UTF-8"),
        (b'{"error": 1}', "is no list of lists"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "snap.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(census.snap_figures(path, 2024))


def test_an_income_tax_of_nothing_is_no_target_where_there_is_one(tmp_path):
    rows = [{"state_fips": f"{code:02}", "income_tax_collections": 0} for code in STATES]
    figures = list(census.income_tax_figures(write_json(tmp_path / "tax.json", rows), 2024))
    assert [f.code for f in figures if not f.active] == ["33", "53"]


def workbook(path: Path, leave_out: str = "", column: object = 5000) -> Path:
    book = openpyxl.Workbook()
    for name in usda.REGIONS:
        book.create_sheet(name)
    sheet = book[usda.REGIONS[0]]
    for state in [*CODES, "Guam"]:
        sheet.append([state])
        sheet.append(["Oct 2023", 7, 8, 9])
        if state != leave_out:
            sheet.append(["Total", 100.5, 8, column])
    book.save(path.with_suffix(".xlsx"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(path.with_suffix(".xlsx"), "FY24.xlsx")
    return path


def test_snap_is_of_states_and_of_their_sum(tmp_path):
    figures = list(usda.snap_figures(workbook(tmp_path / "snap.zip"), 2024, CODES))
    assert len(figures) == 2 * 52
    assert [(f.variable, f.value) for f in figures if f.code in ("US", "6")] == [
        ("household_count", 51 * 100.5),
        ("snap", 51 * 5000),
        ("household_count", 100.5),
        ("snap", 5000),
    ]


def test_a_workbook_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has 50 states, expected 51 \(missing FIPS codes: \[6\]"):
        list(usda.snap_figures(workbook(tmp_path / "snap.zip", leave_out="S06"), 2024, CODES))
    with pytest.raises(InputError, match="row 3: S01 has"):
        list(usda.snap_figures(workbook(tmp_path / "snap.zip", column="--"), 2024, CODES))
    with pytest.raises(InputError, match="holds FY23.xlsx"):
        list(usda.snap_figures(workbook(tmp_path / "snap.zip"), 2023, CODES))
    cut = tmp_path / "cut.zip"
    cut.write_bytes(workbook(tmp_path / "snap.zip").read_bytes()[:2000])
    with pytest.raises(InputError, match="expected a zip"):
        list(usda.snap_figures(cut, 2024, CODES))


def test_medicaid_takes_the_last_month_with_a_figure_and_says_so(tmp_path):
    rows: list[list] = [list(cms.COLUMNS), ["PR", "202412", "Y", "9"]]
    for state in CODES:
        rows += [[state, "202411", "Y", "1,000"], [state, "202412", "N", "8"]]
        rows += [[state, "202412", "Y", "0" if state == "S44" else "2000"]]
        rows += [[state, "202501", "Y", "7"]]
    path = write_csv(tmp_path / "medicaid.csv", rows)
    figures = {f.code: f for f in cms.medicaid_figures(path, 2024, CODES)}
    assert len(figures) == 51
    assert (figures["6"].value, figures["6"].notes) == (2000, "")
    assert (figures["44"].value, figures["44"].notes) == (
        1000,
        "of 202411, the last month with a figure",
    )


def test_the_database_has_what_the_tables_say(tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    rows = [{"state_fips": f"{code:02}", "income_tax_collections": 0} for code in STATES]
    tax = write_json(tmp_path / "tax.json", rows)
    age = write_json(tmp_path / "age.json", age_rows("0100000US"))
    write_figures(census.income_tax_figures(tax, 2024), folder / "tax.csv")
    write_figures(census.age_figures(age, 2024), folder / "age.csv")
    contents = []
    for name in ("a.db", "b.db"):
        write_demo_database(folder, AREAS, tmp_path / name)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        chosen = "SELECT count(*), sum(active), sum(tolerance > 0), count(notes) FROM targets"
        assert connection.execute(chosen).fetchall() == [(51 + 18, 49 + 18, 18, 2)]
