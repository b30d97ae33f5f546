"""The totals of an area's file and of the areas inside it: which there are, and their file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.files.hdf5 import create_h5, open_h5
from localcal.files.origins import refuse_other_files
from localcal.geography.areas import Area
from localcal.timing import WRITE, phase


def rows_of_area(area: Area, targets: pd.DataFrame) -> np.ndarray:
    """Return the rows of the targets that are about an area, (n,) int64.

    A city has no official totals of its own: its rows are the nation's, to compare the file with
    matrix x weights.
    """
    level, place = targets["geo_level"].to_numpy(), targets["geographic_id"].to_numpy()
    if area.level in ("nation", "city"):
        return np.flatnonzero(level == "nation")
    return np.flatnonzero((level == area.level) & (place == area.code))


@dataclass(frozen=True, eq=False)
class Totals:
    """What an area's file comes to in the model."""

    of_row: pd.Series
    """By the target's row: the total of the area, or of the district inside a state's file that
    the target is about."""
    inside: pd.Series
    """By (row, place): what the targets of a state come to in the national file's part of it, and
    in each district of the state's own; place is the code of the state or the district."""
    households: pd.Series
    persons: pd.Series
    """By state: how many households and persons of it the file stands for."""


@phase(WRITE)
def write_totals(path: Path, totals: Totals, origins: Mapping[str, str]) -> None:
    """Write totals with what they were made from."""
    with create_h5(path) as file:
        file.attrs.update(origins)
        file.create_dataset("row", data=totals.of_row.index.to_numpy(np.int64))
        file.create_dataset("total", data=totals.of_row.to_numpy(np.float64))
        pairs = totals.inside.index.to_frame(index=False).to_numpy(np.int64).reshape(-1, 2)
        file.create_dataset("inside/row", data=pairs[:, 0])
        file.create_dataset("inside/place", data=pairs[:, 1])
        file.create_dataset("inside/total", data=totals.inside.to_numpy(np.float64))
        file.create_dataset("size/state", data=totals.households.index.to_numpy(np.int64))
        file.create_dataset("size/households", data=totals.households.to_numpy(np.float64))
        file.create_dataset("size/persons", data=totals.persons.to_numpy(np.float64))


def read_totals(path: Path, inputs: Mapping[str, Path]) -> Totals:
    """Read what `write_totals` wrote.

    Raises:
        InputError: the file is damaged or was made from something else.
    """
    with open_h5(path) as file:
        recorded = dict(file.attrs)
        pairs = pd.MultiIndex.from_arrays([file["inside/row"][:], file["inside/place"][:]])
        states = file["size/state"][:]
        totals = Totals(
            of_row=pd.Series(file["total"][:], index=file["row"][:]),
            inside=pd.Series(file["inside/total"][:], index=pairs),
            households=pd.Series(file["size/households"][:], index=states),
            persons=pd.Series(file["size/persons"][:], index=states),
        )
    refuse_other_files(path, recorded, inputs)
    return totals
