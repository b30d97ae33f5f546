"""What the table of households has to say about each of them."""

import numpy as np
import pandas as pd

from localcal.errors import InputError


def household_weight(households: pd.DataFrame) -> np.ndarray:
    """Return the households' weights, (households,) float64.

    Raises:
        InputError: one is not finite or negative, or all are zero.
    """
    weight = values_of(households, "household_weight").astype(np.float64)
    wrong = ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"households: household {row} has the weight {weight[row]}; correct the population"
        )
    if not weight.sum() > 0:
        raise InputError("households: no household has a weight above 0; correct the population")
    return weight


def values_of(households: pd.DataFrame, name: str) -> np.ndarray:
    """Return a column of the table, (households,).

    Raises:
        InputError: the table lacks it.
    """
    if name not in households:
        raise InputError(f"households: has no column {name!r}; make households.parquet again")
    return households[name].to_numpy()
