"""What a written file comes to in the model.

The file of the nation, of a state and of a city is loaded into the model as its users would load
it, once; the totals of every area inside it are read off that one simulation. So are those of a
sample of districts, to be compared with what their states' simulations say of them.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from localcal.engine.protocol import Engine
from localcal.files.arrays import refuse_bad_weights
from localcal.files.origins import record
from localcal.geography.areas import Area
from localcal.jobs.progress import Progress
from localcal.population.dataset import read_population
from localcal.population.population import PERSON
from localcal.targets.evaluate import Evaluation
from localcal.targets.measures import distinct_measures
from localcal.targets.table import read_targets
from localcal.validation.totals import Totals, rows_of_area, write_totals

# Codes of districts are larger.
LARGEST_STATE = 99


def simulate_area(
    area: Area, area_path: Path, targets_path: Path, engine: Engine, path: Path
) -> None:
    """Write the totals of an area's file and of the areas inside it.

    Args:
        area: any area; a district's own simulation is compared with its state's.
        area_path: its dataset.
        targets_path: the targets.
        engine: the model.
        path: the totals to write, as `Totals` describes them.

    Raises:
        InputError: the dataset is damaged.
    """
    targets = read_targets(targets_path)
    population = read_population(area_path)
    weight = population.values["household_weight"].astype(np.float64)
    refuse_bad_weights(area_path, weight)
    district = population.values["congressional_district_geoid"]
    own = rows_of_area(area, targets).tolist()
    inner = _rows_of_districts(area, targets)
    inside = _inside(area, targets, np.unique(district))
    rows = np.array(sorted({*own, *inner, *(row for row, _ in inside)}), dtype=np.int64)
    measures, of_target = distinct_measures(targets.iloc[rows])
    evaluation = Evaluation(
        engine.load(area_path, population.period), population, engine.variables()
    )
    wanted = [(row, None) for row in own] + [*inner.items(), *inside]
    lies_in = {place: _lies_in(district, place) for _, place in wanted}
    places_of: dict[int, list[int | None]] = {row: [] for row in rows.tolist()}
    for row, place in wanted:
        places_of[row].append(place)
    found: dict[tuple[int, int | None], float] = {}
    progress = Progress(f"{area.area}: targets", len(measures))
    for number, values in evaluation.measure(measures):
        weighted = values * weight
        for row in rows[of_target == number].tolist():
            for place in places_of[row]:
                found[row, place] = float(weighted[lies_in[place]].sum())
        progress.advance()
    of_row = {row: found[row, None] for row in own}
    of_row |= {row: found[row, place] for row, place in inner.items()}
    totals = Totals(
        of_row=pd.Series(of_row, dtype=np.float64),
        inside=pd.Series(
            [found[pair] for pair in inside],
            index=pd.MultiIndex.from_tuples(inside, names=("row", "place")),
            dtype=np.float64,
        ),
        households=_by_state(weight, district),
        persons=_by_state(weight * np.diff(population.starts[PERSON]), district),
    )
    origins = record({"area": area_path, "targets": targets_path}) | {"engine": engine.version}
    write_totals(path, totals, origins)


def _rows_of_districts(area: Area, targets: pd.DataFrame) -> dict[int, int]:
    """Return the rows that are about a district of a state, with the district's code."""
    if area.level != "state":
        return {}
    codes = pd.to_numeric(targets["geographic_id"], errors="coerce").to_numpy()
    is_inside = (targets["geo_level"].to_numpy() == "district") & (codes // 100 == area.state)
    return {row: int(codes[row]) for row in np.flatnonzero(is_inside).tolist()}


def _inside(area: Area, targets: pd.DataFrame, districts: np.ndarray) -> list[tuple[int, int]]:
    """Return rows about a state with a place: the state for the nation, else its districts."""
    if area.level == "city":
        return []
    level, code = targets["geo_level"].to_numpy(), targets["geographic_id"].to_numpy()
    pairs = []
    for state in np.unique(districts // 100).tolist():
        rows = np.flatnonzero((level == "state") & (code == str(state))).tolist()
        within = (
            [state] if area.level == "nation" else districts[districts // 100 == state].tolist()
        )
        pairs += [(row, place) for place in within for row in rows]
    return pairs


def _lies_in(district: np.ndarray, place: int | None) -> np.ndarray | slice:
    """Return which households lie in a place: a state or a district by code, None for all."""
    if place is None:
        return slice(None)
    return (district if place > LARGEST_STATE else district // 100) == place


def _by_state(units: np.ndarray, district: np.ndarray) -> pd.Series:
    states, number = np.unique(district // 100, return_inverse=True)
    return pd.Series(np.bincount(number, weights=units), index=states)
