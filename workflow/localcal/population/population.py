"""Households with their persons and units, as arrays.

Every entity is sorted by household, so that a range of households is a range of persons, of tax
units and so on.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

PERSON = "person"
GROUPS = ("household", "tax_unit", "spm_unit", "family", "marital_unit")
ENTITIES = (PERSON, *GROUPS)

# Person variables that hold the id of somebody or something else (0 = nobody). They have to
# follow when ids are renumbered.
REFERENCES = {
    "parent_1_id": PERSON,
    "parent_2_id": PERSON,
    "medicaid_claiming_tax_unit_id": "tax_unit",
}

NO_REFERENCE = -1


@dataclass(frozen=True)
class Population:
    """Households, persons and units of one year, each entity sorted by household.

    Attributes:
        period: the year.
        values: variable to array, one value per unit of the variable's entity; no ids.
        entity: variable to entity.
        ids: entity to ids, (units,) int64.
        membership: group entity to the position of each person's unit, (persons,) int64.
        references: person variable to the position of what it points to, (persons,) int64,
            `NO_REFERENCE` where it points to nothing.
        later: variable to its values in years after `period`, where they do not follow from those
            of `period`; one per unit, as in `values`.
    """

    period: int
    values: Mapping[str, np.ndarray]
    entity: Mapping[str, str]
    ids: Mapping[str, np.ndarray]
    membership: Mapping[str, np.ndarray]
    references: Mapping[str, np.ndarray]
    later: Mapping[str, Mapping[int, np.ndarray]] = field(default_factory=dict)

    def count(self, entity: str) -> int:
        """Return the number of units of an entity."""
        return self.ids[entity].size

    @cached_property
    def household_of(self) -> dict[str, np.ndarray]:
        """Return, per entity, the position of each unit's household, (units,) int64."""
        household = self.membership["household"]
        positions = {PERSON: household}
        for group in GROUPS:
            positions[group] = np.empty(self.count(group), dtype=np.int64)
            positions[group][self.membership[group]] = household
        return positions

    @cached_property
    def starts(self) -> dict[str, np.ndarray]:
        """Return, per entity, where each household's units begin, (households + 1,) int64."""
        bounds = np.arange(self.count("household") + 1)
        return {entity: np.searchsorted(self.household_of[entity], bounds) for entity in ENTITIES}

    def of_members(self, entity: str, values: np.ndarray) -> np.ndarray:
        """Return the value that each person's unit of an entity has, (persons,)."""
        return values if entity == PERSON else values[self.membership[entity]]

    def with_any(self, entity: str, persons: np.ndarray) -> np.ndarray:
        """Say of each unit whether it has one of the persons, (units,) bool.

        Args:
            entity: the units'.
            persons: (persons,) bool.
        """
        if entity == PERSON:
            return persons
        return np.bincount(self.membership[entity][persons], minlength=self.count(entity)) > 0

    def without(self, names: Collection[str]) -> "Population":
        """Return the same population without these variables."""
        kept = {name: array for name, array in self.values.items() if name not in names}
        return replace(self, values=kept, entity={name: self.entity[name] for name in kept})

    def with_values(self, entity: str, values: Mapping[str, np.ndarray]) -> "Population":
        """Return the same population with these variables of one entity added or replaced."""
        return replace(
            self,
            values={**self.values, **values},
            entity={**self.entity, **dict.fromkeys(values, entity)},
        )


def one_person_per_state(period: int, states: Sequence[int]) -> Population:
    """Return one person in each state, alone in a household with one unit of each kind."""
    own = np.arange(len(states))
    return Population(
        period=period,
        values={"state_fips": np.array(states, dtype=np.int32)},
        entity={"state_fips": "household"},
        ids=dict.fromkeys(ENTITIES, own + 1),
        membership=dict.fromkeys(GROUPS, own),
        references={},
    )


def clone_households(
    population: Population, households: np.ndarray, first: Mapping[str, int]
) -> Population:
    """Return one new household for each entry of `households`, in their order.

    Args:
        population: where they are taken from.
        households: (n,) positions, repeats allowed.
        first: entity to the id of the first new unit; ids count up from there. Ids start at 1,
            because policyengine-us reads 0 as "nobody" where one person points to another.
    """
    rows, offsets = {}, {}
    for entity in ENTITIES:
        starts = population.starts[entity]
        counts = starts[households + 1] - starts[households]
        offsets[entity] = np.cumsum(counts) - counts
        shift = np.repeat(starts[households] - offsets[entity], counts)
        rows[entity] = np.arange(counts.sum()) + shift
    person_counts = (
        population.starts[PERSON][households + 1] - population.starts[PERSON][households]
    )
    persons = rows[PERSON]

    def moved(positions: np.ndarray, entity: str) -> np.ndarray:
        shift = offsets[entity] - population.starts[entity][households]
        return positions[persons] + np.repeat(shift, person_counts)

    references = {}
    for variable, positions in population.references.items():
        nobody = positions[persons] == NO_REFERENCE
        references[variable] = np.where(
            nobody, NO_REFERENCE, moved(positions, REFERENCES[variable])
        )
    return Population(
        period=population.period,
        values={
            name: array[rows[population.entity[name]]] for name, array in population.values.items()
        },
        entity=population.entity,
        ids={entity: first[entity] + np.arange(rows[entity].size) for entity in ENTITIES},
        membership={
            group: moved(population.membership[group], group)
            if group != "household"
            else np.repeat(np.arange(households.size), person_counts)
            for group in GROUPS
        },
        references=references,
    )


def take_units(population: Population, rows: Mapping[str, np.ndarray]) -> Population:
    """Return some units of a population, or all of them in another order, with their ids.

    Args:
        population: all of them.
        rows: entity to the positions of the units to take, in the order they are to have. Whoever
            is taken has all of their units taken, and whom they point to.
    """
    place = {}
    for entity in ENTITIES:
        place[entity] = np.full(population.count(entity), NO_REFERENCE)
        place[entity][rows[entity]] = np.arange(rows[entity].size)
    persons = rows[PERSON]
    return Population(
        period=population.period,
        values={
            name: array[rows[population.entity[name]]] for name, array in population.values.items()
        },
        entity=population.entity,
        ids={entity: population.ids[entity][rows[entity]] for entity in ENTITIES},
        membership={group: place[group][population.membership[group][persons]] for group in GROUPS},
        references={
            name: np.where(
                positions[persons] == NO_REFERENCE,
                NO_REFERENCE,
                place[REFERENCES[name]][positions[persons]],
            )
            for name, positions in population.references.items()
        },
    )


def take_households(population: Population, households: np.ndarray) -> Population:
    """Return some households with their ids.

    Args:
        population: all of them.
        households: positions in ascending order, without repeats.
    """
    chosen = np.isin(np.arange(population.count("household")), households)
    rows = {entity: np.flatnonzero(chosen[of]) for entity, of in population.household_of.items()}
    return take_units(population, rows)


def beside_a_copy(population: Population) -> Population:
    """Return the same households with ids of their own, and then copies of them without weight."""
    count = population.count("household")
    both = clone_households(population, np.tile(np.arange(count), 2), dict.fromkeys(ENTITIES, 1))
    ids = {}
    for entity, own in population.ids.items():
        first = own.min() - own.size if own.min() > own.size else own.max() + 1
        ids[entity] = np.concatenate([own, first + np.arange(own.size)])
    both = replace(both, ids=ids)
    weight = population.values.get("household_weight")
    if weight is None:
        return both
    return both.with_values(
        "household", {"household_weight": np.concatenate([weight, np.zeros_like(weight)])}
    )
