"""The survey's households and the top together, and how the committed ones compare with what was
published."""

import csv

import numpy as np
import pytest

import localcal.microdata.survey.top
from localcal.errors import InputError
from localcal.microdata.survey.households import CHILDCARE, POPULATION, survey_households
from localcal.microdata.survey.money import read_factors
from tests.survey_case import COMMITTED, survey_folder, written_units

GROUPS = ("household", "tax_unit", "spm_unit", "family", "marital_unit")
# Dollars of 2024, except where only an earlier year is published, and how far off we are at most.
# Business income is what proprietors and owners of partnerships and S corporations have; in which
# of the two the file has it, differs. Interest grew with rates that the source's factors did not
# foresee. Social Security is paid to more people than file returns.
PUBLISHED = {
    "wages": (["employment_income"], 10_204e9, 0.10, "IRS SOI Publication 1304 Table 1.4, TY2023"),
    "business": (
        ["self_employment_income", "s_corp_income"],
        (530.4 - 153.4 + 1_249.5 - 258.4) * 1e9,
        0.10,
        "IRS SOI Publication 1304 Table 1.4, TY2023: business, and partnership and S corporation, "
        "net income less net loss",
    ),
    "dividends": (
        ["qualified_dividend_income", "non_qualified_dividend_income"],
        504.2e9,
        0.10,
        "IRS SOI Publication 1304 Table 1.4, TY2023: ordinary dividends",
    ),
    "qualified dividends": (
        ["qualified_dividend_income"],
        336.1e9,
        0.30,
        "IRS SOI Publication 1304 Table 1.4, TY2023",
    ),
    "interest": (
        ["taxable_interest_income"],
        313.8e9,
        0.30,
        "IRS SOI Publication 1304 Table 1.4, TY2023",
    ),
    "retirement": (
        ["taxable_private_pension_income", "taxable_ira_distributions"],
        (932.1 + 438.1) * 1e9,
        0.15,
        "IRS SOI Publication 1304 Table 1.4, TY2023: taxable pensions, IRA distributions",
    ),
    "social security": (
        [f"social_security_{kind}" for kind in ("retirement", "disability", "dependents")]
        + ["social_security_survivors"],
        1_471e9,
        0.05,
        "SSA, Trustees' report 2025: benefits paid in 2024",
    ),
}


@pytest.fixture(scope="module")
def committed():
    return survey_households(COMMITTED, 2024, 0)


@pytest.fixture(scope="module")
def person_weight(committed):
    arrays = committed.arrays
    return arrays["household_weight"].astype(np.float64)[arrays["person_household_id"] - 1]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return the households of `some_units`, and one with more than the top begins with."""
    rich = {"age_head": 50, "e00200p": 2_000_000}
    folder = some_folder(tmp_path_factory.mktemp("small"), *some_units(), rich)
    return brought_to_2024(folder)


def brought_to_2024(folder, seed=0):
    """Return the households of a folder and a top that takes less time to make up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(localcal.microdata.survey.top, "CANDIDATES", 2_000)
        return survey_households(folder, 2024, seed)


def some_folder(parent, *units):
    """Write a folder of units in more households than there are: none of these has three adults."""
    text = (COMMITTED / "population.csv").read_text().replace("132737146", "170000000")
    return survey_folder(parent / "survey", written_units(*units), population=text)


def some_units():
    """Return single persons, couples, parents and couples with children, of every age: 32."""
    ages = (22, 30, 40, 50, 60, 67, 70, 80)
    children = {"nu06": 1, "nu13": 2, "n24": 2, "nu18": 2, "e32800": 50}
    for age in ages:
        yield {"age_head": age}
        yield {"age_head": age, "MARS": 2, "age_spouse": age}
        yield {"age_head": age} | children
        yield {"age_head": age, "MARS": 2, "age_spouse": age, "nu13": 1, "n24": 2, "nu18": 3}


def published_population():
    with (COMMITTED / "population.csv").open() as file:
        (row,) = csv.DictReader(file)
    return [float(row[name]) for name in POPULATION]


def test_persons_of_each_age_and_households_are_as_many_as_published(committed, person_weight):
    ages = committed.arrays["age"]
    found, _ = np.histogram(ages, [0, 5, 18, 25, 45, 65, 75, 200], weights=person_weight)
    *persons, households = published_population()
    assert found == pytest.approx(persons, rel=1e-6)
    assert committed.arrays["household_weight"].astype(float).sum() == pytest.approx(households)
    # Census ACS 2024 1-year S0101: all, below 18, 65 and more.
    assert sum(persons) == 340_110_990
    assert sum(persons[:2]) == 72_929_312
    assert sum(persons[-2:]) == 61_245_283


@pytest.mark.parametrize("kind", PUBLISHED)
def test_money_is_near_what_was_published(committed, person_weight, kind):
    names, published, tolerance, _ = PUBLISHED[kind]
    found = sum(person_weight @ committed.arrays[name].astype(np.float64) for name in names)
    assert found == pytest.approx(published, rel=tolerance)


def test_medicaid_and_disability_are_of_the_size_of_the_survey(committed, person_weight):
    """Published for 2014, which the file is about, and grown with the population at most."""
    arrays = committed.arrays
    # SSA, SSI Annual Statistical Report 2014, table 3: 6.2 million below 65, some in a unit that
    # the file has as one.
    assert 4.0e6 < person_weight @ arrays["meets_ssi_disability_criteria"] < 6.5e6
    assert 40e6 < person_weight @ arrays["has_medicaid_health_coverage_at_interview"] < 80e6


def test_every_smaller_unit_lies_within_one_household(committed):
    arrays = committed.arrays
    for group in GROUPS[1:]:
        pairs = np.unique(
            np.stack([arrays[f"person_{group}_id"], arrays["person_household_id"]]), axis=1
        )
        assert pairs.shape[1] == arrays[f"{group}_id"].size


def test_every_tax_unit_has_one_head_and_no_unit_for_poverty_is_of_children_only(committed):
    arrays = committed.arrays
    heads = arrays["person_tax_unit_id"][arrays["tax_unit_role_input"] == b"HEAD"]
    assert np.array_equal(np.sort(heads), arrays["tax_unit_id"])
    adult = arrays["person_spm_unit_id"][arrays["age"] >= 18]
    assert np.array_equal(np.unique(adult), arrays["spm_unit_id"])
    assert np.bincount(arrays["person_household_id"][arrays["is_household_head"]])[1:].max() == 1
    assert np.bincount(arrays["person_household_id"][arrays["is_household_head"]])[1:].min() == 1


def test_every_state_has_households_of_the_survey(committed):
    states = committed.arrays["state_fips"][~committed.synthetic]
    assert np.unique(states).size == 51


def test_weights_are_not_stretched(committed):
    weight = committed.arrays["household_weight"].astype(np.float64)[~committed.synthetic]
    assert (weight > 0).all()
    # Kish's design effect.
    assert weight.size * (weight**2).sum() / weight.sum() ** 2 < 1.2


def test_the_top_is_made_up_and_marked_and_nobody_surveyed_is_in_it(committed, small):
    for households in (committed, small):
        arrays = households.arrays
        assert households.synthetic.size == arrays["household_id"].size
        made_up = households.synthetic[arrays["person_household_id"] - 1]
        assert (arrays["s_corp_income"][~made_up] == 0).all()
        assert arrays["s_corp_income"][made_up].any()
        # IRS SOI Publication 1304 Table 1.1, TY2023: returns of a million and more.
        weight = arrays["household_weight"].astype(float)
        assert weight[households.synthetic].sum() == pytest.approx(799_094, rel=1e-5)
        assert arrays["employment_income"][~made_up].max() < 1e6
    assert (~small.synthetic).sum() == 32


def test_what_is_not_taxed_puts_nobody_into_the_top(tmp_path):
    untaxed = [
        {"e00400": 2_000_000},
        {"e01500": 2_000_000},
        {"e00200p": 300_000, "e02400": 450_000},
    ]
    taxed = [{"e01500": 2_000_000, "e01700": 2_000_000}, {"e00200p": 300_000, "e02400": 600_000}]
    for units, kept in ((untaxed, 3), (taxed, 0)):
        folder = some_folder(tmp_path, *some_units(), *units)
        assert (~brought_to_2024(folder).synthetic).sum() == 32 + kept


def test_childcare_is_of_the_spm_unit_of_all_who_pay(tmp_path):
    family = [{"h_seq": 99, "e32800": 10}, {"h_seq": 99, "age_head": 25, "e32800": 20}]
    arrays = brought_to_2024(some_folder(tmp_path, *some_units(), *family)).arrays
    factor = read_factors(COMMITTED / "factors.csv", 2024)["ATXPY"]
    paid = arrays[CHILDCARE][arrays[CHILDCARE] > 0]
    assert paid == pytest.approx([50 * factor] * 8 + [30 * factor])


def test_what_only_one_part_has_is_nothing_for_the_other(small):
    arrays = small.arrays
    kinds = {name: values.dtype.kind for name, values in arrays.items()}
    assert kinds["is_separated"] == kinds["is_blind"] == "b"
    assert kinds["real_estate_taxes"] == kinds["s_corp_income"] == "f"
    assert all(np.isfinite(values).all() for values in arrays.values() if values.dtype.kind == "f")
    assert arrays[CHILDCARE].size == arrays["spm_unit_id"].size
    assert (arrays[CHILDCARE] > 0).sum() == 8


def test_the_same_arguments_give_the_same_bytes(small, tmp_path):
    folder = some_folder(tmp_path, *some_units())
    first, second = (brought_to_2024(folder, 3).arrays for _ in range(2))
    assert first.keys() == second.keys()
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


def test_a_year_without_its_population_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"population\.csv: has no row for 2025, only for 2024; set"
    ):
        survey_households(COMMITTED, 2025, 0)
    text = (COMMITTED / "population.csv").read_text().replace("2024,18365047", "2024,many")
    folder = survey_folder(tmp_path / "survey", written_units({}), population=text)
    with pytest.raises(InputError, match=r"population\.csv: line 2 holds no numbers"):
        brought_to_2024(folder)


def test_households_that_cannot_be_so_many_are_refused(tmp_path):
    folder = survey_folder(tmp_path / "survey", written_units({"age_head": 30}, {"age_head": 80}))
    with pytest.raises(InputError, match=r"population\.csv: no weights give"):
        brought_to_2024(folder)
