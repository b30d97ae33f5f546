"""Places that somebody else assigned."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.geography.assignments import read_npz_assignment, read_table_assignment
from localcal.geography.geography import Geography, from_blocks, read_geography
from localcal.geography.households import household_weight, values_of
from localcal.geography.places import read_district_population

logger = logging.getLogger(__name__)


def load_geography(
    path: str | Path,
    households: pd.DataFrame,
    n_clones: int,
    district_population: str | Path | None = None,
) -> Geography:
    """Take the places of all columns from a given file.

    Args:
        path: the file.
        households: the run's.
        n_clones: clones of each.
        district_population: a table that lists all districts there are, if that is to be checked.

    The file is a geography.h5, a geography_assignment.npz (`clone * n_records + record` order), or
    a csv or parquet table with the columns household (original id), clone, block, district. County
    and state follow from the block. A geography.h5 keeps its design weights, since they undo the
    way it was drawn; elsewhere a household's weight is split evenly over its clones.

    Raises:
        InputError: not such a file, one for other households or clones, places that contradict
            each other, or a district that does not exist.
    """
    if Path(path).suffix in (".h5", ".hdf5"):
        geography = _load_h5(path, households, n_clones)
    else:
        if Path(path).suffix == ".npz":
            block, district = read_npz_assignment(path, len(households), n_clones)
        else:
            identity = values_of(households, "household_id").astype(np.int64)
            block, district = read_table_assignment(path, identity, n_clones)
        weight = np.repeat(household_weight(households) / n_clones, n_clones)
        geography = from_blocks(len(households), n_clones, block, district, weight)
    if district_population is not None:
        _refuse_unknown_districts(path, geography, district_population)
    _warn_of_repeats(path, geography)
    return geography


def _refuse_unknown_districts(
    path: str | Path, geography: Geography, district_population: str | Path
) -> None:
    known, _ = read_district_population(district_population)
    wrong = ~np.isin(geography.district, known)
    if wrong.any():
        column = int(np.argmax(wrong))
        unknown = np.unique(geography.district[wrong])
        raise InputError(
            f"{path}: column {column} lies in district {geography.district[column]}, which is not "
            f"one of the {known.size} of {district_population} ({unknown.size} such: "
            f"{', '.join(map(str, unknown[:9]))}); is the file of another Congress than the 119th? "
            "Give one of this Congress, or geography.district_population of the file's"
        )


def _load_h5(path: str | Path, households: pd.DataFrame, n_clones: int) -> Geography:
    geography = read_geography(path)
    if (geography.n_households, geography.n_clones) != (len(households), n_clones):
        raise InputError(
            f"{path}: is for {geography.n_households} households x {geography.n_clones} clones "
            f"= {len(geography)} columns, but the run has {len(households)} x {n_clones} = "
            f"{len(households) * n_clones}; set population.households and geography.clones to "
            "those of the file, or give another file"
        )
    weight = np.repeat(household_weight(households), n_clones)
    wrong = ~np.isfinite(geography.design_weight) | ((geography.design_weight > 0) != (weight > 0))
    if wrong.any():
        column = int(np.argmax(wrong))
        raise InputError(
            f"{path}: column {column} has design weight {geography.design_weight[column]}, its "
            f"household {weight[column]}; give the file made for this population"
        )
    ratio = geography.design_weight.sum() / weight.sum() * n_clones
    if abs(ratio - 1) > 0.1:
        logger.warning(
            "%s: design weights sum to %.3f of the household weights; was it made for this "
            "population?",
            path,
            ratio,
        )
    return geography


def _warn_of_repeats(path: str | Path, geography: Geography) -> None:
    by_household = np.sort(geography.district.reshape(-1, geography.n_clones), axis=1)
    repeats = int((by_household[:, 1:] == by_household[:, :-1]).sum())
    if repeats:
        logger.warning(
            "%s: %d of %d columns repeat a district of their household",
            path,
            repeats,
            len(geography),
        )
