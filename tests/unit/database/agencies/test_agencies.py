"""Tables from the agencies' files: what is in them, and what is refused; small files of our own."""

import sqlite3
from contextlib import closing

import pytest

from localcal.database.agencies import census, cms, usda
from localcal.database.agencies.figures import write_figures
from localcal.database.demo import write_demo_database
from localcal.errors import InputError
from localcal.geography.codes import STATES
from tests.agency_files import (
    AREAS,
    DISTRICTS,
    district_list,
    write_csv,
    write_json,
    write_workbooks,
)

CODES = {f"S{code:02}": str(code) for code in STATES}


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


def changed_list(row: int, *cells: str) -> list[list[str]]:
    rows = district_list()
    rows[row] = list(cells)
    return rows


def test_the_list_of_districts_is_compared_and_gives_no_figures(tmp_path):
    path = write_json(tmp_path / "list.json", district_list())
    assert list(census.compare_districts(path, 2024, DISTRICTS)) == []


NAME = "District (119th Congress), Somewhere"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            district_list()[:1] + district_list()[2:],
            r"has 435 .* 436 of areas.path \(missing: 101;",
        ),
        ([*district_list(), [NAME, "01", "08"]], "not in areas.path: 108"),
        ([*district_list(), [NAME, "01", "07"]], "row 440: district 107 comes twice"),
        # Of a state with one district, in the two ways that are known.
        ([*district_list(), [NAME, "02", "98"]], "row 440: district 201 comes twice"),
        (changed_list(1, NAME.replace("119", "118"), "01", "01"), "row 2: column NAME .*118th"),
        (changed_list(1, NAME, "Alabama", "01"), "row 2: column state is 'Alabama', expected a w"),
        (changed_list(0, "NAME", "state", "district"), "has no column congressional district"),
        (changed_list(1, NAME, "01"), "row 2: has 2 cells, expected 3"),
        ([], "is no list of lists"),
        (district_list()[:1], "has 0 districts, expected the 436"),
    ],
)
def test_other_districts_than_the_areas_are_refused(tmp_path, rows, message):
    path = write_json(tmp_path / "list.json", rows)
    with pytest.raises(InputError, match=message):
        list(census.compare_districts(path, 2024, DISTRICTS))


def test_districts_of_another_congress_are_refused(tmp_path):
    """They have the same numbers, so that nothing else would show it."""
    path = write_json(tmp_path / "age.json", age_rows("5001800US0101"))
    with pytest.raises(InputError, match="of the 118th Congress, expected one of the 119th"):
        list(census.age_figures(path, 2024))


def test_an_estimate_of_nobody_has_no_tolerance_but_says_its_margin(tmp_path):
    rows = age_rows("0100000US")
    rows[1][1:3] = ["0", "186"]
    (first, second, *_) = census.age_figures(write_json(tmp_path / "age.json", rows), 2024)
    assert (first.value, first.tolerance) == (0, None)
    assert first.notes == "nobody was found; the margin of error is 186"
    assert (second.tolerance, second.notes) == (100 * 20 / 300, "")


def test_states_income_taxes_of_another_kind_are_refused(tmp_path):
    def refused(records: list, message: str) -> None:
        with pytest.raises(InputError, match=message):
            path = write_json(tmp_path / "tax.json", records)
            list(census.income_tax_figures(path, 2024))

    good = [{"state_fips": f"{code:02}", "income_tax_collections": 9} for code in STATES]
    refused([*good, good[3]], "record 52: state 5 comes twice")
    refused(good[1:], r"has 50 states, expected 51 \(missing FIPS codes: \[1\]")
    refused([{"state_fips": "01"}, *good[1:]], "record 1: has no income_tax_collections")
    refused([good[0] | {"state_fips": "AL"}, *good[1:]], "record 1: column state_fips is 'AL'")
    for suppressed in (None, "D", "NaN"):
        refused([good[0] | {"income_tax_collections": suppressed}], "record 1: column income_tax_c")
    refused([["state_fips", "income_tax_collections"]], "is no list of records")


def test_an_income_tax_of_nothing_is_no_target_where_there_is_one(tmp_path):
    rows = [{"state_fips": f"{code:02}", "income_tax_collections": 0} for code in STATES]
    figures = list(census.income_tax_figures(write_json(tmp_path / "tax.json", rows), 2024))
    assert [f.code for f in figures if not f.active] == ["33", "53"]


def test_snap_is_of_states_and_of_their_sum(tmp_path):
    figures = list(
        usda.snap_figures(write_workbooks(tmp_path / "snap.zip", list(CODES)), 2024, CODES)
    )
    assert len(figures) == 2 * 52
    assert [(f.variable, f.value) for f in figures if f.code in ("US", "6")] == [
        ("household_count", 51 * 100.5),
        ("snap", 51 * 5000),
        ("household_count", 100.5),
        ("snap", 5000),
    ]


def test_a_workbook_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has 50 states, expected 51 \(missing FIPS codes: \[6\]"):
        list(
            usda.snap_figures(
                write_workbooks(tmp_path / "snap.zip", list(CODES), leave_out="S06"), 2024, CODES
            )
        )
    with pytest.raises(InputError, match="row 3: S01 has"):
        list(
            usda.snap_figures(
                write_workbooks(tmp_path / "snap.zip", list(CODES), column="--"), 2024, CODES
            )
        )
    with pytest.raises(InputError, match="holds FY23.xlsx"):
        list(usda.snap_figures(write_workbooks(tmp_path / "snap.zip", list(CODES)), 2023, CODES))
    cut = tmp_path / "cut.zip"
    cut.write_bytes(write_workbooks(tmp_path / "snap.zip", list(CODES)).read_bytes()[:2000])
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


def test_medicaid_files_of_something_else_are_refused(tmp_path):
    def refused(rows: list[list], message: str) -> None:
        with pytest.raises(InputError, match=message):
            path = write_csv(tmp_path / "medicaid.csv", [list(cms.COLUMNS), *rows])
            list(cms.medicaid_figures(path, 2024, CODES))

    good: list[list] = [[state, "202412", "Y", "9"] for state in CODES]
    refused([*good, good[5]], "line 53: S08 has 202412 twice")
    refused(good[1:], r"has 50 states, expected 51 \(missing FIPS codes: \[1\]")
    refused([["S01", "202412", "Y", "-"], *good[1:]], "line 2: column Total Medicaid .* is '-'")
    refused([["S01", "202412", "Y", ""], *good[1:]], "state 1 has no month of 2024 with")
    # All that a file that was cut short may have.
    refused([[state, "202411", "Y", "9"] for state in CODES], "Reporting Period has no 202412")
    # Years ago is not the last month with a figure.
    refused([["S01", "202312", "Y", "9"], *good[1:]], r"has 50 states, .* \[1\]")


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
