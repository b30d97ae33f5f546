"""Households that reach rare rules; the same in another order, under other ids, in parts."""

from dataclasses import replace

import numpy as np

from localcal.geography.codes import STATES
from localcal.microdata.check import check_dataset
from localcal.microdata.synthetic.households import synthetic_households
from localcal.population.population import (
    ENTITIES,
    NO_REFERENCE,
    REFERENCES,
    clone_households,
    take_units,
)


def unusual_households(count, period, variables, seed=5):
    """Return the largest of 400 households and the poorest adults who live alone, in all states.

    Many are out of work, disabled, blind or pregnant; children of every other household name their
    parents, and some are claimed by another tax unit than their own.
    """
    pool = check_dataset("synthetic", synthetic_households(400, period, seed), period, variables)
    size, first = np.diff(pool.starts["person"]), pool.starts["person"][:-1]
    largest = np.argsort(-size, kind="stable")[: count // 2]
    age, wages = pool.values["age"][first], pool.values["employment_income"][first]
    alone = np.flatnonzero((size == 1) & (age >= 20) & (age < 50))
    poorest = alone[np.argsort(wages[alone], kind="stable")][: count - count // 2]
    chosen = np.sort(np.concatenate([largest, poorest]))
    people = clone_households(pool, chosen, dict.fromkeys(ENTITIES, 1))
    random = np.random.default_rng(1)
    persons = people.count("person")
    idle = (random.random(persons) < 0.3) | (size[chosen] == 1)[people.household_of["person"]]
    idle &= people.values["age"] >= 18
    benefits = np.where(idle, 5_000, people.values["unemployment_compensation"])
    weeks = np.where(benefits > 0, random.integers(3, 40, persons), 0)
    people = people.with_values(
        "person",
        {
            "unemployment_compensation": benefits.astype(np.float32),
            "weeks_unemployed": weeks.astype(np.float32),
            "is_disabled": random.random(persons) < 0.3,
            "is_blind": random.random(persons) < 0.05,
            "is_pregnant": random.random(persons) < 0.1,
        },
    )
    state = np.resize(np.array(STATES, dtype=np.int32), count)
    # The first county of the state, or what is called so today.
    county = [{2: "02020", 9: "09110"}.get(code, f"{code:02}001") for code in state.tolist()]
    places = {"state_fips": state, "county_fips": np.array(county, dtype="S5")}
    people = people.with_values("household", places)
    return replace(people, references=_references(people))


def _references(people):
    age, starts = people.values["age"], people.starts
    found = {name: np.full(age.size, NO_REFERENCE) for name in REFERENCES}
    for household in range(people.count("household")):
        members = np.arange(starts["person"][household], starts["person"][household + 1])
        adults, children = members[age[members] >= 25], members[age[members] < 18]
        if household % 2 == 0:
            for slot, parent in zip(("parent_1_id", "parent_2_id"), adults, strict=False):
                found[slot][children] = parent
        if household % 3 == 0:
            last_unit = starts["tax_unit"][household + 1] - 1
            found["medicaid_claiming_tax_unit_id"][children[:1]] = last_unit
    return found


def some_of(people, households, ids=None):
    """Return some households in any order, and where each of their units was before.

    Args:
        people: all of them.
        households: their positions.
        ids: entity to the ids of all units if they get others.
    """
    rank = np.full(people.count("household"), -1)
    rank[households] = np.arange(households.size)
    rows = {}
    for entity in ENTITIES:
        of_unit = rank[people.household_of[entity]]
        order = np.argsort(of_unit, kind="stable")
        rows[entity] = order[of_unit[order] >= 0]
    chosen = take_units(replace(people, ids=ids or people.ids), rows)
    return chosen, rows


def other_ids(people, seed):
    """Return other ids for everybody, ascending within each household as before."""
    random = np.random.default_rng(seed)
    result = {}
    for entity in ENTITIES:
        new = random.choice(np.arange(1, 10**6), people.count(entity), replace=False)
        result[entity] = new[np.lexsort((new, people.household_of[entity]))]
    return result
