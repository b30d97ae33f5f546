"""Changes of parameters are checked before any work, and undone after it."""

import pickle

import numpy as np
import pytest

from localcal.engine.protocol import Parameter, ParameterChange, ParameterError
from localcal.engine.reforms import checked_changes, refuse_unknown
from localcal.errors import InputError
from tests.households import random_population
from tests.standin_engine import StandIn

KNOWN = {
    parameter.path: parameter
    for parameter in (
        Parameter("gov.irs.credits.ctc.amount.base[0].amount", "number"),
        Parameter("gov.irs.credits.eitc.max[0].amount", "number"),
        Parameter("gov.irs.credits.eitc.max[0].threshold", "number"),
        Parameter("gov.snap.in_effect", "bool"),
        Parameter("gov.snap.region", "text"),
        Parameter("gov.snap.states", "list"),
    )
}
PATH = "gov.irs.credits.ctc.amount.base[0].amount"


def change(path=PATH, start=None, stop=None, value=3000):
    return ParameterChange(path, start, stop, value)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (change(value=3000), 3000),
        (change(value=np.float64(0.5)), 0.5),
        (change(value=np.int64(7)), 7),
        (change("gov.snap.in_effect", value=True), True),
        (change("gov.snap.in_effect", value=0.0), False),
        (change("gov.snap.in_effect", value=np.int64(1)), True),
        (change("gov.snap.region", value="AK"), "AK"),
    ],
)
def test_values_become_those_of_the_parameters_kind(given, taken):
    (checked,) = checked_changes(KNOWN, [given], 2026)
    assert (type(checked.value), checked.value) == (type(taken), taken)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (change(value=True), f"{PATH}: expected a finite number, found True"),
        (change(value="3000"), "expected a finite number, found '3000'"),
        (change(value=float("nan")), "expected a finite number, found nan"),
        (change(value=np.inf), "expected a finite number, found inf"),
        (change("gov.snap.in_effect", value=0.5), "expected true or false, found 0.5"),
        (change("gov.snap.in_effect", value="true"), "expected true or false"),
        (change("gov.snap.region", value=3), "expected a text, found 3"),
        (change("gov.snap.states", value=3), "holds a list, which a parameter set cannot change"),
        (change("gov.irs.credit.eitc.max[0].amount"), "mean gov.irs.credits.eitc.max[0].amount?"),
        (change("gov.irs.credits.ctc.amount.base.amount"), f"(did you mean {PATH}?)"),
        (change("gov.irs.credits.eitc.max"), "below it are gov.irs.credits.eitc.max[0].amount, "),
        (change("moon"), "moon: the model has no such parameter; mend the path"),
        (change(start="2026-1-1"), "'2026-1-1' is not a date; write one as 2026-01-01"),
        (change(stop="2026-02-30"), "'2026-02-30' is not a date"),
        (change(start="2026-02-01", stop="2026-01-01"), "end on 2026-01-01, before they start"),
        (change(start="2027-01-01"), "2027-01-01 to ever lies outside 2026"),
        (change(stop="2025-12-31"), "ever to 2025-12-31 lies outside 2026"),
    ],
)
def test_what_the_model_cannot_take_is_refused_with_what_to_do(given, words):
    with pytest.raises(ParameterError) as caught:
        checked_changes(KNOWN, [change(), given], 2026)
    assert words in str(caught.value)
    assert caught.value.change is given
    assert "\n" not in str(caught.value)
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (str(copied), copied.change.path) == (str(caught.value), given.path)


@pytest.mark.parametrize("dates", [("2026-12-31", None), (None, "2026-01-01"), (None, None)])
def test_dates_that_touch_the_year_are_taken(dates):
    assert checked_changes(KNOWN, [change(PATH, *dates)], 2026)


def test_only_known_parameters_can_be_watched():
    refuse_unknown(KNOWN, [PATH])
    with pytest.raises(InputError, match="no such parameter"):
        refuse_unknown(KNOWN, [PATH, "moon"])


def tax(engine, population):
    return engine.simulate(population).calculate("income_tax").astype(float)


def test_the_stand_in_is_reformed_and_restored():
    engine, population = StandIn(), random_population(40, seed=2)
    period = population.period
    before = tax(engine, population)
    assert (before > 0).sum() > 5
    higher = ParameterChange("tax.brackets[0].rate", None, None, 0.25)
    later = ParameterChange("tax.brackets[0].rate", f"{period + 1}-01-01", None, 0.99)
    ever = ParameterChange("tax.standard_deduction", f"{period}-01-01", f"{period}-12-31", 1e9)
    with engine.reformed([higher, later]):
        # One rate for all income, so a quarter of what is taxable.
        flat = tax(engine, population)
        with engine.reformed([ever]):
            assert tax(engine, population).sum() == 0
        assert np.array_equal(tax(engine, population), flat)
    taxable = np.where(before <= 5_000, before / 0.1, 50_000 + (before - 5_000) / 0.25)
    np.testing.assert_allclose(flat, 0.25 * taxable, rtol=1e-5)
    with pytest.raises(ParameterError), engine.reformed([higher._replace(value="much")]):
        pass
    assert np.array_equal(tax(engine, population), before)


def test_the_stand_in_hands_over_what_a_reform_does_not_reach():
    engine, population = StandIn(), random_population(40, seed=2)
    changes = [ParameterChange("snap.maximum", None, None, 9_000)]
    with engine.watching(["snap.maximum"]):
        baseline = engine.simulate(population)
        for name in ("household_net_income", "income_tax"):
            baseline.calculate(name)
        common = baseline.unreached(["snap.maximum"])
    assert {"income_tax", "household_tax"} <= common[0].keys()
    assert {"snap", "household_net_income"}.isdisjoint(common[0])
    with engine.reformed(changes):
        plain = engine.simulate(population).calculate("household_net_income")
        shared = engine.simulate(population, common).calculate("household_net_income")
    assert np.array_equal(plain, shared)
    assert not np.array_equal(plain, baseline.calculate("household_net_income"))
