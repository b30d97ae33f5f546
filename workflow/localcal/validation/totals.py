"""The totals of an area's file and of the areas inside it: which there are, and their file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.files.hdf5 import create_h5, open_h5
from localcal.files.origins import refuse_other_files
from localcal.geography.areas import Area


def rows_of_area(area: Area, targets: pd.DataFrame) -> np.ndarray:
    """Return the rows of the targets that are about an area, (n,) int64.

    A city has no official totals of its own: its rows are the nation's, to compare the file with
    matrix x weights.
    """
    level, place = targets["geo_level"].to_numpy(), targets["geographic_id"].to_numpy()
    if area.level in ("nation", "city"):
        return np.flatnonzero(level == "nation")
    return np.flatnonzero((level == area.level) & (place == area.code))


def write_totals(
    path: Path, rows: np.ndarray, totals: np.ndarray, origins: Mapping[str, str]
) -> None:
    """Write totals by the target's row, (n,) int64 and float64, with what they were made from."""
    with create_h5(path) as file:
        file.attrs.update(origins)
        file.create_dataset("row", data=rows.astype(np.int64))
        file.create_dataset("total", data=totals)


def read_totals(path: Path, inputs: Mapping[str, Path]) -> pd.Series:
    """Read what `write_totals` wrote.

    Raises:
        InputError: the file is damaged or was made from something else.
    """
    with open_h5(path) as file:
        recorded = dict(file.attrs)
        totals = pd.Series(file["total"][:], index=file["row"][:])
    refuse_other_files(path, recorded, inputs)
    return totals
