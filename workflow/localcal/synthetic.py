"""A made-up population with plausible joint distributions, for trying things without survey data.

A pool of candidate households is drawn from a small model of American living arrangements,
earnings, wealth and retirement. The sample is taken from the pool by income, the highest far
more densely than the bulk, with weights that undo it.
"""

from typing import NamedTuple

import numpy as np

from localcal.errors import InputError

# Census ACS 2024 1-year S2201: households of the 50 states and DC.
HOUSEHOLDS = 132_737_146

# Census ACS 2024 1-year S0101: persons in thousands, by state FIPS code.
STATE_POPULATION = {
    # fmt: off
    1: 5158,
    2: 740,
    4: 7583,
    5: 3088,
    6: 39431,
    8: 5957,
    9: 3675,
    10: 1052,
    11: 702,
    12: 23372,
    13: 11181,
    15: 1446,
    16: 2002,
    17: 12710,
    18: 6924,
    19: 3241,
    20: 2971,
    21: 4588,
    22: 4598,
    23: 1405,
    24: 6263,
    25: 7136,
    26: 10140,
    27: 5793,
    28: 2943,
    29: 6245,
    30: 1137,
    31: 2005,
    32: 3268,
    33: 1409,
    34: 9501,
    35: 2130,
    36: 19867,
    37: 11046,
    38: 797,
    39: 11883,
    40: 4095,
    41: 4272,
    42: 13079,
    44: 1112,
    45: 5479,
    46: 925,
    47: 7228,
    48: 31291,
    49: 3504,
    50: 648,
    51: 8811,
    53: 7958,
    54: 1770,
    55: 5961,
    56: 588,
    # fmt: on
}

MINIMUM_HOUSEHOLDS = 20
# From this many households on every state is present and weighs what its population does.
STATE_MINIMUM_FROM = 400
STATE_MINIMUM = 3

# Strata by money income, lowest first: share of the pool, share of the sample.
STRATA = ((0.97, 0.80), (0.02, 0.06), (0.007, 0.05), (0.0025, 0.05), (0.0005, 0.04))
# The top stratum must have more candidates than the sample takes from it.
POOL_MINIMUM = 200_000
POOL_PER_HOUSEHOLD = 100
INCOME_CELLS = 40

_STREAM = 11

HEAD, SPOUSE, PARTNER, CHILD, GROWN, PARENT, ROOMMATE = range(7)


class Arrangement(NamedTuple):
    """One way of living together; `share` of households, the rest per household of this kind."""

    share: float
    head_age: tuple[float, float, int, int]  # mean, standard deviation, lowest, highest
    female_head: float = 0.5
    spouse: float = 0.0
    partner: float = 0.0
    children: tuple[float, ...] = (1.0,)  # probability of 0, 1, 2, ... persons under 18
    grown: tuple[float, ...] = (1.0,)
    parents: tuple[float, ...] = (1.0,)
    roommates: tuple[float, ...] = (1.0,)


ARRANGEMENTS = (
    # living alone: of working age, and old
    Arrangement(0.165, (49, 16, 19, 64)),
    Arrangement(0.120, (75, 9.5, 65, 98), female_head=0.65),
    # couples without children: of working age, and old
    Arrangement(0.122, (57, 10, 22, 64), spouse=1.0),
    Arrangement(0.118, (71, 7, 65, 95), spouse=1.0),
    # couples with children
    Arrangement(
        0.153,
        (39.5, 9, 20, 62),
        spouse=1.0,
        children=(0.0, 0.36, 0.40, 0.17, 0.05, 0.02),
        grown=(0.71, 0.21, 0.08),
    ),
    # one parent with children
    Arrangement(
        0.065,
        (37, 9, 19, 60),
        female_head=0.8,
        children=(0.0, 0.48, 0.33, 0.14, 0.05),
        grown=(0.72, 0.21, 0.07),
    ),
    # three generations
    Arrangement(
        0.035,
        (40, 8, 22, 58),
        female_head=0.6,
        spouse=0.6,
        children=(0.0, 0.45, 0.35, 0.15, 0.05),
        parents=(0.0, 0.75, 0.25),
    ),
    # parents with grown children only
    Arrangement(0.110, (58, 8, 40, 82), spouse=0.70, grown=(0.0, 0.48, 0.36, 0.16)),
    # unmarried couples
    Arrangement(0.055, (37, 13, 19, 75), partner=1.0, children=(0.68, 0.18, 0.10, 0.04)),
    # unrelated adults
    Arrangement(0.057, (28, 8, 18, 70), roommates=(0.0, 0.56, 0.26, 0.18)),
)


class People(NamedTuple):
    """Persons in household order; every field has one entry per person."""

    household: np.ndarray  # int64, position of the household, ascending
    role: np.ndarray
    age: np.ndarray
    female: np.ndarray
    skill: np.ndarray  # standard normal: what lifts earnings, saving and coverage together
    disabled: np.ndarray
    student: np.ndarray

    def subset(self, chosen: np.ndarray) -> "People":
        """Return the persons at the positions `chosen`."""
        return People(*(field[chosen] for field in self))


def synthetic_households(n_households: int, period: int, seed: int) -> dict[str, np.ndarray]:
    """Return a dataset {variable: array} of exactly `n_households` made-up households.

    Args:
        n_households: at least MINIMUM_HOUSEHOLDS.
        period: the year; weights and dollars are those of 2024 whatever it says, so that it only
            enters the draws.
        seed: the same arguments give the same bytes.

    Returns:
        Arrays at the length of their entity: ids (int32), household_weight (float32), dollars
        a year (float32), ages, truth values, and enum members as byte strings.

    Raises:
        InputError: too few households to cover the strata.
    """
    if n_households < MINIMUM_HOUSEHOLDS:
        raise InputError(
            f"population.households: {n_households} synthetic households are too few; "
            f"ask for at least {MINIMUM_HOUSEHOLDS}"
        )
    rng = np.random.default_rng(np.random.SeedSequence([seed, _STREAM, period]))
    pool_size = max(POOL_MINIMUM, POOL_PER_HOUSEHOLD * n_households)
    people = _draw_people(rng, pool_size)
    incomes = _draw_incomes(rng, people, pool_size)
    chosen, stratum = _choose_households(rng, people, incomes, pool_size, n_households)
    state, weight = _states_and_weights(rng, stratum)
    chosen, state, weight = _shuffle(rng, chosen, state, weight)
    people, incomes = _keep_households(people, incomes, chosen, pool_size)
    dataset = _entities(people)
    dataset["household_weight"] = weight.astype(np.float32)
    dataset["state_fips"] = state.astype(np.int32)
    dataset |= {name: array.astype(np.float32) for name, array in incomes.items()}
    dataset |= _demographics(rng, people, incomes)
    dataset |= _housing(rng, people, incomes, dataset)
    dataset |= _health(rng, people, incomes, dataset)
    dataset |= _savings_and_giving(rng, people, incomes, dataset)
    return dataset


def _shuffle(rng: np.random.Generator, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    order = rng.permutation(len(arrays[0]))
    return tuple(array[order] for array in arrays)


# --- who lives together -----------------------------------------------------------------------


def _draw_people(rng: np.random.Generator, count: int) -> People:
    """Draw the members of `count` households."""
    kind = rng.choice(len(ARRANGEMENTS), size=count, p=[kind.share for kind in ARRANGEMENTS])
    members = _draw_members(rng, kind)
    role = np.repeat(np.tile(np.arange(members.shape[1]), count), members.ravel())
    household = np.repeat(np.arange(count), members.sum(axis=1))
    female = _draw_sex(rng, kind, household, role)
    age = _draw_ages(rng, kind, household, role)
    common = rng.standard_normal(count)[household]
    skill = 0.55 * common + np.sqrt(1 - 0.55**2) * rng.standard_normal(len(role))
    frail = np.interp(age, [0, 17, 20, 40, 55, 64, 70, 95], [3, 5, 5, 7, 13, 18, 20, 50]) / 100
    disabled = rng.random(len(role)) < np.clip(frail * np.exp(-0.4 * skill - 0.08), 0, 0.9)
    studying = np.where(role == GROWN, 0.5, 0.2)
    student = (age >= 18) & (age < 24) & (rng.random(len(role)) < studying)
    return People(household, role, age, female, skill, disabled, student)


def _draw_members(rng: np.random.Generator, kind: np.ndarray) -> np.ndarray:
    """Return how many persons of each role (columns) every household (rows) has."""
    members = np.zeros((len(kind), ROOMMATE + 1), dtype=np.int64)
    members[:, HEAD] = 1
    for index, arrangement in enumerate(ARRANGEMENTS):
        rows = np.flatnonzero(kind == index)
        chances = {
            SPOUSE: (1 - arrangement.spouse, arrangement.spouse),
            PARTNER: (1 - arrangement.partner, arrangement.partner),
            CHILD: arrangement.children,
            GROWN: arrangement.grown,
            PARENT: arrangement.parents,
            ROOMMATE: arrangement.roommates,
        }
        for role, chance in chances.items():
            members[rows, role] = rng.choice(len(chance), size=len(rows), p=chance)
    return members


def _draw_sex(
    rng: np.random.Generator, kind: np.ndarray, household: np.ndarray, role: np.ndarray
) -> np.ndarray:
    chance = np.array([arrangement.female_head for arrangement in ARRANGEMENTS])
    head = rng.random(len(kind)) < chance[kind]
    female = rng.random(len(role)) < np.where(role == PARENT, 0.62, 0.49)
    same_sex = rng.random(len(role)) < 0.015
    female = np.where(role == HEAD, head[household], female)
    paired = (role == SPOUSE) | (role == PARTNER)
    return np.where(paired, head[household] == same_sex, female)


def _draw_ages(
    rng: np.random.Generator, kind: np.ndarray, household: np.ndarray, role: np.ndarray
) -> np.ndarray:
    """Return whole years, int64; relatives follow the age of the household's head."""
    bounds = np.array([arrangement.head_age for arrangement in ARRANGEMENTS])[kind]
    mean, deviation, low, high = bounds.T
    drawn = rng.normal(mean, deviation)
    # A draw beyond the bounds is spread over them: piled up on a bound it would be a spike.
    outside = (drawn < low) | (drawn > high)
    drawn = np.where(outside, low + (high - low) * rng.random(len(kind)), drawn)
    head = drawn[household]
    normal, uniform = rng.standard_normal(len(role)), rng.random(len(role))
    age = np.select(
        [role == HEAD, role == SPOUSE, role == PARTNER, role == CHILD, role == GROWN],
        [
            head,
            np.clip(head - 0.5 + 3.5 * normal, 18, 97),
            np.clip(head - 0.5 + 5 * normal, 18, 97),
            np.minimum(18, head - 17) * uniform**0.86,
            18 + np.clip(head - 17 - 18, 0, 22) * uniform**1.15,
        ],
        np.where(
            role == PARENT,
            np.clip(head + 27 + 4 * normal, 45, 97),
            np.clip(head + 5 * normal, 18, 80),
        ),
    )
    return np.floor(age).astype(np.int64)


# --- what they earn ---------------------------------------------------------------------------


def _draw_incomes(rng: np.random.Generator, people: People, count: int) -> dict[str, np.ndarray]:
    """Return dollars a year per person, by the model's variable."""
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
        people.household[couple], weights=_money_income(incomes)[couple], minlength=count
    )
    heads = np.flatnonzero(people.role == HEAD)
    losing = (income > 35_000) & (income < 250_000) & (rng.random(count) < 0.022)
    quantile = (rng.permutation(losing.sum()) + 0.5) / losing.sum()
    excess = np.minimum(25_000 * quantile ** (-1 / 1.3), 3e6)
    incomes["self_employment_income"][heads[losing]] -= income[losing] + excess


# --- which households are taken ---------------------------------------------------------------


def _money_income(incomes: dict[str, np.ndarray]) -> np.ndarray:
    return np.sum(list(incomes.values()), axis=0)


def _choose_households(
    rng: np.random.Generator,
    people: People,
    incomes: dict[str, np.ndarray],
    pool_size: int,
    count: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the chosen households' positions in the pool and their strata, both (count,).

    Within a stratum the pool is put in order of income cell, number of members and age of the
    head, and taken at equal steps, so that a small sample keeps those distributions.
    """
    income = np.bincount(people.household, weights=_money_income(incomes), minlength=pool_size)
    members = np.bincount(people.household, minlength=pool_size)
    head_age = people.age[people.role == HEAD]
    ascending = np.argsort(income, kind="stable")
    sizes = _apportion(pool_size, [pool for pool, _ in STRATA], minimum=1)
    takes = _apportion(count, [sample for _, sample in STRATA], minimum=1)
    chosen = []
    for candidates, take in zip(np.split(ascending, np.cumsum(sizes)[:-1]), takes, strict=True):
        cell = np.arange(len(candidates)) * INCOME_CELLS // len(candidates)
        order = np.lexsort((head_age[candidates], members[candidates], cell))
        step = len(candidates) / take
        picks = np.floor((np.arange(take) + rng.random()) * step).astype(np.int64)
        chosen.append(candidates[order][picks])
    return np.concatenate(chosen), np.repeat(np.arange(len(STRATA)), takes)


def _apportion(total: int, shares: list[float], minimum: int) -> np.ndarray:
    """Split `total` by `shares` into whole numbers of at least `minimum`, largest remainder."""
    shares = np.asarray(shares, dtype=np.float64)
    ideal = (total - minimum * len(shares)) * shares / shares.sum()
    parts = np.floor(ideal).astype(np.int64)
    short = total - minimum * len(shares) - parts.sum()
    parts[np.argsort(parts - ideal, kind="stable")[:short]] += 1
    return parts + minimum


def _states_and_weights(
    rng: np.random.Generator, stratum: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return FIPS codes and weights, both one per household, in the order of `stratum`.

    A household of the tail weighs its stratum's share over its stratum's sample. The bulk of a
    state shares what its population leaves after the tail.
    """
    population = np.array(list(STATE_POPULATION.values()), dtype=np.float64)
    share = population / population.sum()
    takes = np.bincount(stratum, minlength=len(STRATA))
    weight = (HOUSEHOLDS * np.array([pool for pool, _ in STRATA]) / takes)[stratum]
    bulk = stratum == 0
    corrected = len(stratum) >= STATE_MINIMUM_FROM
    state = np.empty(len(stratum), dtype=np.int64)
    state[bulk] = _spread(rng, _apportion(takes[0], share, STATE_MINIMUM if corrected else 0))
    state[~bulk] = _spread(rng, _apportion(int((~bulk).sum()), share, 0))
    if corrected:
        tail = np.bincount(state[~bulk], weights=weight[~bulk], minlength=len(share))
        left = (HOUSEHOLDS * share - tail) / np.bincount(state[bulk], minlength=len(share))
        weight = np.where(bulk, left[state], weight)
    return np.array(list(STATE_POPULATION))[state], weight


def _spread(rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
    """Return each index `counts` times, every index at even distances along the sequence."""
    index = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
    position = (nth + rng.random(len(counts))[index]) / counts[index]
    return index[np.argsort(position, kind="stable")]


def _keep_households(
    people: People, incomes: dict[str, np.ndarray], chosen: np.ndarray, pool_size: int
) -> tuple[People, dict[str, np.ndarray]]:
    """Return the members of the chosen households, in the order of `chosen`."""
    place = np.full(pool_size, -1)
    place[chosen] = np.arange(len(chosen))
    kept = np.flatnonzero(place[people.household] >= 0)
    kept = kept[np.argsort(place[people.household[kept]], kind="stable")]
    people = people.subset(kept)
    people = people._replace(household=place[people.household])
    return people, {name: array[kept] for name, array in incomes.items()}


# --- who belongs to which unit ----------------------------------------------------------------


def _entities(people: People) -> dict[str, np.ndarray]:
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


def _demographics(
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


def _housing(
    rng: np.random.Generator,
    people: People,
    incomes: dict[str, np.ndarray],
    dataset: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return tenure, and what it costs; rent is shared between unrelated adults."""
    income = np.maximum(_per_unit(_money_income(incomes), dataset, "household"), 0)
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


def _health(
    rng: np.random.Generator,
    people: People,
    incomes: dict[str, np.ndarray],
    dataset: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return who has which coverage, shared within a tax unit, and medical spending."""
    unit = dataset["person_tax_unit_id"] - 1
    units, size = len(dataset["tax_unit_id"]), len(people.age)
    income = _per_unit(_money_income(incomes), dataset, "tax_unit")
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


def _savings_and_giving(
    rng: np.random.Generator,
    people: People,
    incomes: dict[str, np.ndarray],
    dataset: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    size, adult = len(people.age), people.age >= 18
    income = np.maximum(_money_income(incomes), 0)
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
