"""Old districts into new ones: totals of states are kept, and other files are refused."""

import csv
import os
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcal.database.agencies.crosswalk import move, read_crosswalk
from localcal.errors import InputError
from localcal.geography.codes import at_large_code
from tests.agency_files import DISTRICTS, OLD_DISTRICTS, PEOPLE, crosswalk_rows, write_csv

RAW = os.environ.get("LOCALCAL_RAW_DATA")


def test_shares_are_those_of_the_people(tmp_path):
    shares = read_crosswalk(write_csv(tmp_path / "cw.csv", crosswalk_rows()), DISTRICTS)
    assert list(shares) == sorted(OLD_DISTRICTS)
    assert {str(new) for parts in shares.values() for new in parts} == set(DISTRICTS)
    # Montana had one district, and has two.
    assert shares[3001] == {3001: 7 / 9, 3002: 2 / 9}
    assert shares[1101] == {1101: 1.0}


# Of Montana with one district more than before, West Virginia with one less, and Alabama.
SOME = sorted(code for code in PEOPLE if code // 100 in (1, 30, 54))


# A machine under load draws slowly.
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 10**9), min_size=len(SOME), max_size=len(SOME)), st.data())
def test_a_states_total_is_that_of_its_old_districts(totals, data):
    """For any totals, and any number of people in the parts, as long as there are some."""
    old = SOME
    shares = {}
    for code in old:
        people = data.draw(
            st.lists(st.integers(1, 10**6), min_size=len(PEOPLE[code]), max_size=len(PEOPLE[code]))
        )
        shares[code] = {n: p / sum(people) for n, p in zip(PEOPLE[code], people, strict=True)}
    moved = move(shares, {code: {"N1": total} for code, total in zip(old, totals, strict=True)})
    before: dict[int, float] = defaultdict(float)
    after: dict[int, float] = defaultdict(float)
    for code, total in zip(old, totals, strict=True):
        before[code // 100] += total
    for code, numbers in moved.items():
        after[code // 100] += numbers["N1"]
    assert after == pytest.approx(before, rel=1e-12)


def test_every_new_district_gets_its_part(tmp_path):
    shares = read_crosswalk(write_csv(tmp_path / "cw.csv", crosswalk_rows()), DISTRICTS)
    totals = {code: {"N1": 7.0 * code, "A00100": -3.0 * code} for code in OLD_DISTRICTS}
    moved = move(shares, totals)
    expected: dict[int, Fraction] = defaultdict(Fraction)
    for old, parts in PEOPLE.items():
        for new, people in parts.items():
            expected[new] += Fraction(people, sum(parts.values())) * old
    assert list(moved) == sorted(expected)
    for new, numbers in moved.items():
        assert numbers == pytest.approx({"N1": 7 * expected[new], "A00100": -3 * expected[new]})


def changed(row: int, **cells: object) -> list[list]:
    rows = crosswalk_rows()
    for name, cell in cells.items():
        rows[row][rows[0].index(name)] = cell
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed(0, cd117="cd118"), "has no column cd117"),
        (changed(0, stab="cd119"), "has the column cd119 twice"),
        # The only part of Wyoming's.
        (crosswalk_rows()[:-1], "column cd117 has 435 districts, expected 436"),
        # A part of Alabama's first.
        ([r for i, r in enumerate(crosswalk_rows()) if i != 3], "of district 101 come to 0.7778"),
        (changed(3, afact2=0.5), "the shares of district 101 come to 1.2778, expected 1"),
        (
            changed(2, pop20=300_000),
            "line 3: column pop20 is 300000, expected 0.7778 of the 500000",
        ),
        (changed(3, pop20="-"), "line 4: column pop20 is '-', expected a whole number"),
        (changed(2, afact2="*"), r"column afact2 is '\*', expected a number"),
        (changed(3, cd119="1"), "line 4: districts 101 and 101 come twice"),
        # Alabama has no district 8.
        (changed(3, cd119="8"), "not in areas.path: 108"),
    ],
)
def test_other_crosswalks_are_refused(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        read_crosswalk(write_csv(tmp_path / "cw.csv", rows), DISTRICTS)


def test_other_districts_than_the_areas_are_named(tmp_path):
    path = write_csv(tmp_path / "cw.csv", crosswalk_rows())
    with pytest.raises(InputError, match=r"expected the 435 .*\(missing: none; not in .*: 5601\)"):
        read_crosswalk(path, [code for code in DISTRICTS if code != "5601"])
    with pytest.raises(InputError, match=r"expected the 437 .*\(missing: 5602; not in .*: none\)"):
        read_crosswalk(path, [*DISTRICTS, "5602"])


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_another_delimiter_is_refused(tmp_path, delimiter):
    path = tmp_path / "cw.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(crosswalk_rows())
    with pytest.raises(InputError, match="has no column state"):
        read_crosswalk(path, DISTRICTS)


@pytest.mark.skipif(RAW is None, reason="LOCALCAL_RAW_DATA names no folder of raw files")
def test_the_published_crosswalk_gives_new_districts_as_many_people_as_the_law_does():
    """Districts of one state have the same number of people in the 2020 Census.

    Nearly so: California, Maryland and Virginia count prisoners where they lived before.
    """
    assert RAW is not None
    (path,) = Path(RAW).rglob("geocorr2022_cd117_to_cd119.csv")
    shares = read_crosswalk(path, DISTRICTS)
    people: dict[int, dict[str, int]] = defaultdict(lambda: {"people": 0})
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in list(csv.DictReader(file))[1:]:
            if row["cd117"].strip() != "-":
                code = at_large_code(100 * int(row["state"]) + int(row["cd117"]))
                people[code]["people"] += int(row["pop20"])
    moved = {new: numbers["people"] for new, numbers in move(shares, people).items()}
    for state in {new // 100 for new in moved}:
        of_state = [count for new, count in moved.items() if new // 100 == state]
        assert max(of_state) < 1.04 * min(of_state), state
