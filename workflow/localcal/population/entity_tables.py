"""A dataset as tables, one per entity, in the HDF5 files of pandas.

PolicyEngine's datasets have this layout beside `/{variable}/{period}`: a table called `person`,
`household` and so on with a column per variable and, in `_time_period`, the year; or, in files of
several years, tables called `person/2024`.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from localcal.errors import InputError, one_line
from localcal.files.hdf5 import open_h5
from localcal.population.population import ENTITIES, PERSON

YEAR_TABLE = "_time_period"
# What pandas and PyTables raise depends on which of a file's bytes are wrong.
DAMAGE = (
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    EOFError,
    NotImplementedError,
    pickle.UnpicklingError,
)


class EntityTables(NamedTuple):
    """What the tables hold.

    Attributes:
        arrays: column to values.
        table: column to the entity in whose table it is.
        period: the year.
    """

    arrays: Mapping[str, np.ndarray]
    table: Mapping[str, str]
    period: int


def has_entity_tables(path: str | Path, remedy: str) -> bool:
    """Say whether a file holds tables of pandas instead of `/{variable}/{period}`.

    Args:
        path: the file.
        remedy: what to do if it cannot be read.

    Raises:
        InputError: the file is missing or no HDF5 file.
    """
    with open_h5(path, remedy) as file:
        persons = file.get(PERSON)
        if persons is None:
            return False
        return any("pandas_type" in item.attrs for item in (persons, *persons.values()))


def read_entity_tables(path: str | Path, period: int) -> EntityTables:
    """Read the tables of one year.

    Args:
        path: the file.
        period: the year to read; a file of one year may be about another.

    Raises:
        InputError: the file is damaged, does not say its year, has tables of other years only, or
            a column twice.
    """
    try:
        with pd.HDFStore(str(path), mode="r") as store:
            keys = {key.strip("/") for key in store.keys()}  # noqa: SIM118 - not a mapping
            found, suffix = _year(path, store, keys, period)
            frames = {
                entity: store[entity + suffix] for entity in ENTITIES if entity + suffix in keys
            }
    except DAMAGE as error:
        raise InputError(
            f"{path}: its tables cannot be read ({one_line(error)}); give another file"
        ) from error
    arrays: dict[str, np.ndarray] = {}
    table: dict[str, str] = {}
    for entity, frame in frames.items():
        if not isinstance(frame, pd.DataFrame):
            raise InputError(f"{path}: '{entity}' is no table of variables; give another file")
        for name in map(str, frame.columns):
            if name in table:
                raise InputError(
                    f"{path}: the tables {table[name]} and {entity} both have a column '{name}'; "
                    "keep one"
                )
            table[name] = entity
            arrays[name] = np.asarray(frame[name])
    return EntityTables(arrays, table, found)


def _year(path: str | Path, store: pd.HDFStore, keys: set[str], period: int) -> tuple[int, str]:
    """Return the year to read and what its tables' names end in."""
    years = sorted(int(key.split("/")[1]) for key in keys if key.startswith(f"{PERSON}/"))
    if years and period not in years:
        raise InputError(
            f"{path}: is about {', '.join(map(str, years))}, the run about {period}; set period to "
            "one of them or give another dataset"
        )
    if years:
        return period, f"/{period}"
    if YEAR_TABLE not in keys:
        raise InputError(
            f"{path}: does not say its year; add a table {YEAR_TABLE} with it, as "
            "policyengine-us's USSingleYearDataset.save does"
        )
    return int(np.asarray(store[YEAR_TABLE]).ravel()[0]), ""
