"""Counties that have, or had, other codes."""

import pytest

from localcal.geography.codes import STATES
from localcal.geography.vintages import CHANGES, other_vintage


@pytest.mark.parametrize(
    ("county", "said"),
    [
        ("46113", "46113 is Shannon County, SD, which became 46102 (Oglala Lakota County, SD)"),
        ("46102", "46102 is Oglala Lakota County, SD, which was made of 46113 (Shannon County"),
        ("51515", "51515 is Bedford city, VA, which became 51019 (Bedford County, VA) in 2013"),
        ("02261", "became 02063 (Chugach Census Area, AK), 02066 (Copper River Census Area, AK)"),
        ("09190", "Western Connecticut Planning Region, CT, which was made of 09001 (Fairfield"),
        ("12025", "became 12086 (Miami-Dade County, FL) in 1997"),
    ],
)
def test_a_county_s_other_codes_are_told(county, said):
    assert said in other_vintage(county)


def test_a_county_that_never_changed_has_no_other_code():
    assert other_vintage("36061") == ""


def test_every_change_stays_within_its_state():
    for change in CHANGES:
        codes = [*change.before, *change.after]
        assert len(set(codes)) == len(codes)
        assert all(len(code) == 5 and int(code[:2]) in STATES for code in codes)
        assert len({code[:2] for code in codes}) == 1
        assert change.before and change.after and 1990 < change.year < 2030


def test_connecticut_has_nine_regions_for_its_eight_counties():
    (change,) = [change for change in CHANGES if "09110" in change.after]
    assert sorted(change.after) == [f"091{number}0" for number in range(1, 10)]
    assert sorted(change.before) == [f"090{number:02}" for number in range(1, 16, 2)]
