"""Households as arrays."""

from dataclasses import replace

import numpy as np
import pytest

from localcal.population.dataset import assemble, id_columns
from localcal.population.population import (
    ENTITIES,
    GROUPS,
    PERSON,
    beside_a_copy,
    clone_households,
)
from tests.households import ENTITY, random_dataset, random_population


def test_a_clone_is_its_household_with_new_ids():
    population = random_population(10, seed=4)
    households = np.array([3, 3, 0, 9])
    clones = clone_households(population, households, dict.fromkeys(ENTITIES, 100))
    base = population.values["employment_income"]
    expected = [base[population.membership["household"] == h] for h in households]
    assert np.array_equal(clones.values["employment_income"], np.concatenate(expected))
    for entity in ENTITIES:
        ids = clones.ids[entity]
        assert ids[0] == 100
        assert np.array_equal(ids, np.arange(100, 100 + ids.size))
    for group in GROUPS:
        sizes = np.bincount(population.membership[group])
        units = np.concatenate(
            [sizes[population.household_of[group] == household] for household in households]
        )
        assert np.array_equal(np.bincount(clones.membership[group]), units)


def test_references_follow_their_persons():
    data = random_dataset(12, seed=5, shuffle=True)
    parent = np.zeros(data["person_id"].size, dtype=np.int32)
    for household in np.unique(data["person_household_id"]):
        members = np.flatnonzero(data["person_household_id"] == household)
        parent[members[1:]] = data["person_id"][members[0]]
    data["parent_1_id"] = parent
    population = assemble("test", data, 2024, ENTITY)
    clones = clone_households(population, np.array([7, 7, 2]), dict.fromkeys(ENTITIES, 1))
    columns = id_columns(clones)
    age = dict(zip(columns["person_id"], clones.values["age"], strict=True))
    original_age = dict(zip(data["person_id"], data["age"], strict=True))
    for number, household in enumerate((7, 7, 2)):
        own = clones.membership["household"] == number
        members = data["person_household_id"] == population.ids["household"][household]
        ours = sorted(age[p] for p in columns["parent_1_id"][own] if p)
        theirs = sorted(original_age[p] for p in data["parent_1_id"][members] if p)
        assert ours == theirs
        named = set(columns["parent_1_id"][own]) - {0}
        assert named <= set(columns["person_id"][own])


@pytest.mark.parametrize(
    ("variable", "entity", "value"),
    [
        ("parent_1_id", "person", "employment_income"),
        ("parent_2_id", "person", "employment_income"),
        ("medicaid_claiming_tax_unit_id", "tax_unit", "charitable_deduction"),
    ],
)
def test_whoever_points_to_a_unit_points_to_its_clone_in_the_clone(variable, entity, value):
    """An id that is copied like a number leads into somebody else's household."""
    data = random_dataset(12, seed=8, shuffle=True)
    pointing = np.zeros(data["person_id"].size, dtype=np.int32)
    links = data["person_id"] if entity == "person" else data[f"person_{entity}_id"]
    for household in np.unique(data["person_household_id"]):
        members = np.flatnonzero(data["person_household_id"] == household)
        pointing[members[1:]] = links[members[0]]
    population = assemble("test", data | {variable: pointing}, 2024, ENTITY)
    # Ids far from the old ones, and households that come in another order.
    households = np.array([9, 2, 9, 5])
    clones = clone_households(population, households, dict.fromkeys(ENTITIES, 50_000))
    columns = id_columns(clones)
    of_unit = dict(zip(columns[f"{entity}_id"], clones.values[value], strict=True))
    of_original = dict(zip(data[f"{entity}_id"], data[value], strict=True))
    for number, household in enumerate(households):
        own = clones.membership["household"] == number
        theirs = data["person_household_id"] == population.ids["household"][household]
        found = sorted(of_unit[unit] for unit in columns[variable][own] if unit)
        assert found == sorted(of_original[unit] for unit in pointing[theirs] if unit)
        assert np.count_nonzero(columns[variable][own] == 0) == 1
        inside = clones.household_of[entity] == number
        assert set(columns[variable][own]) - {0} <= set(columns[f"{entity}_id"][inside])


def test_every_household_begins_where_the_one_before_ends():
    population = random_population(9, seed=10)
    for entity in ENTITIES:
        starts = population.starts[entity]
        assert starts.shape == (10,) and starts[0] == 0
        assert starts[-1] == population.count(entity)
        sizes = np.bincount(population.household_of[entity], minlength=9)
        assert np.diff(starts).tolist() == sizes.tolist() and sizes.min() >= 1


def test_beside_its_copy_a_population_keeps_its_ids_and_weights():
    population = random_population(10, seed=4)
    both = beside_a_copy(population)
    for entity, ids in population.ids.items():
        own, copies = np.split(both.ids[entity], 2)
        assert np.array_equal(own, ids)
        assert np.unique(both.ids[entity]).size == 2 * ids.size and copies.min() > 0
    for name, values in population.values.items():
        own, copies = np.split(both.values[name], 2)
        assert np.array_equal(own, values)
        assert np.array_equal(copies, np.zeros_like(own) if name == "household_weight" else own)
    assert (both.membership["tax_unit"][-1] == both.count("tax_unit") - 1).all()


def test_ids_of_copies_stay_among_those_that_the_model_has():
    population = random_population(10, seed=4)
    largest = np.iinfo(np.int32).max
    ids = {entity: own - own.max() + largest for entity, own in population.ids.items()}
    both = beside_a_copy(replace(population, ids=ids))
    for found in both.ids.values():
        assert found.max() == largest and np.unique(found).size == found.size


def test_units_and_their_members_answer_for_each_other():
    """A unit of two, one alone: what holds for a unit holds for its members, and the other way."""
    population = random_population(60, seed=3)
    persons = population.values["age"] >= 65
    for entity in ENTITIES:
        member_of = population.membership[entity] if entity != PERSON else np.arange(persons.size)
        expected = [persons[member_of == unit].any() for unit in range(population.count(entity))]
        found = population.with_any(entity, persons)
        assert found.dtype == bool and found.tolist() == expected
        of_members = population.of_members(entity, found)
        assert of_members.tolist() == [expected[unit] for unit in member_of]
