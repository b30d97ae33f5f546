"""The synthetic population: valid, repeatable, and in the shape of the published figures."""

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.microdata.synthetic.households import synthetic_households
from localcal.microdata.synthetic.incomes import money_income
from localcal.microdata.synthetic.selection import HOUSEHOLDS, STATE_POPULATION

GROUPS = ("household", "tax_unit", "spm_unit", "family", "marital_unit")
MONEY = (
    "employment_income",
    "self_employment_income",
    "s_corp_income",
    "taxable_interest_income",
    "qualified_dividend_income",
    "long_term_capital_gains",
    "social_security_retirement",
    "social_security_disability",
    "social_security_survivors",
    "social_security_dependents",
    "taxable_private_pension_income",
    "taxable_ira_distributions",
    "unemployment_compensation",
)


@pytest.fixture(scope="module")
def dataset() -> dict[str, np.ndarray]:
    return synthetic_households(1000, 2024, 0)


@pytest.fixture(scope="module")
def weight(dataset) -> np.ndarray:
    return dataset["household_weight"].astype(np.float64)


@pytest.fixture(scope="module")
def person_weight(dataset, weight) -> np.ndarray:
    return weight[dataset["person_household_id"] - 1]


def household_income(dataset) -> np.ndarray:
    money = np.sum([dataset[name].astype(np.float64) for name in MONEY], axis=0)
    return np.bincount(dataset["person_household_id"] - 1, weights=money)


def test_ids_count_from_one_and_every_link_leads_to_a_unit_with_members(dataset):
    persons = len(dataset["person_id"])
    assert dataset["person_id"].tolist() == list(range(1, persons + 1))
    for group in GROUPS:
        ids, links = dataset[f"{group}_id"], dataset[f"person_{group}_id"]
        assert ids.dtype == links.dtype == np.int32
        assert ids.tolist() == list(range(1, len(ids) + 1))
        assert len(links) == persons
        assert set(links) == set(ids)


def test_every_smaller_unit_lies_within_one_household(dataset):
    for group in GROUPS[1:]:
        links = dataset[f"person_{group}_id"]
        pairs = set(zip(links.tolist(), dataset["person_household_id"].tolist(), strict=True))
        assert len(pairs) == len(dataset[f"{group}_id"])


def test_every_tax_unit_has_one_head_at_most_one_spouse_and_the_spouse_is_married(dataset):
    unit = dataset["person_tax_unit_id"] - 1
    role = dataset["tax_unit_role_input"]
    heads = np.bincount(unit[role == b"HEAD"], minlength=len(dataset["tax_unit_id"]))
    spouses = np.bincount(unit[role == b"SPOUSE"], minlength=len(dataset["tax_unit_id"]))
    assert (heads == 1).all()
    assert (spouses <= 1).all()
    couple = np.bincount(dataset["person_marital_unit_id"])[dataset["person_marital_unit_id"]]
    assert ((couple == 2) == (spouses[unit] == 1) & (role != b"DEPENDENT")).all()
    assert (dataset["age"][role != b"DEPENDENT"] >= 18).all()
    assert (dataset["age"][role == b"DEPENDENT"] < 24).all()


def test_households_of_several_tax_units_spm_units_and_families_occur(dataset):
    household = dataset["person_household_id"]
    for group in ("tax_unit", "spm_unit", "family"):
        units = set(zip(household.tolist(), dataset[f"person_{group}_id"].tolist(), strict=True))
        per_household = np.bincount([first for first, _ in units])[1:]
        assert (per_household > 1).mean() > 0.02
        assert per_household.min() == 1


def test_arrays_have_the_length_of_their_entity_and_finite_values(dataset):
    lengths = {len(dataset["person_id"])} | {len(dataset[f"{group}_id"]) for group in GROUPS}
    for name, array in dataset.items():
        assert len(array) in lengths, name
        assert array.dtype.kind in "bSi" or array.dtype == np.float32, name
        if array.dtype.kind == "f":
            assert np.isfinite(array).all(), name


def test_weights_are_positive_and_add_up_to_the_nation(dataset, weight, person_weight):
    assert dataset["household_weight"].dtype == np.float32
    assert len(weight) == 1000
    assert (weight > 0).all()
    assert weight.sum() == pytest.approx(HOUSEHOLDS, rel=1e-6)
    assert person_weight.sum() == pytest.approx(340.1e6, rel=0.05)


@pytest.mark.parametrize("count", [400, 1000])
def test_every_state_is_there_and_weighs_what_its_population_does(count):
    dataset = synthetic_households(count, 2024, 3)
    population = np.array(list(STATE_POPULATION.values()))
    for fips, share in zip(STATE_POPULATION, population / population.sum(), strict=True):
        there = dataset["state_fips"] == fips
        assert there.sum() >= 3
        total = dataset["household_weight"][there].astype(np.float64).sum()
        assert total / HOUSEHOLDS == pytest.approx(share, rel=1e-5)


def test_household_sizes_are_near_those_of_the_census(dataset, weight):
    size = np.bincount(dataset["person_household_id"])[1:]
    share = np.bincount(np.minimum(size, 5), weights=weight)[1:] / weight.sum()
    # Census, Current Population Survey 2024, table HH-4: 1, 2, 3, 4, 5 and more.
    assert share == pytest.approx([0.29, 0.35, 0.15, 0.12, 0.09], abs=0.03)


def test_age_groups_are_near_those_of_the_census(dataset, person_weight):
    shares = np.histogram(dataset["age"], bins=[0, 20, 40, 65, 200], weights=person_weight)[0]
    # ACS 2024 S0101: under 20, 20-39, 40-64, 65 and over.
    published = np.array([0.241, 0.270, 0.309, 0.180])
    assert shares / shares.sum() == pytest.approx(published, abs=0.03)


def test_incomes_add_up_to_plausible_totals(dataset, person_weight):
    # SOI 2023 and SSA 2024, dollars; a sample of 1,000 is allowed a quarter.
    published = {
        "employment_income": 10.2e12,
        "long_term_capital_gains": 1.1e12,
        "taxable_private_pension_income": 0.9e12,
        "social_security_retirement": 1.3e12,
    }
    for name, total in published.items():
        amount = float(dataset[name].astype(np.float64) @ person_weight)
        assert amount == pytest.approx(total, rel=0.25), name


def test_the_highest_incomes_are_oversampled_and_weigh_less(dataset, weight):
    income = household_income(dataset)
    rich = income > 500_000
    assert 0.15 < rich.mean() < 0.25
    assert 0.01 < weight[rich].sum() / weight.sum() < 0.04
    assert weight[income > 10e6].max() < weight[~rich].min()
    assert (income > 10e6).sum() >= 5
    assert (income < 0).sum() >= 5


def test_incomes_go_together_within_a_household(dataset):
    income = household_income(dataset)
    has_stocks = np.bincount(
        dataset["person_household_id"] - 1, weights=dataset["qualified_dividend_income"]
    )
    poor, comfortable = income < 40_000, (income > 100_000) & (income < 300_000)
    assert (has_stocks[comfortable] > 0).mean() > 2 * (has_stocks[poor] > 0).mean()
    renting = dataset["tenure_type"] == b"RENTED"
    assert renting[poor].mean() > 1.5 * renting[comfortable].mean()
    old = dataset["age"] >= 70
    assert (dataset["social_security_retirement"][old] > 0).mean() > 0.8
    assert (dataset["social_security_retirement"][dataset["age"] < 62] == 0).all()
    covered = dataset["has_medicaid_health_coverage_at_interview"]
    assert not (covered & dataset["has_esi"]).any()


def test_weeks_out_of_work_go_with_the_benefits_for_them(dataset):
    benefits, weeks = dataset["unemployment_compensation"], dataset["weeks_unemployed"]
    assert ((weeks > 0) == (benefits > 0)).all()
    assert np.unique(weeks).size > 10
    assert weeks.max() <= 26
    # Weeks are no money, and at most 500 dollars are paid for each.
    drawn = {"employment_income": np.array([10.0]), "weeks_unemployed": np.array([5.0])}
    assert money_income(drawn) == [10.0]
    assert (benefits <= 500 * (weeks + 0.5) + 1).all()


def test_only_tenants_pay_rent_and_only_owners_property_tax(dataset):
    renting = (dataset["tenure_type"] == b"RENTED")[dataset["person_household_id"] - 1]
    assert (dataset["pre_subsidy_rent"][~renting] == 0).all()
    assert (dataset["real_estate_taxes"][renting] == 0).all()
    spm_home = dataset["spm_unit_tenure_type"][dataset["person_spm_unit_id"] - 1]
    assert ((spm_home == b"RENTER") == renting).all()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(dataset):
    again = synthetic_households(1000, 2024, 0)
    assert list(again) == list(dataset)
    for name, array in dataset.items():
        assert array.dtype == again[name].dtype
        assert array.tobytes() == again[name].tobytes(), name
    other = synthetic_households(1000, 2024, 1)
    assert other["employment_income"].tobytes() != dataset["employment_income"].tobytes()


@pytest.mark.parametrize("count", [20, 57])
def test_small_samples_have_exactly_as_many_households_as_asked_for(count):
    dataset = synthetic_households(count, 2024, 0)
    assert len(dataset["household_id"]) == len(dataset["state_fips"]) == count
    total = dataset["household_weight"].astype(np.float64).sum()
    assert total == pytest.approx(HOUSEHOLDS, rel=1e-6)


def test_too_few_households_are_refused():
    with pytest.raises(InputError, match="at least 20"):
        synthetic_households(19, 2024, 0)
