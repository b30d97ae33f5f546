"""A population as a PolicyEngine dataset.

The layout is `/{variable}/{period}`, one array per variable in the order of its entity. In the
files that localcal writes every entity is sorted by household; in given ones it need not be.

The model takes over what is stored for one year into the years after it, except what it has a
formula for. So files of localcal's also store for the years after theirs what must not be made up
there from the file alone: the ids of persons, and values that look at the whole population.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import h5py
import numpy as np

from localcal.errors import REMAKE, InputError
from localcal.files.hdf5 import create_h5, open_h5
from localcal.population.population import (
    ENTITIES,
    GROUPS,
    NO_REFERENCE,
    PERSON,
    REFERENCES,
    Population,
    take_units,
)
from localcal.timing import WRITE, phase

# The years after its own for which a file is written.
LATER_YEARS = 10

# The one id for which the model has a formula: a person's position in the file.
MADE_UP_ID = "person_id"


def id_columns(population: Population) -> dict[str, np.ndarray]:
    """Return the id, link and reference arrays that a dataset stores besides its variables."""
    columns = {f"{entity}_id": _as_id(population.ids[entity]) for entity in ENTITIES}
    for group in GROUPS:
        columns[f"person_{group}_id"] = columns[f"{group}_id"][population.membership[group]]
    for variable, positions in population.references.items():
        ids = columns[f"{REFERENCES[variable]}_id"]
        columns[variable] = np.where(positions == NO_REFERENCE, 0, ids[positions]).astype(ids.dtype)
    return columns


def entity_of_column(population: Population, column: str) -> str:
    """Return the entity that a variable, or one of `id_columns`, has a value for each unit of."""
    own = column.removesuffix("_id")
    return population.entity.get(column) or (own if own in ENTITIES else PERSON)


def _as_id(ids: np.ndarray) -> np.ndarray:
    """Return ids as int32, the width that policyengine-us stores, where they fit."""
    return ids.astype(np.int32 if ids.max(initial=0) <= np.iinfo(np.int32).max else np.int64)


@phase(WRITE)
def write_population(path: str | Path, population: Population) -> None:
    """Write a population as a PolicyEngine dataset."""
    period = str(population.period)
    columns = id_columns(population) | dict(population.values)
    with create_h5(path, sum(values.nbytes for values in columns.values())) as file:
        for name in sorted(columns):
            file.create_dataset(f"{name}/{period}", data=columns[name])
            if name in population.entity:
                file[name].attrs["entity"] = population.entity[name]
            for year, values in population.later.get(name, {}).items():
                file.create_dataset(f"{name}/{year}", data=values)
        keep_ids(file, population.period)


def keep_ids(file: h5py.File, period: int) -> None:
    """Have the years after a file's know its persons by the same ids, at no bytes."""
    for year in later_years(period):
        file[f"{MADE_UP_ID}/{year}"] = file[f"{MADE_UP_ID}/{period}"]


def later_years(period: int) -> range:
    """Return the years after a file's own for which it is written."""
    return range(period + 1, period + 1 + LATER_YEARS)


def read_population(path: str | Path, only: Collection[str] | None = None) -> Population:
    """Read a population that localcal wrote.

    Args:
        path: the file.
        only: the variables to read besides ids; all if left out. Those it lacks are left out.

    Raises:
        InputError: the file is missing, truncated or not written by localcal.
    """
    with open_h5(path) as file:
        arrays, period = _read_arrays(Path(path), file, REMAKE, only)
        entity = {
            name: str(file[name].attrs["entity"]) for name in arrays if "entity" in file[name].attrs
        }
    unknown = arrays.keys() - entity.keys() - id_names()
    unknown |= {name for name, of in entity.items() if of not in ENTITIES}
    if unknown:
        raise InputError(f"{path}: does not say whose variable {sorted(unknown)[0]} is; {REMAKE}")
    try:
        return assemble(str(path), arrays, period, entity)
    except InputError as error:
        raise InputError(f"{error}; {REMAKE}") from error


def id_names() -> frozenset[str]:
    """Return the names of every array that holds ids instead of values."""
    own = {f"{entity}_id" for entity in ENTITIES}
    return frozenset(own | {f"person_{group}_id" for group in GROUPS} | REFERENCES.keys())


def read_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], int]:
    """Read every array of a `/{variable}/{period}` dataset and the one year it is about.

    Raises:
        InputError: the file is missing, foreign or of several periods.
    """
    remedy = "give another dataset"
    with open_h5(path, remedy) as file:
        return _read_arrays(Path(path), file, remedy)


def _read_arrays(
    path: Path, file: h5py.File, remedy: str, only: Collection[str] | None = None
) -> tuple[dict[str, np.ndarray], int]:
    arrays: dict[str, np.ndarray] = {}
    periods: dict[str, str] = {}
    chosen = file.keys() if only is None else (id_names() | set(only)) & file.keys()
    for name in sorted(chosen):
        group = file[name]
        if not isinstance(group, h5py.Group) or len(group) == 0:
            raise InputError(
                f"{path}: '{name}' is not a group of periods; the layout has to be "
                f"/{{variable}}/{{period}}; {remedy}"
            )
        # What localcal stores for more years than the file's; the file is about the first.
        is_carried = name == MADE_UP_ID or "entity" in group.attrs
        if len(group) > 1 and not is_carried:
            raise InputError(
                f"{path}: '{name}' has {len(group)} periods ({', '.join(group)}); give one, or "
                f"{remedy}"
            )
        period = min(group)
        arrays[name] = group[period][()]
        if period != "ETERNITY":
            periods.setdefault(period, name)
    if len(periods) != 1:
        found = ", ".join(f"{period} ({name})" for period, name in periods.items())
        raise InputError(
            f"{path}: holds the periods {found or 'none'}; it has to be one year; {remedy}"
        )
    (period,) = periods
    if not period.isdigit():
        raise InputError(f"{path}: its period is '{period}'; it has to be a year; {remedy}")
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
    is_numbers = ids.ndim == 1 and ids.size > 0 and ids.dtype.kind in "iuf"
    if not is_numbers or not np.array_equal(ids, np.floor(ids)):
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
    positions = find(ids[group], _checked_link(source, column, link))
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


def _checked_link(source: str, column: str, link: np.ndarray) -> np.ndarray:
    if link.dtype.kind not in "iuf":
        raise InputError(f"{source}: '{column}' has to be a list of whole numbers")
    return link


def find(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the position of each wanted id in `ids`, -1 where there is none."""
    order = np.argsort(ids, kind="stable")
    place = np.minimum(np.searchsorted(ids, wanted, sorter=order), ids.size - 1)
    positions = order[place]
    return np.where(ids[positions] == wanted, positions, -1)


def _positions_or_nobody(
    source: str, column: str, values: np.ndarray, ids: np.ndarray
) -> np.ndarray:
    positions = find(ids, _checked_link(source, column, values))
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
    return take_units(
        population,
        {entity: np.argsort(population.household_of[entity], kind="stable") for entity in ENTITIES},
    )
