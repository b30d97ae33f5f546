"""Money is brought to the year and given to those who have it."""

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.microdata.survey.money import (
    LOSSES,
    MORTGAGED,
    OWNERS,
    aged,
    conditions_of,
    housing_of,
    incomes_of,
    read_factors,
)
from localcal.microdata.survey.people import people_of
from tests.survey_case import COMMITTED, records_of

COUPLE = {"MARS": 2, "age_head": 45, "age_spouse": 43}
NAMES = sorted(read_factors(COMMITTED / "factors.csv", 2014))
ONE = dict.fromkeys(NAMES, 1.0)


def incomes(*units, factors=ONE):
    records = records_of(*units)
    persons = people_of(records, 0)
    return incomes_of(aged(records, factors), persons)


def conditions(*units):
    records = records_of(*units)
    persons = people_of(records, 0)
    found = conditions_of(records, persons, incomes_of(aged(records, ONE), persons))
    return found, persons["age"].to_numpy()


def test_factors_are_the_source_s_products_of_yearly_ones():
    factors = read_factors(COMMITTED / "factors.csv", 2024)
    # As people who used the file before computed them.
    expected = {"AWAGE": 1.485, "ASCHCI": 1.376, "ADIVS": 1.970}
    assert {name: round(factors[name], 3) for name in expected} == expected
    assert set(read_factors(COMMITTED / "factors.csv", 2014).values()) == {1.0}


def test_a_year_without_factors_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no row for 2040, only 2015 to 2036; set period"):
        read_factors(COMMITTED / "factors.csv", 2040)
    text = (COMMITTED / "factors.csv").read_text()
    (tmp_path / "factors.csv").write_text(text.replace("\n2020,", "\n2020,x"))
    with pytest.raises(InputError, match="line 7 holds no numbers"):
        read_factors(tmp_path / "factors.csv", 2020)


def test_each_kind_of_money_grows_by_its_own_factor():
    records = records_of({"e00200p": 100, "e00600": 50, "e00900p": 10}, {"e00900p": -10})
    factors = ONE | {"AWAGE": 1.5, "ADIVS": 2.0, "ASCHCI": 3.0, LOSSES: 5.0}
    money = aged(records, factors)
    assert money["e00200p"].tolist() == [150, 0]
    assert money["e00600"].tolist() == [100, 0]
    assert money["e00900p"].tolist() == [30, -50]


def test_head_and_spouse_have_their_own_earnings_and_the_head_what_is_joint():
    found = incomes(COUPLE | {"e00200p": 70, "e00200s": 30, "e00900s": -5, "e00300": 9})
    assert found["employment_income"].tolist() == [70, 30]
    assert found["self_employment_income"].tolist() == [0, -5]
    assert found["taxable_interest_income"].tolist() == [9, 0]


def test_parts_are_not_counted_twice():
    found = incomes({"e00600": 100, "e00650": 60, "e01500": 50, "e01700": 20})
    names = ("qualified_dividend_income", "non_qualified_dividend_income")
    assert [found[name].item() for name in names] == [60, 40]
    names = ("taxable_private_pension_income", "tax_exempt_private_pension_income")
    assert [found[name].item() for name in names] == [20, 30]


def test_social_security_is_for_retirement_from_62_on_only():
    kinds = ("retirement", "disability", "dependents")

    def found(**unit):
        money = incomes(unit | {"e02400": 100})
        return [money[f"social_security_{kind}"].tolist() for kind in kinds]

    assert found(age_head=61) == [[0], [100], [0]]
    assert found(age_head=62) == [[100], [0], [0]]
    assert found(age_head=16) == [[0], [0], [100]]
    assert found(MARS=2, age_head=66, age_spouse=63) == [[50, 50], [0, 0], [0, 0]]
    assert found(MARS=2, age_head=50, age_spouse=63) == [[0, 100], [0, 0], [0, 0]]
    assert found(MARS=2, age_head=50, age_spouse=51) == [[0, 0], [100, 0], [0, 0]]


def test_nothing_of_the_money_is_lost_or_made():
    unit = COUPLE | {"nu13": 2, "n24": 2, "nu18": 2, "h_seq": 1, "e00200p": 1_000, "e00200s": 200}
    unit |= {"e00600": 30, "e00650": 10, "e01400": 7, "e01500": 9, "e01700": 4, "e02400": 50}
    own = {"h_seq": 1, "age_head": 16, "DSI": 1, "e00200p": 500, "e00300": 3}
    found = incomes(unit, own)
    assert sum(values.sum() for values in found.values()) == pytest.approx(1_296 + 503)
    # A child's earnings are the child's.
    assert found["employment_income"].tolist() == [1_000, 200, 0, 0, 500]


def test_ssi_marks_one_person_below_65_as_disabled():
    children = {"nu13": 2, "n24": 2, "nu18": 2}
    cases = [
        ({"ssi_ben": 1}, [True]),
        ({"ssi_ben": 0}, [False]),
        ({"ssi_ben": 1, "age_head": 65}, [False]),
        (COUPLE | {"ssi_ben": 1, "e00200p": 9_000}, [False, True]),
        (COUPLE | {"ssi_ben": 1, "age_spouse": 66}, [True, False]),
        # Of a couple who both earn too much, and of a couple of whom one does not.
        (COUPLE | children | {"ssi_ben": 1, "e00200p": 9_000, "e00200s": 20_000}, [True] + 3 * [0]),
        ({"ssi_ben": 1, "e00200p": 90_000}, [True]),
    ]
    for unit, expected in cases:
        assert conditions(unit)[0]["meets_ssi_disability_criteria"].tolist() == expected, unit
    unit = COUPLE | children | {"ssi_ben": 1, "e00200p": 90_000, "e00200s": 20_000}
    found, age = conditions(unit)
    marked = np.flatnonzero(found["meets_ssi_disability_criteria"])
    assert marked.tolist() == [2 + np.argmax(age[2:])]
    assert np.array_equal(found["is_disabled"], found["meets_ssi_disability_criteria"])


def test_those_with_disability_benefits_are_disabled_without_meeting_ssi_s_criteria():
    found, _ = conditions({"e02400": 10, "age_head": 50}, {"e02400": 10, "age_head": 70})
    assert found["is_disabled"].tolist() == [True, False]
    assert not found["meets_ssi_disability_criteria"].any()


def test_medicaid_covers_as_many_of_the_youngest_as_the_unit_counts():
    unit = COUPLE | {"nu13": 2, "nu06": 1, "n24": 2, "nu18": 2}
    for count in range(5):
        found, age = conditions(unit | {"mcaid_ben": 7_204 * count}, {"mcaid_ben": 0})
        covered = found["has_medicaid_health_coverage_at_interview"]
        assert covered.sum() == count
        assert set(age[covered]) == set(np.sort(age[:4])[:count])


def test_blindness_is_of_the_person_whom_the_file_names():
    found, _ = conditions(COUPLE | {"blind_spouse": 1}, COUPLE | {"blind_head": 1})
    assert found["is_blind"].tolist() == [False, True, True, False]


def test_owners_pay_what_the_file_spreads_over_all():
    unit = {"e18500": 1_000, "e19200": 2_000, "h_seq": 0}
    count = 8_000
    records = records_of(*[unit | {"h_seq": number} for number in range(count)])
    persons = people_of(records, 0)
    found = housing_of(records, aged(records, ONE), persons, 0)
    taxes, interest = found["real_estate_taxes"], found["home_mortgage_interest"]
    for paid, share in ((taxes, OWNERS), (interest, MORTGAGED)):
        assert (paid > 0).mean() == pytest.approx(share, abs=4 * np.sqrt(0.25 / count))
    assert taxes.mean() == pytest.approx(1_000, rel=0.05)
    assert set(interest[taxes == 0]) == {0}
