"""Settings of a fit and rules for groups of targets."""

import numpy as np
import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.geography.codes import TARGET_LEVELS
from localcal.weights.settings import Settings, apply_rules


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("records", 0, "0 is not allowed; allowed: all, or an integer of at least 1"),
        ("records", "many", "allowed: all, or an integer of at least 1"),
        ("records", 2.5, "2.5 is not allowed"),
        ("bounds", [1.1, 10.0], "allowed: a range that contains 1"),
        ("bounds", [0.1, 0.9], "allowed: a range that contains 1"),
        ("bounds", [0.0, 10.0], "bounds.0: 0.0 is not allowed; allowed: a number, above 0"),
        ("bounds", [0.5], "two numbers above 0"),
        ("levels", [], "length at least 1"),
        ("levels", ["county"], "county"),
        ("levels", ["state", "state"], "no entry twice"),
        ("group_weight", "cubed", 'allowed: "sqrt", "equal", "group"'),
        ("penalty", 0.0, "allowed: auto, or a number above 0"),
        ("hold_out", -0.1, "allowed: a number, at least 0, below 1"),
        ("tolerance", float("nan"), "NaN is not a finite number; allowed: a number, above 0"),
        ("max_sweeps", 0, "at least 1"),
        ("minimum_columns", True, "true is not allowed; allowed: an integer"),
        ("sweep", 3, "unknown key"),
        ("start", None, "is called prior now"),
        ("method", "simplex", 'allowed: "descent", "newton"'),
        ("thin", "hide", 'allowed: "drop", "keep", "merge"'),
        ("huber", 0, "allowed: a number above 0, or null"),
        (
            "groups",
            [{"variable": "snap"}],
            r'groups.0: {"variable": "snap"} is not allowed; allowed: .* at least one setting',
        ),
        (
            "groups",
            [{"variable": "snap", "wieght": 2}],
            r"groups.0.wieght: unknown key \(did you mean 'weight'",
        ),
        (
            "groups",
            [{"variable": "snap", "weight": 0}],
            "groups.0.weight: 0 is not allowed; allowed: a number, above 0",
        ),
        (
            "groups",
            [{"variable": "snap", "weight": True}],
            "weight: true is not allowed; allowed: a number, above 0",
        ),
        ("groups", [{"variable": "snap", "tolerance": "5%"}], "allowed: a number, above 0"),
        (
            "groups",
            [{"variable": "snap", "hold_out": 1}],
            "hold_out: 1 is not allowed; allowed: true or false",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(key, value, message):
    with pytest.raises(InputError, match=message) as caught:
        Settings.from_config({key: value})
    assert str(caught.value).startswith((f"weights.{key}:", f"weights.{key}.0"))


def test_settings_read_the_config_as_it_is_written():
    settings = Settings.from_config(
        {"levels": ["state", "nation"], "records": "all", "bounds": [0.5, 2], "harmonize": False}
    )
    assert settings.levels == ("state", "nation") and settings.records == "all"
    assert settings.bounds == (0.5, 2) and not settings.harmonize
    assert Settings.from_config({"records": 12}).records == 12


@pytest.fixture
def targets() -> pd.DataFrame:
    """Two variables at three levels; one target has a tolerance of its own."""
    rows = [(level, variable) for variable in ("snap", "eitc") for level in TARGET_LEVELS]
    table = pd.DataFrame(rows, columns=["geo_level", "variable"])
    return table.assign(
        domain_variable=["", "", "", "eitc", "eitc", "eitc"],
        tolerance=[np.nan, 2.0, np.nan, np.nan, np.nan, np.nan],
        name=[f"target {i}" for i in range(6)],
    )


def test_without_rules_only_the_tables_tolerance_counts_which_is_a_percentage(targets):
    found = apply_rules(targets, (), TARGET_LEVELS)
    assert found.tolerance.tolist() == [0, 0.02, 0, 0, 0, 0]
    assert (found.weight == 1).all() and np.isnan(found.zero_floor).all()
    assert found.harmonize.all() and not found.hold_out.any()


def test_the_last_rule_that_sets_something_counts(targets):
    rules = (
        {"geo_level": "state", "weight": 3, "tolerance": 0.1},
        {"variable": "snap", "weight": 5.0, "zero_floor": 1000},
        {"variable": "eitc", "domain_variable": "eitc", "geo_level": "district", "hold_out": True},
        {"variable": "snap", "geo_level": "nation", "harmonize": False},
    )
    found = apply_rules(targets, rules, TARGET_LEVELS)
    assert found.weight.tolist() == [5, 5, 5, 1, 3, 1]
    assert found.tolerance.tolist() == [0, 0.1, 0, 0, 0.1, 0]
    assert found.zero_floor[:3].tolist() == [1000] * 3 and np.isnan(found.zero_floor[3:]).all()
    assert found.hold_out.tolist() == [False] * 5 + [True]
    assert found.harmonize.tolist() == [False] + [True] * 5


@pytest.mark.parametrize(
    ("rule", "levels", "message"),
    [
        (
            {"variable": "ssi", "weight": 2},
            TARGET_LEVELS,
            r'{"variable": "ssi"\S* "weight": 2} matches no',
        ),
        ({"geo_level": "state", "weight": 2}, ("nation",), "no target of the fitted levels"),
        ({"geo_level": "county", "weight": 2}, TARGET_LEVELS, "no such geo_level"),
        ({"weight": 2}, TARGET_LEVELS, "is empty; give it one of variable"),
    ],
)
def test_a_rule_that_matches_no_target_is_refused_by_name(targets, rule, levels, message):
    with pytest.raises(InputError, match=message) as caught:
        apply_rules(targets, (rule,), levels)
    assert str(caught.value).startswith("weights.groups: rule")


def test_a_negative_tolerance_is_refused_with_its_target(targets):
    with pytest.raises(InputError, match="target 3: its tolerance is negative"):
        apply_rules(targets.assign(tolerance=[0, 0, 0, -1.0, 0, 0]), (), TARGET_LEVELS)


def test_a_number_of_records_cannot_be_asked_of_l0():
    with pytest.raises(InputError, match="weights.records: 100 is not allowed with method: l0"):
        Settings(method="l0", records=100)
    with pytest.raises(InputError, match='weights.method: "l1" is not allowed'):
        Settings(method="l1")


def test_settings_of_l0_are_only_reported_where_it_is_used():
    section = {"method": "descent", "l0": {"epochs": 3, "python": "x"}}
    assert Settings.from_config(section).for_json()["l0"] is None
    reported = Settings.from_config(section | {"method": "l0"}).for_json()["l0"]
    assert reported["epochs"] == 3 and "python" not in reported


def test_targets_may_say_that_they_are_held_out(targets):
    held_out = np.array([True, False, False, True, False, False])
    found = apply_rules(targets.assign(hold_out=held_out), (), TARGET_LEVELS)
    assert np.array_equal(found.hold_out, held_out)
    rule = {"variable": targets["variable"][0], "hold_out": False}
    found = apply_rules(targets.assign(hold_out=held_out), (rule,), TARGET_LEVELS)
    assert not found.hold_out[0] and held_out[0]
