"""Levels that agree after harmonizing, and those that are left alone."""

import numpy as np
import pandas as pd
import pytest

from localcal.geography.codes import TARGET_LEVELS
from localcal.weights.harmonize import harmonize

STATES = np.array([1, 2])
DISTRICTS = np.array([101, 102, 201])


def table(*rows: tuple[str, str, float], variable: str = "snap") -> pd.DataFrame:
    """Targets of one family: (level, area, value)."""
    frame = pd.DataFrame(rows, columns=["geo_level", "geographic_id", "value"])
    return frame.assign(variable=variable, reform_id=0, constraints='[["snap", ">", "0"]]')


def agreeing() -> pd.DataFrame:
    return table(
        ("nation", "US", 120.0),
        ("state", "1", 60.0),
        ("state", "2", 40.0),
        ("district", "101", 10.0),
        ("district", "102", 20.0),
        ("district", "201", 50.0),
    )


def steps(result) -> dict[str, dict]:
    return {row["step"]: row for row in result.families}


def test_states_sum_to_the_nation_and_districts_to_their_scaled_state():
    result = harmonize(agreeing(), TARGET_LEVELS, STATES, DISTRICTS)
    np.testing.assert_allclose(result.values, [120, 72, 48, 24, 48, 48])
    np.testing.assert_allclose(result.factors, [1, 1.2, 1.2, 2.4, 2.4, 0.96])
    found = steps(result)
    assert found["states to nation"]["factor_median"] == pytest.approx(1.2)
    assert found["districts to states"]["factor_min"] == pytest.approx(0.96)
    assert found["districts to states"]["factor_max"] == pytest.approx(2.4)
    assert found["districts to states"]["parents"] == 2
    assert found["districts to states"]["parts"] == 3


def test_only_levels_more_than_two_percent_apart_are_called_contradicting():
    targets = agreeing()
    targets.loc[0, "value"] = 101.0
    result = harmonize(targets, ("nation", "state"), STATES, DISTRICTS)
    assert result.contradictions == []
    np.testing.assert_allclose(result.values[1:3].sum(), 101.0)
    targets.loc[0, "value"] = 103.0
    result = harmonize(targets, ("nation", "state"), STATES, DISTRICTS)
    assert len(result.contradictions) == 1
    assert "snap" in result.contradictions[0] and "1.030" in result.contradictions[0]


def test_families_do_not_mix():
    both = pd.concat([agreeing(), agreeing().assign(variable="ssi", value=1.0)])
    result = harmonize(both, TARGET_LEVELS, STATES, DISTRICTS)
    np.testing.assert_allclose(result.values[:6], [120, 72, 48, 24, 48, 48])
    np.testing.assert_allclose(result.values[6:], [1, 0.5, 0.5, 0.25, 0.25, 0.5])
    reforms = pd.concat([agreeing(), agreeing().iloc[1:2].assign(reform_id=1)])
    np.testing.assert_allclose(harmonize(reforms, TARGET_LEVELS, STATES, DISTRICTS).values[6], 60)


def test_a_level_that_does_not_cover_its_parent_is_left_alone_and_said_so():
    targets = agreeing().drop(index=[2, 4]).reset_index(drop=True)
    result = harmonize(targets, TARGET_LEVELS, STATES, DISTRICTS)
    np.testing.assert_array_equal(result.values, targets["value"])
    found = steps(result)
    assert found["states to nation"]["left_alone"] == {
        "US": "1 of 2 parts have no usable target, first 2"
    }
    assert found["districts to states"]["left_alone"] == {
        "1": "1 of 2 parts have no usable target, first 102"
    }
    assert found["states to nation"]["factor_max"] is None


def test_districts_go_to_the_nation_where_a_family_has_no_states():
    targets = agreeing().drop(index=[1, 2])
    result = harmonize(targets, TARGET_LEVELS, STATES, DISTRICTS)
    np.testing.assert_allclose(result.values, [120, 15, 30, 75])
    assert list(steps(result)) == ["districts to nation"]


def test_levels_that_are_not_fitted_take_no_part():
    result = harmonize(agreeing(), ("state", "district"), STATES, DISTRICTS)
    np.testing.assert_allclose(result.values, [120, 60, 40, 20, 40, 40])


@pytest.mark.parametrize(
    ("row", "value", "reason"),
    [
        (0, 0.0, "not above zero"),
        (0, -5.0, "not above zero"),
        (1, -5.0, "negative"),
    ],
)
def test_values_that_cannot_be_scaled_are_left_alone(row, value, reason):
    targets = agreeing()
    targets.loc[row, "value"] = value
    result = harmonize(targets, ("nation", "state"), STATES, DISTRICTS)
    np.testing.assert_array_equal(result.values, targets["value"])
    assert reason in steps(result)["states to nation"]["left_alone"]["US"]


def test_a_zero_part_stays_zero_and_the_others_carry_the_sum():
    targets = agreeing()
    targets.loc[1, "value"] = 0.0
    result = harmonize(targets, ("nation", "state"), STATES, DISTRICTS)
    np.testing.assert_allclose(result.values[:3], [120, 0, 120])


def test_two_targets_for_one_area_are_left_alone():
    targets = pd.concat([agreeing(), agreeing().iloc[1:2]])
    result = harmonize(targets, ("nation", "state"), STATES, DISTRICTS)
    np.testing.assert_array_equal(result.values, targets["value"])
    assert "two targets" in steps(result)["states to nation"]["left_alone"]["US"]


def test_a_family_that_is_switched_off_keeps_its_values_and_its_findings():
    both = pd.concat([agreeing(), agreeing().assign(variable="ssi")], ignore_index=True)
    off = (both["variable"] == "ssi").to_numpy() & (both["geo_level"] == "state").to_numpy()
    result = harmonize(both, TARGET_LEVELS, STATES, DISTRICTS, switched_off=off)
    np.testing.assert_allclose(result.values[:6], [120, 72, 48, 24, 48, 48])
    np.testing.assert_array_equal(result.values[6:], agreeing()["value"])
    assert (result.factors[6:] == 1).all()
    findings = {(row["variable"], row["step"]): row for row in result.families}
    for step in ("states to nation", "districts to states"):
        on, switched_off = findings["snap", step], findings["ssi", step]
        assert on["applied"] and not switched_off["applied"]
        assert switched_off["factor_max"] == on["factor_max"]
    assert len(result.contradictions) == 4


def test_what_stands_aside_neither_scales_nor_is_scaled():
    aside = (agreeing()["geo_level"] == "state").to_numpy()
    result = harmonize(agreeing(), TARGET_LEVELS, STATES, DISTRICTS, aside=aside)
    np.testing.assert_allclose(result.values, [120, 60, 40, 15, 30, 75])
    assert list(steps(result)) == ["districts to nation"]
    one = np.arange(6) == 3
    result = harmonize(agreeing(), TARGET_LEVELS, STATES, DISTRICTS, aside=one)
    np.testing.assert_allclose(result.values, [120, 72, 48, 10, 20, 48])
    assert "first 101" in steps(result)["districts to states"]["left_alone"]["1"]
