"""What a written file comes to in the model.

The file of the nation, of a state and of a city is loaded into the model as its users would load
it, once; the totals of every area inside it are read off that one simulation. So are those of a
sample of districts, to be compared with what their states' simulations say of them.

A large file is cut into files of some of its households, which bounds memory. Nothing depends on
who else is in a file, since all that looks at the population as a whole is stored in it.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.engine.protocol import Engine, Simulation
from localcal.files.arrays import refuse_bad_weights
from localcal.files.origins import record
from localcal.geography.areas import Area
from localcal.geography.geography import few_states_at_a_time
from localcal.jobs.progress import Progress
from localcal.population.dataset import read_population, write_population
from localcal.population.population import PERSON, Population, take_households
from localcal.targets.evaluate import Evaluation
from localcal.targets.measures import Measure, distinct_measures
from localcal.targets.table import read_targets
from localcal.timing import EVALUATE, phase
from localcal.validation.totals import Totals, rows_of_area, write_totals

# Households put into the model at a time, at some 120 kB each.
HOUSEHOLDS_TOGETHER = 2_500

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
    by_household = _by_household(area, area_path, population, measures, engine)
    wanted = [(row, None) for row in own] + [*inner.items(), *inside]
    lies_in = {place: _lies_in(district, place) for _, place in wanted}
    places_of: dict[int, list[int | None]] = {row: [] for row in rows.tolist()}
    for row, place in wanted:
        places_of[row].append(place)
    found: dict[tuple[int, int | None], float] = {}
    for number, values in enumerate(by_household):
        weighted = values * weight
        for row in rows[of_target == number].tolist():
            for place in places_of[row]:
                found[row, place] = float(weighted[lies_in[place]].sum())
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


@phase(EVALUATE)
def _by_household(
    area: Area, path: Path, population: Population, measures: Sequence[Measure], engine: Engine
) -> np.ndarray:
    """Return what every measure comes to in every household, (measures, households) float64."""
    result = np.zeros((len(measures), population.count("household")))
    progress = Progress(f"{area.area}: households", result.shape[1])
    state = population.values["state_fips"]
    for households in few_states_at_a_time(state, HOUSEHOLDS_TOGETHER):
        with _loaded(path, population, households, engine) as (some, simulation):
            evaluation = Evaluation(simulation, some, engine.variables())
            for number, values in evaluation.measure(measures):
                result[number, households] = values
        progress.advance(households.size)
    return result


@contextmanager
def _loaded(
    path: Path, population: Population, households: np.ndarray, engine: Engine
) -> Iterator[tuple[Population, Simulation]]:
    """Have some of a file's households in the model: from that file, or from one of them alone."""
    with tempfile.TemporaryDirectory() as folder:
        if households.size < population.count("household"):
            path = Path(folder) / path.name
            population = take_households(population, households)
            write_population(path, population)
        with closing(engine.load(path, population.period)) as simulation:
            yield population, simulation


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
