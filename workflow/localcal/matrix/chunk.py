"""One chunk of the matrix: simulate its columns, evaluate every target, write one shard."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse

from localcal.clones.frozen import Frozen, read_frozen
from localcal.clones.locate import locate
from localcal.engine.protocol import Engine, at_columns, naming_households
from localcal.files.csr import index_dtype, write_csr
from localcal.files.origins import refuse_other_files
from localcal.geography.codes import DISTRICT_CODES, STATE_CODES
from localcal.geography.geography import Geography, read_geography
from localcal.jobs.progress import Progress
from localcal.matrix.alike import Part, simulate_parts
from localcal.matrix.plan import MatrixInputs, read_plan
from localcal.population.dataset import read_population
from localcal.population.population import Population
from localcal.targets.evaluate import Evaluation
from localcal.targets.measures import Measure, distinct_measures, needed_variables
from localcal.targets.table import read_targets
from localcal.timing import EVALUATE, aggregating, phase, simulating

logger = logging.getLogger(__name__)


def build_chunk(
    chunk: int,
    plan_path: Path,
    inputs: MatrixInputs,
    engine: Engine,
    path: Path,
    columns: tuple[int, int] | None = None,
) -> None:
    """Write the shard of one chunk, or of a part of it.

    Args:
        chunk: its number.
        plan_path: the plan.
        inputs: what the plan was made for.
        engine: the model.
        path: the shard to write.
        columns: the first of the part and the one after its last; all if none are given.

    Raises:
        InputError: an input is not the one planned for, or a target cannot be evaluated.
    """
    plan = read_plan(plan_path)
    refuse_other_files(plan_path, plan.digests, vars(inputs))
    start, stop = plan.columns(chunk) if columns is None else columns
    targets = read_targets(inputs.targets)
    places = read_geography(inputs.geography, start, stop)
    population = read_population(inputs.population)
    logger.info("columns %d to %d of %d targets", start, stop - 1, len(targets))
    with simulating(f"columns_{start}_{stop - 1}"):
        matrix = evaluate_columns(population, places, read_frozen(inputs.frozen), targets, engine)
    write_csr(path, matrix, plan.about(chunk, start, stop, engine.version))
    logger.info("columns %d to %d: %d entries", start, stop - 1, matrix.nnz)


@phase(EVALUATE)
def evaluate_columns(
    population: Population,
    places: Geography,
    frozen: Frozen,
    targets: pd.DataFrame,
    engine: Engine,
) -> scipy.sparse.csr_array:
    """Return targets x columns: what one unit of each column's weight adds to each target.

    Args:
        population: the base households.
        places: the columns.
        frozen: take-up rates and whole-population variables of the run.
        targets: the targets, one per row.
        engine: the model.

    Raises:
        InputError: a target cannot be evaluated; names the household where the model does.
    """
    distinct = distinct_measures(targets)
    parts = simulate_columns(population, places, frozen, distinct[0], engine)
    with naming_households(population.ids["household"][places.household]):
        return evaluate_parts(parts, places, targets, distinct, engine)


def simulate_columns(
    population: Population,
    places: Geography,
    frozen: Frozen,
    measures: Sequence[Measure],
    engine: Engine,
) -> Iterator[Part]:
    """Yield simulations that together cover every column once, of what measures read.

    Args:
        population: the base households.
        places: the columns.
        frozen: take-up rates and whole-population variables of the run.
        measures: what will be asked for.
        engine: the model.
    """

    def located(some: Geography) -> Population:
        return locate(population, some, frozen, weight=np.ones(some.household.size))

    neutralized = {measure.variable for measure in measures if measure.reform_id}
    return simulate_parts(places, located, needed_variables(measures), neutralized, engine)


def evaluate_parts(
    parts: Iterable[Part],
    places: Geography,
    targets: pd.DataFrame,
    distinct: tuple[Sequence[Measure], np.ndarray],
    engine: Engine,
) -> scipy.sparse.csr_array:
    """Return targets x columns, of simulations of the columns.

    Args:
        parts: simulations that together cover every column once.
        places: the columns.
        targets: the targets, one per row.
        distinct: the measures that they share, and each target's position among them.
        engine: the model.

    Raises:
        InputError: a target cannot be evaluated.
    """
    measures, of_target = distinct
    lookups = [_RowsByPlace(targets, of_target == number) for number in range(len(measures))]
    progress = Progress("columns", places.household.size)
    rows: list[np.ndarray] = []
    columns: list[np.ndarray] = []
    data: list[np.ndarray] = []
    sizes: list[int] = []
    for part in parts:
        state, district = places.state[part.columns], places.district[part.columns]
        evaluation = Evaluation(part.simulation, part.clones, engine.variables())
        with at_columns(part.columns):
            for number, by_household in evaluation.measure(measures):
                values = by_household.astype(np.float32)
                filled = np.flatnonzero(values)
                for row in lookups[number].rows(state[filled], district[filled]):
                    matching = row >= 0
                    rows.append(row[matching])
                    columns.append(part.columns[filled[matching]])
                    data.append(values[filled[matching]])
        sizes.append(
            sum(array.nbytes for found in (rows, columns, data) for array in found) - sum(sizes)
        )
        progress.advance(part.columns.size)
    with aggregating("shard") as payload:
        payload.sizes = sizes
        matrix = _to_csr(rows, columns, data, shape=(len(targets), places.household.size))
        payload.outputs = matrix.nnz
    return matrix


class _RowsByPlace:
    """The rows of one measure's targets, by state and district."""

    def __init__(self, targets: pd.DataFrame, of_measure: np.ndarray) -> None:
        rows = np.flatnonzero(of_measure)
        level = targets["geo_level"].to_numpy()[rows]
        place = targets["geographic_id"].to_numpy()[rows]
        self._national = rows[level == "nation"]
        self._tables = []
        for name, n_codes in (("state", STATE_CODES), ("district", DISTRICT_CODES)):
            table = np.full(n_codes, -1, dtype=np.int64)
            here = rows[level == name]
            code = place[level == name].astype(np.int64)
            # No column lies in a territory: its targets have empty rows, which the summary lists.
            known = code < n_codes
            table[code[known]] = here[known]
            self._tables.append(table)

    def rows(self, state: np.ndarray, district: np.ndarray) -> list[np.ndarray]:
        """Return, level by level, the row each column adds to, -1 where there is none."""
        national = [np.full(state.size, row) for row in self._national]
        return [*national, self._tables[0][state], self._tables[1][district]]


def _to_csr(
    rows: list[np.ndarray],
    columns: list[np.ndarray],
    data: list[np.ndarray],
    shape: tuple[int, int],
) -> scipy.sparse.csr_array:
    """Sort entries by row and column; no two have both in common."""
    row = np.concatenate([np.empty(0, dtype=np.int64), *rows])
    column = np.concatenate([np.empty(0, dtype=np.int64), *columns])
    order = np.lexsort((column, row))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=shape[0]))])
    value = np.concatenate([np.empty(0, dtype=np.float32), *data])[order]
    matrix = scipy.sparse.csr_array(
        (value, column[order].astype(index_dtype(shape[1])), indptr), shape=shape
    )
    matrix.has_sorted_indices = True
    return matrix
