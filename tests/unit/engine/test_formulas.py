"""What a formula may read is found in its code, in whatever way it names it."""

from types import SimpleNamespace

import pytest

from localcal.engine import formulas
from localcal.engine.formulas import lists_of, opens_branches, read_by

STATE_PROGRAMS = ["ny_tanf", "ca_tanf"]
BY_KIND = {"earned": ("wages",)}
LISTS = {"gov.irs.sources": frozenset({"dividends"}), "gov.ssa.sources": frozenset({"pensions"})}


@pytest.fixture(autouse=True)
def tests_are_formulas(monkeypatch):
    monkeypatch.setattr(formulas, "PACKAGES", frozenset({"engine"}))


def variable(formula=None, **given):
    return SimpleNamespace(formulas={"2020": formula} if formula else {}, **given)


def names_one(person, period):
    return person("age", period)


def names_a_list(person, period):
    return sum(person(name, period) for name in STATE_PROGRAMS + list(BY_KIND["earned"]))


def names_a_parameter(person, period, parameters):
    p = parameters(period).gov.irs
    return sum(person(name, period) for name in p.sources)


def calls_a_helper(person, period):
    return names_a_list(person, period)


def opens(person, period):
    return person.simulation.get_branch("other").calculate("age", period)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (variable(names_one), {"age"}),
        (variable(names_a_list), {"ny_tanf", "ca_tanf", "wages"}),
        (variable(calls_a_helper), {"ny_tanf", "ca_tanf", "wages"}),
        (variable(names_a_parameter), {"dividends"}),
        (variable(adds=["wages"]), {"wages"}),
        (variable(subtracts="gov.ssa.sources"), {"pensions"}),
        (variable(names_one, defined_for="is_adult"), {"age", "is_adult"}),
    ],
)
def test_what_is_read_is_found(item, expected):
    found = set(read_by(item, LISTS))
    assert expected <= found
    assert not found & ({"dividends", "pensions", "ny_tanf", "age", "is_adult"} - expected)


def test_lists_of_parameters_are_those_of_all_times():
    def parameter(name, *values):
        return SimpleNamespace(name=name, values_list=[SimpleNamespace(value=v) for v in values])

    tree = [parameter("gov.list", ["b"], ["a", "b"]), parameter("gov.rate", 1.0), SimpleNamespace()]
    found = lists_of(SimpleNamespace(get_descendants=lambda: iter(tree)))
    assert found == {"gov.list": {"a", "b"}}


def test_a_formula_that_opens_a_branch_is_known():
    assert opens_branches(variable(opens))
    assert not opens_branches(variable(names_one))
