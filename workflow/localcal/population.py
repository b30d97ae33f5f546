"""Households with their persons and units, as arrays and as a PolicyEngine dataset.

The file layout is PolicyEngine's: `/{variable}/{period}`, one array per variable in the order of
its entity. In memory and in the files that localcal writes, every entity is sorted by household,
so that a range of households is a range of persons, of tax units and so on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from localcal.errors import InputError
from localcal.hdf5 import create_h5, open_h5

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
    """

    period: int
    values: Mapping[str, np.ndarray]
    entity: Mapping[str, str]
    ids: Mapping[str, np.ndarray]
    membership: Mapping[str, np.ndarray]
    references: Mapping[str, np.ndarray]

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

    def with_values(self, entity: str, values: Mapping[str, np.ndarray]) -> "Population":
        """Return the same population with these variables of one entity added or replaced."""
        return replace(
            self,
            values={**self.values, **values},
            entity={**self.entity, **dict.fromkeys(values, entity)},
        )


def id_columns(population: Population) -> dict[str, np.ndarray]:
    """Return the id, link and reference arrays that a dataset stores besides its variables."""
    columns = {f"{entity}_id": _as_id(population.ids[entity]) for entity in ENTITIES}
    for group in GROUPS:
        columns[f"person_{group}_id"] = columns[f"{group}_id"][population.membership[group]]
    for variable, positions in population.references.items():
        ids = columns[f"{REFERENCES[variable]}_id"]
        columns[variable] = np.where(positions == NO_REFERENCE, 0, ids[positions]).astype(ids.dtype)
    return columns


def _as_id(ids: np.ndarray) -> np.ndarray:
    """Return ids as int32, the width that policyengine-us stores, where they fit."""
    return ids.astype(np.int32 if ids.max(initial=0) <= np.iinfo(np.int32).max else np.int64)


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


def write_population(path: str | Path, population: Population) -> None:
    """Write a population as a PolicyEngine dataset."""
    period = str(population.period)
    columns = id_columns(population) | dict(population.values)
    with create_h5(path, sum(values.nbytes for values in columns.values())) as file:
        for name in sorted(columns):
            file.create_dataset(f"{name}/{period}", data=columns[name])
            if name in population.entity:
                file[name].attrs["entity"] = population.entity[name]


def read_population(path: str | Path) -> Population:
    """Read a population that localcal wrote.

    Raises:
        InputError: the file is missing, truncated or not written by localcal.
    """
    arrays, period = read_arrays(path)
    with h5py.File(path, "r") as file:
        entity = {name: file[name].attrs["entity"] for name in file if "entity" in file[name].attrs}
    foreign = arrays.keys() - entity.keys() - id_names()
    if foreign:
        raise InputError(f"{path}: not written by localcal: no entity for {sorted(foreign)[0]}")
    return assemble(str(path), arrays, period, entity)


def id_names() -> frozenset[str]:
    """Return the names of every array that holds ids instead of values."""
    own = {f"{entity}_id" for entity in ENTITIES}
    return frozenset(own | {f"person_{group}_id" for group in GROUPS} | REFERENCES.keys())


def read_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], int]:
    """Read every array of a `/{variable}/{period}` dataset and the one year it is about.

    Raises:
        InputError: the file is missing, foreign or of several periods.
    """
    with open_h5(path) as file:
        return _read_arrays(Path(path), file)


def _read_arrays(path: Path, file: h5py.File) -> tuple[dict[str, np.ndarray], int]:
    arrays, periods = {}, {}
    for name, group in file.items():
        if not isinstance(group, h5py.Group) or len(group) == 0:
            raise InputError(
                f"{path}: '{name}' is not a group of periods; the layout has to be "
                "/{variable}/{period}"
            )
        if len(group) > 1:
            raise InputError(
                f"{path}: '{name}' has {len(group)} periods ({', '.join(group)}); keep one"
            )
        (period,) = group
        arrays[name] = group[period][()]
        if period != "ETERNITY":
            periods.setdefault(period, name)
    if len(periods) != 1:
        found = ", ".join(f"{period} ({name})" for period, name in periods.items())
        raise InputError(f"{path}: holds the periods {found or 'none'}; it has to be one year")
    (period,) = periods
    if not period.isdigit():
        raise InputError(f"{path}: its period is '{period}'; it has to be a year")
    return arrays, int(period)


def assemble(
    source: str, arrays: Mapping[str, np.ndarray], period: int, entity: Mapping[str, str]
) -> Population:
    """Check ids and links and sort every entity by household, keeping the order within one.

    Args:
        source: what to call the data in an error.
        arrays: ids, links and variables.
        period: the year.
        entity: the entity of every variable that is not an id.

    Raises:
        InputError: an id, a link or a length is wrong.
    """
    missing = sorted(id_names() - REFERENCES.keys() - arrays.keys())
    if missing:
        raise InputError(f"{source}: lacks {', '.join(missing)}")
    ids = {name: _checked_ids(source, f"{name}_id", arrays) for name in ENTITIES}
    membership = {group: _membership(source, group, arrays, ids) for group in GROUPS}
    for name, array in arrays.items():
        if name in entity and array.shape != ids[entity[name]].shape:
            raise InputError(
                f"{source}: '{name}' has {array.shape[0]} values for {ids[entity[name]].size} "
                f"units of entity {entity[name]}"
            )
    references = {
        name: _positions_or_nobody(source, name, arrays[name], ids[REFERENCES[name]])
        for name in REFERENCES
        if name in arrays
    }
    unsorted = Population(
        period=period,
        values={name: array for name, array in arrays.items() if name in entity},
        entity={name: entity[name] for name in arrays if name in entity},
        ids=ids,
        membership=membership,
        references=references,
    )
    _check_nesting(source, unsorted)
    return _sorted_by_household(unsorted)


def _checked_ids(source: str, column: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    ids = arrays[column]
    if ids.ndim != 1 or ids.size == 0 or not np.array_equal(ids, np.floor(ids)):
        raise InputError(f"{source}: '{column}' has to be a list of whole numbers")
    ids = ids.astype(np.int64)
    if np.unique(ids).size != ids.size:
        values, counts = np.unique(ids, return_counts=True)
        raise InputError(f"{source}: '{column}' holds {values[counts > 1][0]} more than once")
    return ids


def _membership(
    source: str, group: str, arrays: Mapping[str, np.ndarray], ids: Mapping[str, np.ndarray]
) -> np.ndarray:
    column = f"person_{group}_id"
    link = np.asarray(arrays[column])
    if link.shape != ids[PERSON].shape:
        raise InputError(
            f"{source}: '{column}' has {link.size} values for {ids[PERSON].size} persons"
        )
    positions = find(ids[group], link)
    if (positions < 0).any():
        orphan = int(np.flatnonzero(positions < 0)[0])
        raise InputError(
            f"{source}: person {ids[PERSON][orphan]} belongs to {group} {link[orphan]}, which "
            f"'{group}_id' does not list"
        )
    empty = np.setdiff1d(np.arange(ids[group].size), positions)
    if empty.size:
        raise InputError(f"{source}: {group} {ids[group][empty[0]]} has no person")
    return positions


def find(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the position of each wanted id in `ids`, -1 where there is none."""
    order = np.argsort(ids, kind="stable")
    place = np.minimum(np.searchsorted(ids, wanted, sorter=order), ids.size - 1)
    positions = order[place]
    return np.where(ids[positions] == wanted, positions, -1)


def _positions_or_nobody(
    source: str, column: str, values: np.ndarray, ids: np.ndarray
) -> np.ndarray:
    positions = find(ids, values)
    lost = (values != 0) & (positions < 0)
    if lost.any():
        raise InputError(f"{source}: '{column}' names {values[lost][0]}, which does not exist")
    return np.where(values == 0, NO_REFERENCE, positions)


def _check_nesting(source: str, population: Population) -> None:
    """Refuse units and references that reach into another household: a clone cannot carry them."""
    household = population.membership["household"]
    for group in GROUPS:
        if (population.household_of[group][population.membership[group]] != household).any():
            raise InputError(f"{source}: a {group} has members in more than one household")
    for variable, positions in population.references.items():
        there = population.household_of[REFERENCES[variable]][positions]
        if ((positions != NO_REFERENCE) & (there != household)).any():
            raise InputError(f"{source}: '{variable}' points into another household")


def _sorted_by_household(population: Population) -> Population:
    order = {
        entity: np.argsort(population.household_of[entity], kind="stable") for entity in ENTITIES
    }
    place = {entity: np.argsort(order[entity], kind="stable") for entity in ENTITIES}
    persons = order[PERSON]
    return Population(
        period=population.period,
        values={
            name: array[order[population.entity[name]]] for name, array in population.values.items()
        },
        entity=population.entity,
        ids={entity: population.ids[entity][order[entity]] for entity in ENTITIES},
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
