"""A sweep's simulations, one alive at a time, in the process that has the model.

All outcomes are read off one simulation. What it says is written and the simulation closed before
the next one begins, so that memory does not grow with the number of parameter sets. What no reform
of the sweep reaches is taken over from a simulation without one.
"""

import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from localcal.engine.protocol import Common, Engine, naming_households
from localcal.engine.reforms import refuse_unknown
from localcal.errors import REMAKE, InputError
from localcal.files.hdf5 import create_h5, open_h5
from localcal.files.origins import record, refuse_other_files
from localcal.jobs.progress import Progress
from localcal.population.population import Population
from localcal.sweeps.bench import AreaFiles, RunFiles, set_up, states_of
from localcal.sweeps.cells import ERROR, Cell, CellRow, Store, failure
from localcal.sweeps.context import Context, Units
from localcal.sweeps.outcomes import (
    STATE,
    Outcome,
    evaluate,
    find_outcome,
    refuse_unknown_variables,
)
from localcal.sweeps.plan import Draw
from localcal.sweeps.sets import Value, change
from localcal.sweeps.stats import add_stats
from localcal.timing import EVALUATE, phase, simulating

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """What all simulations of a batch have in common.

    Attributes:
        label: what progress is about.
        columns: the parameters of the sets.
        values: of each set, by its number.
        draws: of the sweep.
        outcomes: their names.
        by_state: whether outcomes are also asked of every state.
        areas: each area's files.
        run: what draws are made from.
        states: what states are called, by FIPS code.
        together: households simulated at a time.
        store: where results go.
        stats: a file that each simulation adds a line to.
        total: simulations of the batch.
    """

    label: str
    columns: tuple[str, ...]
    values: Mapping[int, tuple[Value, ...]]
    draws: tuple[Draw, ...]
    outcomes: tuple[str, ...]
    by_state: bool
    areas: Mapping[str, AreaFiles]
    run: RunFiles
    states: Mapping[int, str]
    together: int
    store: Store
    stats: Path
    total: int


def find_outcomes(names: Sequence[str], engine: Engine) -> list[Outcome]:
    """Return outcomes that the model has the variables for.

    Raises:
        InputError: there is no such outcome, or no such variable.
    """
    outcomes = [find_outcome(name, Path.cwd()) for name in names]
    refuse_unknown_variables(outcomes, engine.variables())
    return outcomes


def required(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the variables that outcomes read, sorted."""
    return sorted({name for outcome in outcomes for name in outcome.requires})


def run_cells(engine: Engine, work: Work, cells: Sequence[Cell], done: int) -> None:
    """Simulate parameter sets, each written and freed before the next.

    Args:
        engine: the model.
        work: what they have in common.
        cells: the simulations, those of one area and draw after one another.
        done: how many of the batch were done before.

    Raises:
        InputError: a file is damaged, the disk is full, or an outcome cannot be had.
    """
    outcomes = find_outcomes(work.outcomes, engine)
    progress = Progress(work.label, work.total, done)
    for (area, seed_idx), group in groupby(cells, key=lambda cell: (cell.area, cell.seed_idx)):
        start = time.monotonic()
        stand = _Stand(engine, work, outcomes, area, work.draws[seed_idx])
        begun = time.monotonic() - start
        for cell in group:
            start = time.monotonic()
            with simulating(cell.set_id, cell.seed):
                work.store.write(cell, stand.rows(cell))
            seconds = time.monotonic() - start
            made = work.store.path(cell).name
            add_stats(work.stats, cell, made, work.together, seconds, begun)
            progress.advance()


class _Stand:
    """An area with one draw, ready for one simulation after the other."""

    def __init__(
        self, engine: Engine, work: Work, outcomes: Sequence[Outcome], area: str, draw: Draw
    ) -> None:
        self._engine = engine
        self._work = work
        self._outcomes = outcomes
        self._variables = required(outcomes)
        files = work.areas[area]
        self._bench = set_up(files, work.run, draw)
        assert files.baseline is not None  # every batch has one
        self._baseline = read_baseline(files, draw, self._variables)
        self._pieces = self._bench.pieces(work.together)
        self._units = Units.of(self._bench.population, engine.variables())
        self._states = states_of(self._bench.population, work.states)
        by_state = work.by_state and np.unique(self._states).size > 1
        self._by = STATE if by_state else ""
        self._common = self._unreached()

    def _unreached(self) -> Common | None:
        """Return what no set of the sweep reaches, where all households are simulated at once.

        Raises:
            InputError: a parameter of the sweep is none of the model's.
        """
        paths = {column.partition("@")[0] for column in self._work.columns}
        with self._engine.watching(paths):
            if len(self._pieces) > 1:
                return None
            with (
                closing(self._engine.simulate(self._pieces[0])) as simulation,
                naming_households(self._bench.ids),
            ):
                for name in self._variables:
                    simulation.calculate(name)
                return simulation.unreached(paths)

    @phase(EVALUATE)
    def rows(self, cell: Cell) -> list[CellRow]:
        """Return what a parameter set comes to; one that cannot be simulated says why."""
        values = zip(self._work.columns, self._work.values[cell.set_idx], strict=True)
        changes = [change(*each, self._bench.population.period) for each in values]
        try:
            with self._engine.reformed(changes):
                found = simulated(self._engine, self._pieces, self._variables, self._common)
        except InputError as error:
            return failure(self._work.outcomes, ERROR, type(error).__name__, str(error))
        context = Context(self._units, found, self._baseline, self._bench.weights, self._states)
        return [row for outcome in self._outcomes for row in self._of_outcome(outcome, context)]

    def _of_outcome(self, outcome: Outcome, context: Context) -> Iterator[CellRow]:
        names = self._bench.weight_names
        for found in evaluate(outcome, context, self._by):
            weight = names[found.vector] if found.vector >= 0 else ""
            yield CellRow(weight, outcome.name, *(found[:1] + found[2:]))


def simulated(
    engine: Engine, pieces: Sequence[Population], variables: Collection[str], common: Common | None
) -> dict[str, np.ndarray]:
    """Return variables' values for households, simulated piece by piece, (units,) float64."""
    found = [_piece(engine, piece, variables, common) for piece in pieces]
    return {name: np.concatenate([values[name] for values in found]) for name in variables}


def _piece(
    engine: Engine, piece: Population, variables: Collection[str], common: Common | None
) -> dict[str, np.ndarray]:
    # A function of its own, so that its simulation is gone before the next one begins.
    with (
        closing(engine.simulate(piece, common)) as simulation,
        naming_households(piece.ids["household"]),
    ):
        # A copy, also where the model has this type already: nothing of it may live on.
        return {name: simulation.calculate(name).astype(np.float64) for name in variables}


def write_baseline(
    engine: Engine,
    files: AreaFiles,
    run: RunFiles,
    draws: Sequence[Draw],
    outcomes: Sequence[str],
    together: int,
    path: Path,
    columns: Collection[str] = (),
) -> None:
    """Write what outcomes read of an area without a reform, once for all parameter sets.

    Args:
        engine: the model.
        files: the area's.
        run: what draws are made from.
        draws: of the sweep.
        outcomes: their names.
        together: households simulated at a time.
        path: the file to write: `/seed_{number}/{variable}`, float64, (units,).
        columns: the sweep's parameters, which change nothing here: a sweep of one that the model
            lacks is refused before its areas are simulated.

    Raises:
        InputError: a file is damaged, an outcome cannot be had, or there is no such parameter.
    """
    refuse_unknown(engine.parameters(), sorted(column.partition("@")[0] for column in columns))
    variables = required(find_outcomes(outcomes, engine))
    with create_h5(path) as file:
        file.attrs.update(record({"area": files.area}) | {"engine": engine.version})
        for draw in draws:
            bench = set_up(files, run, draw)
            found = simulated(engine, bench.pieces(together), variables, None)
            for name, values in found.items():
                file[f"{_group(draw)}/{name}"] = values
            file[_group(draw)].attrs["seed"] = draw.seed


def _group(draw: Draw) -> str:
    return f"seed_{draw.seed_idx}"


def read_baseline(files: AreaFiles, draw: Draw, variables: Sequence[str]) -> dict[str, np.ndarray]:
    """Read what an area comes to without a reform.

    Raises:
        InputError: the file is damaged, or of another area's file, draw or outcomes.
    """
    path = files.baseline
    assert path is not None
    with open_h5(path) as file:
        about = dict(file.attrs)
        if _group(draw) not in file or int(file[_group(draw)].attrs["seed"]) != draw.seed:
            raise InputError(f"{path}: of other draws than the sweep has now; {REMAKE}")
        group = file[_group(draw)]
        if lacking := sorted(set(variables) - set(group)):
            raise InputError(f"{path}: lacks {lacking[0]}; {REMAKE}")
        found = {name: group[name][:] for name in variables}
    refuse_other_files(path, about, {"area": files.area})
    return found
