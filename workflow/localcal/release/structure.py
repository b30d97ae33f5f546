"""Is an area's file one that the model can use?

What the model takes without a word is looked at here: ids that are there twice, persons of no
household, arrays of another length than their entity, weights and values that are no numbers.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from localcal.errors import InputError
from localcal.files.hdf5 import open_h5
from localcal.geography.areas import Area
from localcal.population.dataset import entity_of_column, read_population
from localcal.population.population import ENTITIES, Population

WEIGHT = "household_weight"


class Found(NamedTuple):
    """What is wrong with a file, each in some words, and how many households and persons it has."""

    wrong: list[str]
    sizes: dict[str, int]


class _Array(NamedTuple):
    """One array of a file, as far as it is looked at by itself."""

    shape: tuple[int, ...]
    entity: str | None
    not_finite: int


def look_at(path: Path, area: Area) -> Found:
    """Look at an area's dataset.

    Raises:
        InputError: the file is missing, or cannot be read.
    """
    with open_h5(path) as file:
        said = f"{file.attrs['level']}/{file.attrs['area']}"
        arrays = {
            f"{name}/{year}": _Array(item.shape, file[name].attrs.get("entity"), _not_finite(item))
            for name in file
            for year, item in file[name].items()
        }
    if said != f"{area.folder}/{area.area}":
        return Found([f"is about {said}"], {})
    try:
        population = read_population(path, only=(WEIGHT,))
    except InputError as error:
        # It can be read: what is refused is what it holds.
        return Found([str(error).removeprefix(f"{path}: ")], {})
    if WEIGHT not in population.values:
        return Found([f"lacks {WEIGHT}"], {})
    weights = population.values[WEIGHT]
    wrong = [*_wrong_arrays(arrays, population), *_wrong_weights(weights)]
    sizes = {"households": population.count("household"), "persons": population.count("person")}
    return Found(wrong, sizes)


def _not_finite(item: "np.ndarray") -> int:
    return int(np.count_nonzero(~np.isfinite(item[()]))) if item.dtype.kind == "f" else 0


def _wrong_arrays(arrays: Mapping[str, _Array], population: Population) -> Iterator[str]:
    for name, array in arrays.items():
        entity = array.entity or entity_of_column(population, name.partition("/")[0])
        if entity not in ENTITIES:
            yield f"{name} is of {entity}, which is no entity"
        elif array.shape != (population.count(entity),):
            yield f"{name} has the shape {array.shape} for {population.count(entity)} of {entity}"
        if array.not_finite:
            yield f"{name} has {array.not_finite} values that are no number"


def _wrong_weights(weights: np.ndarray) -> Iterator[str]:
    if negative := np.count_nonzero(weights < 0):
        yield f"{negative} weights are negative"
    if not (weights > 0).any():
        yield "no household has a weight"


def wrong_replicates(path: Path, dataset: Path) -> Iterator[str]:
    """Yield what is wrong with an area's replicate weights.

    Args:
        path: their file.
        dataset: the area's, whose households and weights they stand beside.

    Raises:
        InputError: a file is missing, or cannot be read.
    """
    with open_h5(path) as file, open_h5(dataset) as other:
        for name in ("household_id", WEIGHT):
            (year,) = file[name]
            if not np.array_equal(file[name][year][()], other[name][year][()]):
                yield f"{name} is not the dataset's"
        names = [name for name in file if name.startswith(f"{WEIGHT}_rep_")]
        if not names:
            yield "there are none"
        for name in names:
            (year,) = file[name]
            values = file[name][year][()]
            if values.shape != file["household_id"][year].shape:
                yield f"{name} has the shape {values.shape}"
            elif not (np.isfinite(values) & (values >= 0)).all():
                yield f"{name} has values that are no weights"
