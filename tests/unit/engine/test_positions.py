"""Formulas that may look at where somebody stands."""

import types
from types import SimpleNamespace

import pytest

from localcal.engine.positions import JUDGED, LOOKS, unjudged

HEADER = "import numpy as np\n"


def variables(source, package="policyengine_us"):
    """Return a model of one variable, `invented`, that is calculated by `formula` of a source."""
    scope: dict[str, types.FunctionType] = {}
    exec(compile(HEADER + source, f"/site-packages/{package}/variables/invented.py", "exec"), scope)
    return {"invented": SimpleNamespace(formulas={"0001-01-01": scope["formula"]})}


@pytest.mark.parametrize(
    ("body", "used"),
    [
        ("return np.arange(person.count)", "formula uses arange"),
        ("return np.random.default_rng(0).random(person.count)", "formula uses default_rng"),
        ("return hash(str(period))", "formula uses hash"),
        ("return person('weight', period).cumsum()", "formula uses cumsum"),
        ("return np.argsort(person('age', period))", "formula uses argsort"),
        ("return person.household.count == 1", "formula uses count"),
        ("alone = 2\n    return person.count > alone", "formula uses count"),
    ],
)
def test_what_looks_at_positions_is_found_by_name(body, used):
    found = unjudged(variables(f"def formula(person, period):\n    {body}\n"))
    assert found == {"invented": used}


@pytest.mark.parametrize(
    "body",
    [
        "return person('age', period) > 17",
        # How many there are gives arrays their size.
        "return np.zeros(person.count)",
        "return np.full(person.count, 3) == person('age', period)",
        # In one's own household.
        "return person.household.members_position == 0",
    ],
)
def test_what_does_not_is_not(body):
    assert unjudged(variables(f"def formula(person, period):\n    {body}\n")) == {}


def test_helpers_are_looked_into_and_named():
    source = (
        "def helper(n):\n    return np.arange(n)\n\ndef formula(person, period):\n    return {}\n"
    )
    assert unjudged(variables(source.format("helper(person.count)"))) == {
        "invented": "helper uses arange"
    }
    # A helper of another library is not the model's.
    assert unjudged(variables(source.format("helper(person.count)"), "elsewhere")) == {}


def test_a_judged_function_may_not_start_to_look_otherwise():
    source = (
        "def _parent_indices(n):\n    return {}\n\n"
        "def formula(person, period):\n    return _parent_indices(person.count)\n"
    )
    assert unjudged(variables(source.format("np.arange(n)"))) == {}
    assert unjudged(variables(source.format("np.random.permutation(n)"))) == {
        "invented": "_parent_indices uses permutation"
    }


def test_every_judgement_says_why():
    assert all(len(reason) > 20 for reason in JUDGED.values())
    assert {used for _, used in JUDGED} <= LOOKS | {"count"}
