"""What people take in, in dollars a year."""

import numpy as np

from localcal.microdata.synthetic.people import HEAD, SPOUSE, People

# Besides incomes people are given this; it is drawn with the benefits of the unemployed.
WEEKS = "weeks_unemployed"

# --- what they earn ---------------------------------------------------------------------------


def draw_incomes(rng: np.random.Generator, people: People, count: int) -> dict[str, np.ndarray]:
    """Return dollars a year per person, by the model's variable, and weeks out of work."""
    wages, self_employment = _draw_earnings(rng, people)
    incomes = {
        "employment_income": wages,
        "self_employment_income": self_employment,
        **_draw_capital(rng, people),
        **_draw_retirement(rng, people, wages),
    }
    _draw_unemployment(rng, people, incomes)
    _draw_top(rng, people, incomes, count)
    _draw_losses(rng, people, incomes, count)
    return incomes


def _draw_earnings(rng: np.random.Generator, people: People) -> tuple[np.ndarray, np.ndarray]:
    age, skill = people.age, people.skill
    ages = [0, 15, 16, 18, 20, 25, 35, 54, 60, 64, 67, 72, 80, 99]
    chance = np.interp(age, ages, [0, 0, 20, 45, 74, 88, 91, 87, 74, 58, 33, 18, 5, 0]) / 100
    odds = chance / (1 - chance) * np.exp(0.42 * skill) * np.where(people.disabled, 0.18, 1.0)
    odds *= np.where(people.female & (age >= 20), 0.62, 1.0)
    works = rng.random(len(age)) < odds / (1 + odds)
    profile = np.interp(age, [16, 20, 25, 35, 50, 60, 70], [-1.9, -1.0, -0.42, 0, 0.14, 0.05, -0.8])
    log_wage = 10.94 + profile + 0.57 * skill + 0.28 * rng.standard_normal(len(age))
    wages = np.exp(log_wage - 0.14 * people.female)
    part = rng.random(len(age)) < np.interp(age, [20, 26, 60, 66], [0.5, 0.12, 0.12, 0.5])
    part |= people.student
    wages *= np.where(part, 0.1 + 0.7 * rng.random(len(age)), 1.0)
    own = rng.random(len(age)) < 0.09
    business = np.exp(9.5 + 0.5 * skill + 1.1 * rng.standard_normal(len(age)))
    only = rng.random(len(age)) < 0.5
    return wages * (works & ~(own & only)), business * (works & own)


def _draw_capital(rng: np.random.Generator, people: People) -> dict[str, np.ndarray]:
    """Return the small capital incomes of the many; those of the few come from _draw_top."""
    grown_up = (people.age >= 18) & ~people.student
    saver = people.skill + 0.028 * (people.age - 45)
    # variable: saver score from which it occurs, centre and spread of the log
    kinds = {
        "taxable_interest_income": (0.0, 5.2, 1.6),
        "qualified_dividend_income": (0.9, 6.3, 1.4),
        "long_term_capital_gains": (1.1, 7.4, 1.5),
    }
    incomes = {}
    for name, (threshold, centre, spread) in kinds.items():
        has = grown_up & (saver + 0.8 * rng.standard_normal(len(saver)) > threshold)
        amount = np.exp(centre + 0.35 * saver + spread * rng.standard_normal(len(saver)))
        incomes[name] = np.minimum(amount, 150_000) * has
    incomes["s_corp_income"] = np.zeros(len(saver))
    return incomes


def _draw_retirement(
    rng: np.random.Generator, people: People, wages: np.ndarray
) -> dict[str, np.ndarray]:
    age, skill = people.age, people.skill
    size = len(age)
    claims = rng.random(size) < np.interp(age, [61, 62, 65, 67, 70], [0, 0.25, 0.55, 0.8, 0.93])
    benefit = np.clip(25_500 * (1 + 0.22 * skill) + 3_000 * rng.standard_normal(size), 7_000, 48e3)
    injured = (age >= 25) & (age < 66) & people.disabled & (wages < 12_000) & ~claims
    injured &= rng.random(size) < 0.6
    widowed = (age >= 60) & people.female & ~claims & (rng.random(size) < 0.12)
    dependents = (age < 18) & (rng.random(size) < 0.03)
    retired = np.interp(age, [54, 58, 63, 68, 99], [0, 0.08, 0.3, 0.5, 0.5])
    pension = np.exp(9.85 + 0.5 * skill + 0.75 * rng.standard_normal(size))
    saved = np.interp(age, [59, 62, 72, 74, 99], [0, 0.1, 0.2, 0.42, 0.42])
    drawn = np.exp(9.25 + 0.5 * skill + 1.0 * rng.standard_normal(size))
    return {
        "social_security_retirement": benefit * claims,
        "social_security_disability": np.clip(benefit * 0.8, 6_000, 40e3) * injured,
        "social_security_survivors": benefit * 0.8 * widowed,
        "social_security_dependents": benefit * 0.4 * dependents,
        "taxable_private_pension_income": pension * (rng.random(size) < retired * _odds(skill)),
        "taxable_ira_distributions": drawn * (rng.random(size) < saved * _odds(skill)),
    }


def _odds(skill: np.ndarray) -> np.ndarray:
    return np.clip(1 + 0.35 * skill, 0.1, 1.8)


def _draw_unemployment(
    rng: np.random.Generator, people: People, incomes: dict[str, np.ndarray]
) -> None:
    wages = incomes["employment_income"]
    hit = (wages > 5_000) & (rng.random(len(wages)) < 0.05 * np.exp(-0.2 * people.skill))
    weeks = 2 + 24 * rng.random(len(wages))
    # Half of past wages up to a cap, for the weeks out of work.
    incomes["unemployment_compensation"] = np.minimum(wages / 104, 500) * weeks * hit
    incomes[WEEKS] = np.round(weeks) * hit
    wages *= np.where(hit, 1 - weeks / 52, 1.0)


def _draw_top(
    rng: np.random.Generator, people: People, incomes: dict[str, np.ndarray], count: int
) -> None:
    """Give some 3 % of households a Pareto income whose sources shift from work to capital."""
    heads = np.flatnonzero(people.role == HEAD)
    age = people.age[heads]
    chance = np.exp(1.1 * people.skill[heads] - 0.6)
    chance *= np.interp(age, [20, 30, 45, 65, 80, 95], [0.02, 0.4, 1, 1, 0.5, 0.3])
    top = heads[rng.random(count) < np.minimum(0.038 * chance / chance.mean(), 1)]
    # One quantile each instead of free draws: the sum of a heavy tail would hang on one draw.
    quantile = (rng.permutation(len(top)) + 0.5) / len(top)
    total = np.minimum(260_000 * quantile ** (-1 / 1.4), 250e6)
    noise = np.exp(0.25 * rng.standard_normal(len(top)))
    worked = np.clip(0.80 - 0.36 * np.log10(total / 260_000), 0.08, 1) * np.minimum(noise, 1.2)
    worked *= np.interp(people.age[top], [62, 75], [1, 0.25])
    sources = {
        "long_term_capital_gains": 0.32,
        "s_corp_income": 0.43,
        "qualified_dividend_income": 0.09,
        "taxable_interest_income": 0.08,
        "self_employment_income": 0.08,
    }
    mixture = np.array(list(sources.values()))[:, None]
    mixture = mixture * np.exp(0.7 * rng.standard_normal((len(sources), len(top))))
    mixture /= mixture.sum(axis=0)
    worked = np.minimum(worked, 0.97)
    incomes["employment_income"][top] = total * worked
    for name, part in zip(sources, mixture, strict=True):
        incomes[name][top] = total * (1 - worked) * part


def _draw_losses(
    rng: np.random.Generator, people: People, incomes: dict[str, np.ndarray], count: int
) -> None:
    """Let some 1.5 % of households lose more in a business than they take in.

    They have incomes besides, as those who must file a return do.
    """
    couple = people.role <= SPOUSE
    income = np.bincount(
        people.household[couple], weights=money_income(incomes)[couple], minlength=count
    )
    heads = np.flatnonzero(people.role == HEAD)
    losing = (income > 35_000) & (income < 250_000) & (rng.random(count) < 0.022)
    quantile = (rng.permutation(losing.sum()) + 0.5) / losing.sum()
    excess = np.minimum(25_000 * quantile ** (-1 / 1.3), 3e6)
    incomes["self_employment_income"][heads[losing]] -= income[losing] + excess


# --- which households are taken ---------------------------------------------------------------


def money_income(incomes: dict[str, np.ndarray]) -> np.ndarray:
    """Return what each person takes in over the year, in dollars."""
    return np.sum([dollars for name, dollars in incomes.items() if name != WEEKS], axis=0)
