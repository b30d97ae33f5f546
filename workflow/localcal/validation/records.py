"""Are the records of an area's file those that the run says they must be?

A clone's ids, place and weight belong to its column. What a file has in their stead may give the
same totals today: the numbers of persons of a state do not change when all of its counties do.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from localcal.clones.locate import GIVEN_PLACES, ids_of_columns, place_values
from localcal.errors import InputError
from localcal.geography.geography import Geography
from localcal.population.dataset import entity_of_column, id_columns, read_population
from localcal.population.population import Population, clone_households

# Which of two files is wrong, nobody knows.
_OLD = "remove whichever is old or damaged and run the same command again"


class RecordInputs(NamedTuple):
    """What the records of an area's file follow from."""

    population: Path
    geography: Path
    weights: Path


class Expected(NamedTuple):
    """What one array of a file must be: its name, the values, and the file they follow from."""

    name: str
    values: np.ndarray
    source: Path


def compare_with_run(
    path: Path, inputs: RecordInputs, places: Geography, weight: np.ndarray
) -> None:
    """Make sure that an area's file holds the columns it should, with their ids and places.

    Args:
        path: the area's dataset.
        inputs: files, the population of which is read.
        places: the area's columns with a positive weight, (n,).
        weight: (n,) their weights.

    Raises:
        InputError: names the first array that differs, and where.
    """
    base = read_population(inputs.population, only=())
    file = read_population(path, only=("household_weight", *GIVEN_PLACES))
    if file.count("household") != len(places):
        raise InputError(
            f"{path}: holds {file.count('household')} households, but by {inputs.geography} and "
            f"{inputs.weights} {len(places)} columns with a weight lie there; {_OLD}"
        )
    found = id_columns(file) | dict(file.values)
    for expected in _expected(base, places, weight, inputs):
        if expected.name not in found:
            raise InputError(f"{path}: lacks '{expected.name}'; {_OLD}")
        _compare(path, file, found[expected.name], expected)


def _expected(
    base: Population, places: Geography, weight: np.ndarray, inputs: RecordInputs
) -> Iterator[Expected]:
    clones = clone_households(base, places.household, dict.fromkeys(base.ids, 1))
    ids = ids_of_columns(base, places)
    for name, values in id_columns(replace(clones, ids=ids)).items():
        yield Expected(name, values, inputs.population)
    for name, values in place_values(places).items():
        yield Expected(name, values, inputs.geography)
    yield Expected("household_weight", weight, inputs.weights)


def _compare(path: Path, file: Population, found: np.ndarray, expected: Expected) -> None:
    if found.shape != expected.values.shape:
        raise InputError(
            f"{path}: '{expected.name}' has {found.size} values, but {expected.values.size} by "
            f"{expected.source}; {_OLD}"
        )
    wrong = found != expected.values
    if wrong.any():
        row = int(np.argmax(wrong))
        where = file.household_of[entity_of_column(file, expected.name)][row]
        raise InputError(
            f"{path}: '{expected.name}' is {_shown(found[row])} in household "
            f"{file.ids['household'][where]}, but {_shown(expected.values[row])} by "
            f"{expected.source} ({np.count_nonzero(wrong)} of {wrong.size} differ); {_OLD}"
        )


def _shown(value: np.generic) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
