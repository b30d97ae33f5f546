"""Counties that have, or had, other codes.

For messages only: which counties the model knows is asked of the model. The changes are those that
the US Census Bureau lists in "Substantial Changes to Counties and County Equivalent Entities:
1970-Present", https://www.census.gov/programs-surveys/geography/technical-documentation/county-changes.html,
from 1995 on.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Change(NamedTuple):
    """Counties that others took the place of; code to name, in the year of the change."""

    year: int
    before: Mapping[str, str]
    after: Mapping[str, str]


CHANGES = (
    Change(
        2022,
        {
            "09001": "Fairfield County, CT",
            "09003": "Hartford County, CT",
            "09005": "Litchfield County, CT",
            "09007": "Middlesex County, CT",
            "09009": "New Haven County, CT",
            "09011": "New London County, CT",
            "09013": "Tolland County, CT",
            "09015": "Windham County, CT",
        },
        {
            "09110": "Capitol Planning Region, CT",
            "09120": "Greater Bridgeport Planning Region, CT",
            "09130": "Lower Connecticut River Valley Planning Region, CT",
            "09140": "Naugatuck Valley Planning Region, CT",
            "09150": "Northeastern Connecticut Planning Region, CT",
            "09160": "Northwest Hills Planning Region, CT",
            "09170": "South Central Connecticut Planning Region, CT",
            "09180": "Southeastern Connecticut Planning Region, CT",
            "09190": "Western Connecticut Planning Region, CT",
        },
    ),
    Change(
        2019,
        {"02261": "Valdez-Cordova Census Area, AK"},
        {"02063": "Chugach Census Area, AK", "02066": "Copper River Census Area, AK"},
    ),
    Change(2015, {"02270": "Wade Hampton Census Area, AK"}, {"02158": "Kusilvak Census Area, AK"}),
    Change(2015, {"46113": "Shannon County, SD"}, {"46102": "Oglala Lakota County, SD"}),
    Change(2013, {"51515": "Bedford city, VA"}, {"51019": "Bedford County, VA"}),
    Change(
        2008,
        {"02280": "Wrangell-Petersburg Census Area, AK"},
        {"02195": "Petersburg Borough, AK", "02275": "Wrangell City and Borough, AK"},
    ),
    Change(
        2008,
        {"02201": "Prince of Wales-Outer Ketchikan Census Area, AK"},
        {
            "02130": "Ketchikan Gateway Borough, AK",
            "02198": "Prince of Wales-Hyder Census Area, AK",
        },
    ),
    Change(
        2007,
        {"02232": "Skagway-Hoonah-Angoon Census Area, AK"},
        {"02105": "Hoonah-Angoon Census Area, AK", "02230": "Skagway Municipality, AK"},
    ),
    Change(2001, {"51560": "Clifton Forge city, VA"}, {"51005": "Alleghany County, VA"}),
    Change(1997, {"12025": "Dade County, FL"}, {"12086": "Miami-Dade County, FL"}),
    Change(
        1997,
        {"30113": "Yellowstone National Park, MT"},
        {"30031": "Gallatin County, MT", "30067": "Park County, MT"},
    ),
    Change(1995, {"51780": "South Boston city, VA"}, {"51083": "Halifax County, VA"}),
)


def other_vintage(county: str) -> str:
    """Return what a county is called and which code to use for it, '' if it never had another."""
    for change in CHANGES:
        if county in change.before:
            name, others, said = change.before[county], change.after, "became"
        elif county in change.after:
            name, others, said = change.after[county], change.before, "was made of"
        else:
            continue
        listed = ", ".join(f"{code} ({other})" for code, other in others.items())
        return f"{county} is {name}, which {said} {listed} in {change.year}"
    return ""
