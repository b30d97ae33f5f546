"""What a written file comes to in the model.

The file of the nation, of a state and of a city is loaded into the model as its users would load
it, once; the totals of every area inside it are read off that one simulation.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.engine.protocol import Engine
from localcal.files.hdf5 import create_h5, open_h5
from localcal.files.origins import record, refuse_other_files
from localcal.geography.areas import Area
from localcal.jobs.progress import Progress
from localcal.population.dataset import read_population
from localcal.targets.evaluate import Evaluation
from localcal.targets.measures import distinct_measures
from localcal.targets.table import read_targets


def rows_of_area(area: Area, targets: pd.DataFrame) -> np.ndarray:
    """Return the rows of the targets that are about an area, (n,) int64.

    A city has no official totals of its own: its rows are the nation's, to compare the file with
    matrix x weights.
    """
    level, place = targets["geo_level"].to_numpy(), targets["geographic_id"].to_numpy()
    if area.level in ("nation", "city"):
        return np.flatnonzero(level == "nation")
    return np.flatnonzero((level == area.level) & (place == area.code))


def simulate_area(
    area: Area, area_path: Path, targets_path: Path, engine: Engine, path: Path
) -> None:
    """Write the totals of an area's file and of the areas inside it.

    Args:
        area: a state, the nation or a city.
        area_path: its dataset.
        targets_path: the targets.
        engine: the model.
        path: the totals to write: the target's row and its total, (n,) int64 and float64.
    """
    targets = read_targets(targets_path)
    population = read_population(area_path)
    rows = rows_of_area(area, targets)
    if area.level == "state":
        district = targets["geo_level"].to_numpy() == "district"
        codes = pd.to_numeric(targets["geographic_id"], errors="coerce").to_numpy()
        rows = np.concatenate([rows, np.flatnonzero(district & (codes // 100 == area.state))])
    chosen = targets.iloc[rows]
    measures, of_target = distinct_measures(chosen)
    evaluation = Evaluation(
        engine.load(area_path, population.period), population, engine.variables()
    )
    weight = population.values["household_weight"].astype(np.float64)
    place = population.values["congressional_district_geoid"]
    totals = np.zeros(rows.size)
    progress = Progress(f"{area.area}: targets", len(measures))
    for number, values in evaluation.measure(measures):
        weighted = values * weight
        for position in np.flatnonzero(of_target == number):
            inside = slice(None)
            if chosen["geo_level"].iloc[position] == "district":
                inside = place == int(chosen["geographic_id"].iloc[position])
            totals[position] = weighted[inside].sum()
        progress.advance()
    with create_h5(path) as file:
        file.attrs.update(record({"area": area_path, "targets": targets_path}))
        file.attrs["engine"] = engine.version
        file.create_dataset("row", data=rows.astype(np.int64))
        file.create_dataset("total", data=totals)


def read_totals(path: Path, inputs: Mapping[str, Path]) -> pd.Series:
    """Read what `simulate_area` wrote: totals by the target's row.

    Raises:
        InputError: the file is damaged or was made from something else.
    """
    with open_h5(path) as file:
        recorded = dict(file.attrs)
        totals = pd.Series(file["total"][:], index=file["row"][:])
    refuse_other_files(path, recorded, inputs)
    return totals
