"""A formula is run once for all months in which it would do the same."""

import datetime
from types import SimpleNamespace

import numpy as np
import pytest

from localcal.engine import formulas
from localcal.engine.months import Months, same

JANUARY, FEBRUARY, JULY, AUGUST = (("month", (2024, number, 1), 1) for number in (1, 2, 7, 8))


@pytest.fixture(autouse=True)
def tests_are_formulas(monkeypatch):
    monkeypatch.setattr(formulas, "PACKAGES", frozenset({"engine"}))


class Branch:
    """A branch of the parameters, or one parameter with the dates from which it has its values."""

    def __init__(self, name, children=None, dates=(), value=0):
        self.name, self.children = name, children or {}
        self.values_list = [SimpleNamespace(instant_str=date, value=value) for date in dates]

    def get_descendants(self):
        for child in self.children.values():
            yield child
            yield from child.get_descendants()


@pytest.fixture
def months():
    rate = Branch("gov.irs.rates[0].rate", dates=["2024-01-01", "2024-06-15", "2025-02-01"])
    rates = Branch("gov.irs.rates", {"[0]": rate})
    amount = Branch("gov.irs.amount", dates=["2023-07-01", "2024-01-01"])
    listed = Branch("gov.irs.listed", dates=["2020-01-01"], value=["wages", "gov.irs.rates"])
    irs = Branch("gov.irs", {"rates": rates, "amount": amount, "listed": listed})
    return Months(Branch("", {"gov": Branch("gov", {"irs": irs})}))


def variable(formula=None, **given):
    return SimpleNamespace(get_formula=lambda period: formula, **given)


def reads_an_amount(person, period, parameters):
    return person("age", period) * parameters(period).gov.irs.amount


def reads_rates(person, period, parameters):
    p = parameters(period).gov.irs
    return p.rates.calc(person("wages", period))


def reads_rates_at_a_date(person, period, parameters):
    return parameters.gov.irs.rates(period)


def reads_none(person, period, parameters):
    return person("age", period.this_year)


def hands_over_parameters(person, period, parameters):
    return datetime.date(parameters)


def asks_for_the_month(person, period):
    return person("age", period) * (period.start.month > 6)


def looks_back(person, period):
    return person("age", period.last_month)


def has_a_helper(person, period):
    return looks_back(person, period)


def opens_a_branch(person, period):
    return person.simulation.get_branch("other").calculate("age", period)


@pytest.mark.parametrize("formula", [reads_an_amount, reads_none])
def test_a_formula_does_the_same_where_what_it_names_keeps_its_value(months, formula):
    for other in (FEBRUARY, JULY, AUGUST):
        assert months.alike(variable(formula), JANUARY, other)
        assert months.alike(variable(formula), other, JANUARY)


@pytest.mark.parametrize("formula", [reads_rates, reads_rates_at_a_date])
def test_a_change_within_what_is_named_counts_from_the_first_month_that_sees_it(months, formula):
    found = variable(formula)
    assert months.alike(found, JANUARY, FEBRUARY)
    assert months.alike(found, JULY, AUGUST)
    assert not months.alike(found, FEBRUARY, JULY)
    assert not months.alike(found, JULY, FEBRUARY)
    assert months.alike(found, ("month", (2025, 2, 1), 1), ("month", (2025, 3, 1), 1))
    assert not months.alike(found, ("month", (2025, 1, 1), 1), ("month", (2025, 2, 1), 1))


@pytest.mark.parametrize(
    "formula",
    [asks_for_the_month, looks_back, has_a_helper, opens_a_branch, hands_over_parameters],
)
def test_a_formula_to_which_the_month_may_mean_something_else_is_run(months, formula):
    assert not months.alike(variable(formula), JANUARY, FEBRUARY)


def test_months_of_two_years_and_two_formulas_are_never_alike(months):
    assert not months.alike(variable(reads_none), JANUARY, ("month", (2025, 1, 1), 1))
    chosen = {JANUARY: reads_none, FEBRUARY: reads_an_amount}
    assert not months.alike(SimpleNamespace(get_formula=chosen.get), JANUARY, FEBRUARY)


@pytest.mark.parametrize(
    ("listed", "until_july"),
    [({"adds": ["age"]}, True), ({"adds": ["gov.irs.rates"]}, False), ({}, False)]
    + [({"adds": ["age"], "subtracts": "gov.irs.listed"}, False)],
)
def test_what_is_added_up_may_be_parameters(months, listed, until_july):
    assert months.alike(variable(**listed), JANUARY, JULY) == until_july
    assert months.alike(variable(**listed), JANUARY, FEBRUARY) == bool(listed)


def test_arrays_are_the_same_if_their_bytes_are():
    numbers = np.array([0.0, np.nan], dtype=np.float32)
    assert same(numbers, numbers.copy())
    assert not same(numbers, np.array([-0.0, np.nan], dtype=np.float32))
    assert not same(numbers, numbers.astype(np.float64))
    assert not same(np.zeros(2), np.zeros((2, 1)))
    assert not same(np.array(["a"], dtype=object), np.array(["a"], dtype=object))
