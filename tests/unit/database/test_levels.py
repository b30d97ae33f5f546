"""What levels say of one total, beside each other."""

from pathlib import Path

import pandas as pd
import pytest

from localcal.database.levels import FAMILY, compare_levels
from localcal.geography.areas import read_areas
from localcal.geography.codes import STATES

AREAS = Path(__file__).parents[3] / "config" / "areas.tsv"
DISTRICTS = [area.code for area in read_areas(AREAS) if area.level == "district"]
COLUMNS = [*FAMILY, "geo_level", "geographic_id", "value"]


def family(nation: float, state: float, district: float) -> pd.DataFrame:
    """Return one total of all areas, the same for all of a level."""
    rows = [("nation", "US", nation)]
    rows += [("state", str(code), state) for code in STATES]
    rows += [("district", code, district) for code in DISTRICTS]
    return pd.DataFrame([("snap", 0, "[]", *row) for row in rows], columns=COLUMNS)


def test_levels_are_compared_only_where_all_parts_are_there():
    table = family(51.0, 1.0, 1.0)
    assert compare_levels(table[table["geographic_id"].isin(["US", "6", "601"])]).empty
    without_one = table[table["geographic_id"] != "601"]
    assert compare_levels(without_one)["lower"].tolist() == ["state"]


@pytest.mark.parametrize(
    ("nation", "grade"),
    [(51.0, "ok"), (51.3, "ok"), (52.0, "flag"), (56.0, "significant"), (70.0, "critical")],
)
def test_a_difference_is_graded_by_its_share_of_the_upper_level(nation, grade):
    found = compare_levels(family(nation, 1.0, 51 / 436)).set_index(["upper", "lower", "area"])
    states = found.loc["nation", "state", "US"]
    assert (states["value"], states["parts"], states["grade"]) == (nation, 51.0, grade)
    assert states["difference"] == pytest.approx((51 - nation) / nation)
    assert found.loc["nation", "district", "US"]["parts"] == pytest.approx(51.0)
    # Wyoming has one district, California 52.
    assert found.loc["state", "district", "56"]["parts"] == pytest.approx(51 / 436)
    assert found.loc["state", "district", "6"]["parts"] == pytest.approx(52 * 51 / 436)


def test_nothing_is_nothing_of_nothing():
    found = compare_levels(family(0.0, 0.0, 0.0))
    assert set(found["grade"]) == {"ok"}
    assert set(found["difference"]) == {0.0}
    from_nothing = compare_levels(family(0.0, 1.0, 1.0))
    assert from_nothing["grade"].iloc[0] == "critical"
