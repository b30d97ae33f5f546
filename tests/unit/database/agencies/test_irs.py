"""Returns and incomes of states, the nation and districts; files of all of them, made up."""

from collections import defaultdict
from fractions import Fraction

import pytest

from localcal.database.agencies import irs
from localcal.errors import InputError
from localcal.geography.codes import STATES
from tests.agency_files import DISTRICTS, PEOPLE, as_published, crosswalk_rows, write_csv

CODES = {f"S{code:02}": str(code) for code in STATES}


def soi_rows() -> list[list]:
    rows: list[list] = [list(irs.COLUMNS)]
    for state in ["US", *CODES, "OA", "PR"]:
        for stub in range(11):
            cells = dict.fromkeys(irs.COLUMNS, "1,000") | {"STATE": state, "AGI_STUB": str(stub)}
            rows.append(list((cells | {"A59660": "4,000"}).values()))
    return rows


def test_soi_amounts_are_dollars_and_items_have_returns_and_amount(tmp_path):
    path = write_csv(tmp_path / "soi.csv", soi_rows())
    figures = [f for f in irs.state_figures(path, 2022, CODES) if f.code == "6"]
    assert len(figures) == 1 + 2 * 26 + 3 * 10
    assert figures[0].value == 1_000_000
    eitc = [f for f in figures if "eitc_child_count>2" in f.constraints]
    assert [(f.variable, f.value) for f in eitc] == [("tax_unit_count", 1000), ("eitc", 1e6)]
    counts = [f.constraints for f in figures if f.variable == "person_count"]
    assert counts[0] == "tax_unit_is_filer==1;adjusted_gross_income<1"
    assert counts[-1] == "tax_unit_is_filer==1;adjusted_gross_income>=1000000"
    assert counts[1].endswith("adjusted_gross_income>=1;adjusted_gross_income<10000")


def test_soi_files_of_something_else_are_refused(tmp_path):
    def refused(rows: list[list], message: str) -> None:
        with pytest.raises(InputError, match=message):
            list(irs.state_figures(write_csv(tmp_path / "soi.csv", rows), 2022, CODES))

    rows = soi_rows()
    rows[12][irs.COLUMNS.index("A59664")] = "100,000"
    refused(rows, "line 13: columns A59661, .* come to 103000, expected A59660, 4000; one of them")
    refused([*soi_rows(), soi_rows()[14]], "AGI_STUB is 2, expected 0 to 10, once for S01")
    refused([*soi_rows(), ["S01", "11", *["1"] * (len(irs.COLUMNS) - 2)]], "AGI_STUB is 11, expec")
    refused(soi_rows()[:-33], "has 50 states")
    refused([row for row in soi_rows() if row[1] != "7"], "S01 lacks AGI_STUB 7")
    refused([row[:-1] for row in soi_rows()], "has no column A85770")
    rows = soi_rows()
    rows[12][irs.COLUMNS.index("N17000")] = "**"
    refused(rows, "line 13: column N17000 is '\\*\\*', expected a number")


def test_the_nation_is_without_puerto_rico_and_addresses_abroad(tmp_path):
    rows = soi_rows()
    for row in rows[1:]:
        factor = {"US": 7, "OA": 2, "PR": 3}.get(row[0], 1)
        row[2:] = [f"{factor * int(cell.replace(',', '')):,}" for cell in row[2:]]
    figures = list(irs.nation_figures(write_csv(tmp_path / "soi.csv", rows), 2022))
    assert len(figures) == 1 + 2 * 26 + 3 * 10
    assert {(f.geo_level, f.code) for f in figures} == {("nation", "US")}
    assert {f.value for f in figures} == {2000.0, 2_000_000.0}
    assert {f.notes for f in figures} == {"without Puerto Rico and addresses abroad"}
    for area in ("US", "OA"):
        path = write_csv(tmp_path / "soi.csv", [row for row in rows if row[0] != area])
        with pytest.raises(InputError, match=f"column STATE has no {area}"):
            list(irs.nation_figures(path, 2022))


def test_credits_for_three_children_may_be_in_dollars(tmp_path):
    rows = soi_rows()
    for row in rows[1:]:
        row[irs.COLUMNS.index("A59664")] = "1,000,000"
    figures = list(irs.state_figures(write_csv(tmp_path / "soi.csv", rows), 2022, CODES))
    assert {f.value for f in figures if f.variable == "eitc"} == {1_000_000.0}


def returns(old: int, stub: int) -> dict[str, int]:
    """Return one row's numbers: unlike for every old district and size of income."""
    base = 10 * old + stub
    cells = dict.fromkeys(irs.DISTRICT_COLUMNS[3:], base) | {"N1": 1000 * base, "N2": 2000 * base}
    return cells | {"A00100": -base, "A59660": 4 * base}


def district_rows(with_all: bool = True) -> list[list]:
    """Return a file of the old districts: lower-case names, sums of states and other areas."""
    rows: list[list] = [
        [name.lower() if name.startswith("AGI") else name for name in irs.DISTRICT_COLUMNS]
    ]
    nonsense = [10**12] * (len(irs.DISTRICT_COLUMNS) - 3)
    several = sorted({old // 100 for old in PEOPLE if old % 100 == 2})
    stubs = range(0 if with_all else 1, 10)
    for old in PEOPLE:
        only = old // 100 not in several
        for stub in stubs:
            parts = range(1, 10) if stub == 0 else [stub]
            sums: dict[str, int] = defaultdict(int)
            for part in parts:
                for column, cell in returns(old, part).items():
                    sums[column] += cell
            rows.append([old // 100, 0 if only else old % 100, stub, *sums.values()])
    for state in (0, *several, 72):
        rows += [[state, 0, stub, *nonsense] for stub in stubs]
    return rows


def last_row() -> list:
    """Return Wyoming's row of the highest incomes."""
    (row,) = [row for row in district_rows() if row[:3] == [56, 0, 9]]
    return row


@pytest.mark.parametrize("with_all", [True, False])
def test_districts_are_moved_with_their_people(tmp_path, with_all):
    """Every number of every district against exact fractions of people."""
    figures = list(
        irs.district_figures(
            write_csv(tmp_path / "cd.csv", district_rows(with_all)),
            write_csv(tmp_path / "cw.csv", crosswalk_rows()),
            period=2022,
            districts=DISTRICTS,
        )
    )
    base: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
    for old, parts in PEOPLE.items():
        for new, people in parts.items():
            share = Fraction(people, sum(parts.values()))
            for stub in range(1, 10):
                base[new, stub] += share * (10 * old + stub)
                base[new, 0] += share * (10 * old + stub)
    by_area = defaultdict(list)
    for figure in figures:
        assert (figure.geo_level, figure.period, figure.source) == ("district", 2022, "IRS SOI")
        by_area[figure.code].append(figure)
    assert list(by_area) == sorted(DISTRICTS, key=int)
    for code, found in by_area.items():
        total = float(base[int(code), 0])
        expected = [-1000 * total] + 26 * [total, 1000 * total]
        for stub in range(1, 10):
            of_size = float(base[int(code), stub])
            expected += [1000 * of_size, 2000 * of_size, -1000 * of_size]
        assert [figure.value for figure in found] == pytest.approx(expected, rel=1e-12)
    sizes = [f.constraints.split(";", 1)[1] for f in found if f.variable == "person_count"]
    assert sizes == [
        "adjusted_gross_income<1",
        *(
            f"adjusted_gross_income>={low};adjusted_gross_income<{high}"
            for low, high in (
                (1, 10000),
                (10000, 25000),
                (25000, 50000),
                (50000, 75000),
                (75000, 100000),
                (100000, 200000),
                (200000, 500000),
            )
        ),
        "adjusted_gross_income>=500000",
    ]


def test_states_keep_their_returns_when_districts_are_moved(tmp_path):
    figures = irs.district_figures(
        write_csv(tmp_path / "cd.csv", district_rows()),
        write_csv(tmp_path / "cw.csv", crosswalk_rows()),
        period=2022,
        districts=DISTRICTS,
    )
    found: dict[tuple, float] = defaultdict(float)
    for f in figures:
        found[int(f.code) // 100, f.variable, f.constraints] += f.value
    for state in STATES:
        olds = [old for old in PEOPLE if old // 100 == state]
        assert found[state, "tax_unit_count", "tax_unit_is_filer==1;adjusted_gross_income<1"] == (
            pytest.approx(sum(1000 * (10 * old + 1) for old in olds))
        )


def drop(rows: list[list], *cells: int) -> list[list]:
    return [row for row in rows if row[: len(cells)] != list(cells)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (drop(district_rows(), 1, 2), r"has 435 districts, expected .* \(missing: 102; not in"),
        (drop(district_rows(), 1, 2, 0), "district 102 lacks AGI_STUB 0"),
        (drop(district_rows(), 1, 2, 9), "district 102 lacks AGI_STUB 9"),
        (drop(district_rows(with_all=False), 1, 2, 9), "district 102 lacks AGI_STUB 9"),
        ([*district_rows(), last_row()], "AGI_STUB is 9, expected 0 to 9, once for dis"),
        ([*district_rows(), [1, 2, 10, *last_row()[3:]]], "AGI_STUB is 10, expected 0"),
        ([*district_rows(), [1, 8, 0, *last_row()[3:]]], "not in the crosswalk: 108"),
        ([district_rows()[0], [1, "02", "all"]], "does not have 59 cells"),
        ([district_rows()[0], ["AL", *last_row()[1:]]], "STATEFIPS is 'AL', expected a"),
        ([row[:-1] for row in district_rows()], "has no column A85770"),
        ([], "has no column STATEFIPS"),
    ],
)
def test_district_files_of_something_else_are_refused(tmp_path, rows, message):
    path, crosswalk = tmp_path / "cd.csv", write_csv(tmp_path / "cw.csv", crosswalk_rows())
    with pytest.raises(InputError, match=message):
        list(irs.district_figures(write_csv(path, rows), crosswalk, 2022, DISTRICTS))


def test_as_published_spells_the_only_districts():
    """The files here have what the real ones have: 00, and 98 for the capital's."""
    assert [as_published(code) for code in (201, 1101, 102)] == [
        ("02", "00"),
        ("11", "98"),
        ("01", "02"),
    ]
