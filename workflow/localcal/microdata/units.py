"""From a table of persons, each with the units that they belong to, to a dataset's arrays."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from localcal.population.population import GROUPS, PERSON


def entity_arrays(
    persons: pd.DataFrame, units: Mapping[str, pd.DataFrame]
) -> dict[str, np.ndarray]:
    """Return a dataset {variable: array} of persons and their units.

    Persons come in the order of their households, otherwise as given, and units in the order of
    their first members; all are numbered from 1 on.

    Args:
        persons: one row per person. The columns named as in GROUPS hold a number for each unit,
            which no other household's has; all others are the model's variables of persons.
        units: for some of GROUPS, the model's variables of that entity: a table with the units'
            numbers as its index, each once, in any order. It may have more units than persons
            belong to.

    Returns:
        Ids and links (int32), amounts (float32), whole numbers (int32), truth values, and texts
        as bytes.

    Raises:
        KeyError: a unit of a person has no row in the entity's table.
    """
    home = pd.factorize(persons["household"])[0]
    ordered = persons.iloc[np.argsort(home, kind="stable")]
    count = len(ordered)
    arrays = {f"{PERSON}_id": np.arange(1, count + 1, dtype=np.int32)}
    for entity in GROUPS:
        position, numbers = pd.factorize(ordered[entity])
        arrays[f"{entity}_id"] = np.arange(1, len(numbers) + 1, dtype=np.int32)
        arrays[f"{PERSON}_{entity}_id"] = (position + 1).astype(np.int32)
        if entity in units:
            table = units[entity].loc[numbers]
            arrays |= {str(name): stored(table[name].to_numpy()) for name in table}
    variables = ordered.drop(columns=list(GROUPS))
    return arrays | {str(name): stored(variables[name].to_numpy()) for name in variables}


def stored(values: np.ndarray) -> np.ndarray:
    """Return values in the type that datasets have them in: no wider than the model's."""
    match values.dtype.kind:
        case "f":
            return values.astype(np.float32)
        case "i" | "u":
            return values.astype(np.int32)
        case "O" | "U":
            return np.strings.encode(values.astype(np.str_), "utf-8")
        case _:
            return values
