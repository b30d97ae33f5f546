"""Who belongs to which unit, and everything besides incomes that the model asks for."""

import numpy as np

from localcal.microdata.synthetic.incomes import money_income
from localcal.microdata.synthetic.people import (
    CHILD,
    GROWN,
    HEAD,
    PARENT,
    PARTNER,
    ROOMMATE,
    SPOUSE,
    People,
)

# --- who belongs to which unit ----------------------------------------------------------------


def unit_links(people: People) -> dict[str, np.ndarray]:
    """Return ids and links. A unit is numbered after the first of its members.

    Tax unit: a couple and its dependents (under 19, or students under 24); a parent couple of
    its own; everybody else alone. SPM unit: all but unrelated adults. Family: relatives of the
    head. Marital unit: couples.
    """
    role, me = people.role, np.arange(len(people.role))
    head = np.flatnonzero(role == HEAD)[people.household]
    parents = np.flatnonzero(role == PARENT)
    _, first, nth = np.unique(people.household[parents], return_index=True, return_inverse=True)
    elder = me.copy()
    elder[parents] = parents[first[nth]]
    dependent = (role == CHILD) | ((role == GROWN) & ((people.age < 19) | people.student))
    unrelated = role == ROOMMATE
    couple = np.where(role == SPOUSE, head, elder)
    owners = {
        "household": head,
        "tax_unit": np.where(dependent, head, couple),
        "spm_unit": np.where(unrelated, me, head),
        "family": np.where(unrelated | (role == PARTNER), me, head),
        "marital_unit": couple,
    }
    dataset = {"person_id": (me + 1).astype(np.int32)}
    for entity, owner in owners.items():
        first, position = np.unique(owner, return_inverse=True)
        dataset[f"{entity}_id"] = np.arange(1, len(first) + 1, dtype=np.int32)
        dataset[f"person_{entity}_id"] = (position + 1).astype(np.int32)
    paired = couple != me
    dataset["tax_unit_role_input"] = np.select(
        [dependent, paired], [b"DEPENDENT", b"SPOUSE"], b"HEAD"
    ).astype("S9")
    return dataset


def _per_unit(values: np.ndarray, dataset: dict[str, np.ndarray], entity: str) -> np.ndarray:
    """Sum a person array over the units of `entity`, (units,) float64."""
    link = dataset[f"person_{entity}_id"] - 1
    return np.bincount(link, weights=values, minlength=len(dataset[f"{entity}_id"]))


# --- everything else the rules ask for --------------------------------------------------------


def demographics(
    rng: np.random.Generator, people: People, incomes: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    wages, size = incomes["employment_income"], len(people.age)
    works = (wages + incomes["self_employment_income"]) > 0
    hours = np.clip(12 + wages / 1_100 + 6 * rng.standard_normal(size), 6, 44)
    expecting = people.female & (people.age >= 18) & (people.age < 42)
    expecting &= rng.random(size) < 0.045
    blind = people.disabled & (rng.random(size) < 0.05)
    return {
        "age": people.age.astype(np.float32),
        "is_female": people.female,
        "is_disabled": people.disabled,
        "meets_ssi_disability_criteria": people.disabled & (wages < 18_000),
        "is_blind": blind,
        "is_pregnant": expecting,
        "is_full_time_college_student": people.student,
        "is_household_head": people.role == HEAD,
        "weekly_hours_worked": np.where(works, hours, 0).astype(np.float32),
    }


def housing(
    rng: np.random.Generator,
    people: People,
    incomes: dict[str, np.ndarray],
    dataset: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return tenure, and what it costs; rent is shared between unrelated adults."""
    income = np.maximum(_per_unit(money_income(incomes), dataset, "household"), 0)
    is_head = people.role == HEAD
    age, count = people.age[is_head], len(income)
    lift = 0.65 * np.log((income + 8_000) / 75_000) + 0.05 * (age - 47)
    owns = rng.random(count) < 1 / (1 + np.exp(-lift - 0.75))
    mortgage = owns & (rng.random(count) < np.interp(age, [30, 50, 65, 80], [0.95, 0.8, 0.5, 0.2]))
    value = 1.9e5 * np.clip((income + 3e4) / 9e4, 0.5, 40) ** 0.6
    value *= np.exp(0.4 * rng.standard_normal(count))
    rent = 12 * np.clip(1_330 * ((income + 2e4) / 7e4) ** 0.3, 500, 6_000)
    rent *= np.exp(0.25 * rng.standard_normal(count)) * ~owns
    roommate = people.role == ROOMMATE
    payers = _per_unit((is_head | roommate).astype(np.float64), dataset, "household")
    home = people.household
    tenure = np.select(
        [mortgage, owns], [b"OWNED_WITH_MORTGAGE", b"OWNED_OUTRIGHT"], b"RENTED"
    ).astype("S19")
    spm = np.select(
        [mortgage, owns], [b"OWNER_WITH_MORTGAGE", b"OWNER_WITHOUT_MORTGAGE"], b"RENTER"
    ).astype("S22")
    first = np.unique(dataset["person_spm_unit_id"], return_index=True)[1]
    return {
        "tenure_type": tenure,
        "spm_unit_tenure_type": spm[home[first]],
        "pre_subsidy_rent": ((rent / payers)[home] * (is_head | roommate)).astype(np.float32),
        "real_estate_taxes": ((0.0145 * value * owns)[home] * is_head).astype(np.float32),
        "home_mortgage_interest": ((0.026 * value * mortgage)[home] * is_head).astype(np.float32),
    }


def health(
    rng: np.random.Generator,
    people: People,
    incomes: dict[str, np.ndarray],
    dataset: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return who has which coverage, shared within a tax unit, and medical spending."""
    unit = dataset["person_tax_unit_id"] - 1
    units, size = len(dataset["tax_unit_id"]), len(people.age)
    income = _per_unit(money_income(incomes), dataset, "tax_unit")
    # About the federal poverty line of 2024.
    poverty = 9_680 + 5_380 * _per_unit(np.ones(size), dataset, "tax_unit")
    ratio = (income / poverty)[unit]
    wages = incomes["employment_income"]
    offered = rng.random(size) < np.interp(wages, [8e3, 2e4, 4e4, 8e4], [0.15, 0.45, 0.80, 0.93])
    covered = np.bincount(unit, weights=offered & (wages > 8e3), minlength=units) > 0
    luck = rng.random(units)[unit]
    young = people.age < 19
    head = np.flatnonzero(people.role == HEAD)[people.household]
    on_parents = (people.role == GROWN) & (people.age < 26) & covered[unit[head]]
    employer = (covered[unit] | on_parents) & (people.age < 65)
    poor = ratio < np.where(young, 2.1, 1.38)
    medicaid = poor & ~employer & (luck < 0.6)
    market = ~poor & ~employer & (people.age < 65) & (luck < np.interp(ratio, [4, 8], [0.35, 0.6]))
    premium = np.where(employer, 1_900, np.where(market, 2_400, 0)) * (people.age >= 19)
    premium = premium + np.where(people.age >= 65, 900, 0)
    spending = np.exp(5.6 + 0.022 * people.age + 1.1 * rng.standard_normal(size))
    spending *= np.where(medicaid, 0.2, 1.0)
    return {
        "has_esi": employer,
        "has_medicaid_health_coverage_at_interview": medicaid,
        "has_marketplace_health_coverage_at_interview": market,
        "health_insurance_premiums_without_medicare_part_b": premium.astype(np.float32),
        "other_medical_expenses": np.minimum(spending, 60_000).astype(np.float32),
        "over_the_counter_health_expenses": (0.1 * np.minimum(spending, 6_000)).astype(np.float32),
    }


def savings_and_giving(
    rng: np.random.Generator,
    people: People,
    incomes: dict[str, np.ndarray],
    dataset: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    size, adult = len(people.age), people.age >= 18
    income = np.maximum(money_income(incomes), 0)
    saver = people.skill + 0.028 * (people.age - 45)
    bank = np.exp(7.4 + 0.9 * saver + 1.2 * rng.standard_normal(size))
    bank = np.maximum(bank, 25 * incomes["taxable_interest_income"]) * adult
    gives = adult & (rng.random(size) < np.interp(income, [2e4, 1e5, 5e5], [0.08, 0.3, 0.75]))
    gift = income * np.minimum(np.exp(-3.9 + 0.9 * rng.standard_normal(size)), 0.4)
    small = _per_unit((people.age < 13).astype(np.float64), dataset, "spm_unit")
    earned = _per_unit(incomes["employment_income"], dataset, "spm_unit")
    pays = (earned > 15_000) & (rng.random(len(small)) < 0.35)
    care = small * np.minimum(0.09 * earned, 9_000) * pays
    return {
        "bank_account_assets": bank.astype(np.float32),
        "stock_assets": (45 * incomes["qualified_dividend_income"]).astype(np.float32),
        "charitable_cash_donations": (gift * gives).astype(np.float32),
        "spm_unit_pre_subsidy_childcare_expenses": care.astype(np.float32),
    }
