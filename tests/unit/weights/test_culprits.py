"""The value that explains a disagreement, and those that must not be accused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcal.geography.codes import TARGET_LEVELS
from localcal.weights.culprits import Evidence, find_culprit
from localcal.weights.harmonize import Harmonized, harmonize

STATES = 51
DISTRICTS_OF_ONE = 8


def shares() -> np.ndarray:
    """States of very different size, the largest with 12 % of the nation: (STATES,)."""
    size = 1.0 / (np.arange(STATES) + 7.0)
    return size / size.sum()


def family(seed: int = 0, noise: float = 0.05) -> tuple[pd.DataFrame, Evidence]:
    """A nation, its states and their districts that agree, and base estimates with noise.

    The households that carry a value grow with it. Row 0 is the nation, rows 1 to 51 the states,
    the largest first, then the districts.
    """
    rng = np.random.default_rng(seed)
    state = 1e12 * shares()
    district = np.repeat(state / DISTRICTS_OF_ONE, DISTRICTS_OF_ONE)
    value = np.concatenate([[1e12], state, district])
    number = np.repeat(np.arange(1, STATES + 1), DISTRICTS_OF_ONE) * 100
    number = number + np.tile(np.arange(1, DISTRICTS_OF_ONE + 1), STATES)
    areas = ["US", *map(str, range(1, STATES + 1)), *map(str, number)]
    levels = np.repeat(TARGET_LEVELS, [1, STATES, len(district)])
    households = np.maximum(20_000 * value / 1e12, 20.0)
    apart = np.exp(rng.normal(0.0, noise + 1.0 / np.sqrt(households)))
    frame = pd.DataFrame({"geo_level": levels, "geographic_id": areas, "value": value})
    frame = frame.assign(variable="agi", reform_id=0, constraints="[]")
    # The base weights are off by a factor that says nothing.
    return frame, Evidence(3.0 * value * apart, households)


def agree(targets: pd.DataFrame, evidence: Evidence | None, **arguments) -> Harmonized:
    district = np.repeat(np.arange(1, STATES + 1), DISTRICTS_OF_ONE) * 100
    district = district + np.tile(np.arange(1, DISTRICTS_OF_ONE + 1), STATES)
    return harmonize(
        targets, TARGET_LEVELS, district // 100, district, evidence=evidence, **arguments
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("times", [2.0, 0.4, 1000.0, 1e-3])
@pytest.mark.parametrize("with_districts", [False, True])
def test_a_state_that_is_wrong_by_itself_is_named_and_the_others_stay(seed, times, with_districts):
    targets, evidence = family(seed)
    if not with_districts:
        targets = targets.iloc[: STATES + 1].copy()
    targets.loc[1, "value"] *= times
    result = agree(targets, evidence)
    assert np.flatnonzero(result.suspect).tolist() == [1]
    (found,) = result.suspects
    assert (found["geo_level"], found["geographic_id"]) == ("state", "1")
    assert found["of"] == ("1" if with_districts else "US")
    assert found["implied_value"] == pytest.approx(1e12 * shares()[0])
    assert found["expected_value"] == pytest.approx(1e12 * shares()[0], rel=0.3)
    others = ~result.suspect
    np.testing.assert_allclose(result.values[others], targets["value"][others])
    left_alone = {row["step"]: row["left_alone"] for row in result.families}
    assert "suspects" in left_alone["states to nation"]["US"]
    assert list(left_alone.get("districts to states", "1")) == ["1"]


def test_without_evidence_the_error_is_spread():
    targets, _ = family()
    targets.loc[1, "value"] *= 2.0
    result = agree(targets, None)
    assert not result.suspect.any() and result.suspects == []
    np.testing.assert_allclose(result.factors[1 : STATES + 1], 1 / (1 + shares()[0]))


def test_two_wrong_states_are_not_blamed_on_one():
    targets, evidence = family()
    targets.loc[[1, 2], "value"] *= 2.0
    alone = targets.iloc[: STATES + 1]
    result = agree(alone, evidence)
    assert not result.suspect.any()
    np.testing.assert_allclose(result.values[1:].sum(), 1e12)
    # Unless the districts of each know better.
    result = agree(targets, evidence)
    assert np.flatnonzero(result.suspect).tolist() == [1, 2]
    assert (result.factors == 1.0).all()


@pytest.mark.parametrize("times", [0.7, 0.96, 1.3])
def test_a_level_that_is_off_as_a_whole_is_scaled_as_ever(times):
    targets, evidence = family()
    targets.loc[1:STATES, "value"] *= times
    result = agree(targets, evidence)
    assert not result.suspect.any()
    np.testing.assert_allclose(result.factors[1 : STATES + 1], 1 / times)


def test_an_unusual_state_is_not_accused_where_the_levels_agree():
    targets, evidence = family()
    evidence.estimate[1] /= 2.0
    result = agree(targets, evidence)
    assert not result.suspect.any() and (result.factors == 1.0).all()


def test_an_unusual_state_is_not_accused_of_a_disagreement_that_is_not_its():
    targets, evidence = family()
    evidence.estimate[1] /= 2.0
    targets.loc[1:STATES, "value"] *= 0.9
    assert not agree(targets, evidence).suspect.any()


def test_a_value_that_few_households_know_about_is_not_accused():
    targets, evidence = family()
    targets.loc[1, "value"] *= 2.0
    evidence.households[:] = 4.0
    assert not agree(targets, evidence).suspect.any()


def test_of_two_states_that_could_each_be_the_one_none_is_named():
    targets, evidence = family(noise=0.0)
    targets = targets.iloc[: STATES + 1].copy()
    # Both are published as twice what the base weights say, and the nation has room for one.
    targets.loc[[1, 2], "value"] = 2.0 * targets.loc[1, "value"]
    evidence.estimate[[1, 2]] = 1.5 * targets.loc[1, "value"]
    targets.loc[0, "value"] = targets.loc[1:STATES, "value"].sum() - targets.loc[1, "value"] / 2.0
    assert not agree(targets, evidence).suspect.any()
    # With a word for one of them it is the other.
    evidence.estimate[2] *= 2.0
    assert np.flatnonzero(agree(targets, evidence).suspect).tolist() == [1]


def test_a_state_that_explains_a_part_of_a_disagreement_is_not_accused_of_all_of_it():
    targets, evidence = family()
    targets = targets.iloc[: STATES + 1].copy()
    evidence.households[:] = 1e6
    # 0.8 % too much of its own, beside 1.8 % of everybody's.
    targets.loc[STATES, "value"] *= 2.0
    targets.loc[1:STATES, "value"] *= 1.018
    assert not agree(targets, evidence).suspect.any()


def test_a_wrong_nation_is_named_by_its_states():
    targets, evidence = family()
    targets.loc[0, "value"] *= 3.0
    result = agree(targets, evidence)
    assert np.flatnonzero(result.suspect).tolist() == [0]
    np.testing.assert_allclose(result.factors, 1.0)


@pytest.mark.parametrize("times", [3.0, 0.2, 1000.0])
def test_a_wrong_district_is_named_inside_its_state(times):
    targets, evidence = family()
    wrong = STATES + 1 + 2 * DISTRICTS_OF_ONE + 3
    targets.loc[wrong, "value"] *= times
    # All states are moved a little, and the other districts of this one go with theirs.
    targets.loc[0, "value"] *= 1.01
    result = agree(targets, evidence)
    assert np.flatnonzero(result.suspect).tolist() == [wrong]
    others = ~result.suspect
    others[0] = False
    np.testing.assert_allclose(result.factors[others], 1.01)
    assert result.suspects[0]["of"] == "3"


def test_a_state_without_a_nation_is_told_from_its_districts():
    targets, evidence = family()
    targets.loc[4, "value"] *= 3.0
    kept = np.arange(1, len(targets))
    targets = targets.iloc[kept].reset_index(drop=True)
    seen = Evidence(evidence.estimate[kept], evidence.households[kept])
    result = agree(targets, seen)
    assert np.flatnonzero(result.suspect).tolist() == [3]
    np.testing.assert_allclose(result.factors, 1.0)


def test_a_family_that_is_switched_off_is_told_about_and_fitted():
    targets, evidence = family()
    targets.loc[1, "value"] *= 2.0
    result = agree(targets, evidence, switched_off=np.ones(len(targets), dtype=bool))
    assert not result.suspect.any()
    assert [(row["geographic_id"], row["applied"]) for row in result.suspects] == [("1", False)]


def test_of_three_states_none_can_be_told_from_the_others():
    value = np.array([60.0, 40.0, 10.0, 10.0])
    evidence = Evidence(np.array([60.0, 20.0, 10.0, 10.0]), np.full(4, 1e6))
    rows = np.arange(1, 4)
    assert find_culprit(0, rows, (np.array([0]), rows), value, evidence) is None


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    state=st.integers(1, STATES),
    times=st.floats(0.01, 100.0),
    shift=st.floats(0.99, 1.01),
)
def test_nobody_but_the_wrong_state_is_ever_accused(seed, state, times, shift):
    targets, evidence = family(seed)
    targets.loc[0, "value"] *= shift
    targets.loc[state, "value"] *= times
    result = agree(targets, evidence)
    assert set(np.flatnonzero(result.suspect)) <= {state}
    others = np.flatnonzero(~result.suspect[1 : STATES + 1]) + 1
    if result.suspect.any():
        assert (result.factors[others] == 1.0).all()
    else:
        np.testing.assert_allclose(result.values[others].sum(), targets.loc[0, "value"], rtol=1e-9)


def with_persons(targets: pd.DataFrame) -> pd.DataFrame:
    """Add what is published of the persons of every district; rates differ by a tenth."""
    rng = np.random.default_rng(7)
    persons = targets[targets["geo_level"] == "district"].copy()
    persons["value"] *= np.exp(rng.normal(0.0, 0.1, len(persons)))
    return pd.concat([targets, persons.assign(variable="person_count")], ignore_index=True)


@pytest.mark.parametrize(("state", "times"), [(1, 2.0), (1, 0.4), (3, 2.0), (20, 3.0)])
def test_a_wrong_state_is_named_by_published_rates_where_the_sample_is_astray(state, times):
    targets, evidence = family()
    alone = targets["geo_level"] != "district"
    # By the base weights the state could nearly be what is published.
    evidence.estimate[state] *= times**0.4
    evidence.households[:] = 30.0
    wrong = with_persons(targets)
    wrong.loc[state, "value"] *= times
    # Only the persons are of districts.
    wrong = wrong[(wrong["geo_level"] != "district") | (wrong["variable"] == "person_count")]
    wrong = wrong.reset_index(drop=True)
    more = len(wrong) - int(alone.sum())
    known = Evidence(
        np.append(evidence.estimate[alone], np.zeros(more)),
        np.append(evidence.households[alone], np.zeros(more)),
    )
    result = agree(wrong, known)
    assert np.flatnonzero(result.suspect).tolist() == [state]
    assert (result.factors == 1.0).all()
    assert any("person_count" in by for by in result.suspects[0]["compared_by"])
    sample_only = wrong["variable"] == "agi"
    assert not agree(
        wrong[sample_only].copy(),
        Evidence(known.estimate[sample_only], known.households[sample_only]),
    ).suspect.any()


def test_a_nation_of_another_year_is_not_accused_by_rates():
    targets, evidence = family()
    evidence.households[:] = 4.0
    wrong = with_persons(targets)
    wrong.loc[0, "value"] *= 2.25
    more = len(wrong) - len(targets)
    pad = np.zeros(more)
    known = Evidence(np.append(evidence.estimate, pad), np.append(evidence.households, pad))
    assert not agree(wrong, known).suspect.any()
