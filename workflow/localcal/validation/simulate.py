"""What a written file comes to in the model.

The file of the nation, of a state and of a city is loaded into the model as its users would load
it, once; the totals of every area inside it are read off that one simulation.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from localcal.engine.protocol import Engine
from localcal.files.documents import refuse_bad_weights
from localcal.files.origins import record
from localcal.geography.areas import Area
from localcal.jobs.progress import Progress
from localcal.population.dataset import read_population
from localcal.targets.evaluate import Evaluation
from localcal.targets.measures import distinct_measures
from localcal.targets.table import read_targets
from localcal.validation.totals import rows_of_area, write_totals


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
    refuse_bad_weights(area_path, population.values["household_weight"])
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
    origins = record({"area": area_path, "targets": targets_path}) | {"engine": engine.version}
    write_totals(path, rows, totals, origins)
