"""What the table of households has to say about each of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from localcal.errors import REMAKE, InputError, one_line

COLUMNS = ("household_id", "household_weight", "persons", "adjusted_gross_income")


def read_households(path: str | Path) -> pd.DataFrame:
    """Read the table of households of a run.

    Raises:
        InputError: the file is missing or damaged, or lacks a column.
    """
    try:
        table = pq.read_table(path).to_pandas(ignore_metadata=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {REMAKE}") from error
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InputError(f"{path}: damaged, not Parquet ({one_line(error)}); {REMAKE}") from error
    for name in COLUMNS:
        if name not in table:
            raise InputError(f"{path}: damaged, lacks the column {name}; {REMAKE}")
    return table


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
