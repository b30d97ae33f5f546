"""One batch of a sweep: simulated by supervised processes, gathered into one table.

This is the side that has no model. It hands simulations to the warm process, sees to it when that
runs out of memory, and writes the batch's table of what is finished; it never holds more of it than
one simulation's rows.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow as pa

from localcal.engine.client import run_with_engine
from localcal.files.origins import record
from localcal.files.parquet import write_parquet
from localcal.jobs.supervisor import work_through
from localcal.sweeps import stats
from localcal.sweeps.bench import AreaFiles, RunFiles
from localcal.sweeps.cells import OUT_OF_MEMORY, SCHEMA, Cell, Store, failure, table_of
from localcal.sweeps.names import outcome_digests
from localcal.sweeps.plan import (
    Cost,
    Planned,
    draws_of,
    parameter_fields,
    read_first,
    read_plan,
    refuse_too_many,
    state_cost,
    write_plan,
)
from localcal.sweeps.plan import describe as describe_plan
from localcal.sweeps.sets import ParameterSets, Value
from localcal.sweeps.settings import Sweep
from localcal.sweeps.simulate import Work
from localcal.sweeps.stats import Took
from localcal.timing import Payload, aggregating

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setting:
    """What a sweep is, and where.

    Attributes:
        name: the sweep's.
        sweep: its settings.
        engine: the model as `module:Class`.
        run_seed: the seed of the run's own draws.
        areas: each area's files.
        run: what draws are made from.
        states: what states are called, by FIPS code.
        store: the folder of finished simulations.
        code: a digest of the code that simulates.
    """

    name: str
    sweep: Sweep
    engine: str
    run_seed: int
    areas: Mapping[str, AreaFiles]
    run: RunFiles
    states: Mapping[int, str]
    store: Path
    code: str

    def made_from(self, area: str) -> dict[str, Any]:
        """Return what, besides the set and the seed, decides the numbers of an area."""
        files = self.areas[area]
        inputs = {name: path for name, path in vars(files).items() if path is not None}
        drawn = self.sweep.seeds.count > 0
        if drawn:
            inputs |= {"population": self.run.population, "frozen": self.run.frozen}
        variables = self.sweep.seeds.variables
        return {
            "files": record(inputs),
            "clones": self.run.clones if drawn else None,
            "drawn": None if not drawn or variables is None else sorted(variables),
            "outcomes": outcome_digests(self.sweep.outcomes),
            "by_state": self.sweep.by_state,
            "code": self.code,
        }

    def finished(self) -> Store:
        """Return where finished simulations are."""
        return Store(self.store, {area: self.made_from(area) for area in self.sweep.areas})


def cells_of(setting: Setting, planned: Planned) -> list[Cell]:
    """Return the simulations of some sets, those of one area and draw after one another."""
    return [
        Cell(number, name, area, draw.seed_idx, draw.seed)
        for area in setting.sweep.areas
        for draw in draws_of(setting.sweep, setting.run_seed)
        for number, name in zip(planned.set_idx, planned.set_id, strict=True)
    ]


def plan_sweep(
    setting: Setting, sets: ParameterSets, size: int, source: str, outputs: Mapping[str, Path]
) -> None:
    """Plan a sweep and state what it will cost, from a pilot whose simulations are kept.

    Args:
        setting: what the sweep is.
        sets: its parameter sets.
        size: how many sets a batch has.
        source: the sweep's file.
        outputs: `plan`, the table; `about`, what is known without a simulation; `cost`.

    Raises:
        InputError: the sweep is larger than it says it may be, or its first sets cannot be
            simulated.
        OutOfMemory: they do not fit.
    """
    refuse_too_many(setting.sweep, len(sets.ids), source)
    describe_plan(
        setting.sweep, sets, size, draws_of(setting.sweep, setting.run_seed), outputs["about"]
    )
    write_plan(sets, size, outputs["plan"])
    pilot = read_first(outputs["plan"], setting.sweep.pilot)
    cost = _pilot(setting, pilot, outputs["plan"].with_suffix(stats.SUFFIX))
    state_cost(setting.sweep, len(sets.ids), size, cost, source, outputs["cost"])


def _pilot(setting: Setting, planned: Planned, path: Path) -> Cost:
    """Return what the first sets take with the first draw, simulating those that are not known.

    Args:
        setting: what the sweep is.
        planned: the first sets.
        path: the plan's file of lines on what simulations took; those of batches lie below it.
    """
    store, together = setting.finished(), setting.sweep.households_together
    lines = [path, *sorted((path.parent / "batches").glob(f"*{stats.SUFFIX}"))]
    known = stats.read_stats(lines, together)
    cells = [cell for cell in cells_of(setting, planned) if cell.seed_idx == 0]
    for area in setting.sweep.areas if cells else ():
        new = [cell for cell in cells if cell.area == area and not _is_known(cell, store, known)]
        if new:
            work = _work(setting, planned, f"pilot in {area}: simulations", store, path, len(new))
            _simulate(setting, work, new, 0, setting.sweep.memory_mb)
        else:
            logger.info("pilot in %s: it was simulated before", area)
    known |= stats.read_stats([path], together)
    took: dict[str, list[Took]] = {area: [] for area in setting.sweep.areas}
    for cell in cells:
        took[cell.area].append(known[store.path(cell).name])
    seconds = {area: fmean(one.seconds for one in own) for area, own in took.items() if own}
    begin = {area: fmean(one.seconds_to_begin for one in took[area]) for area in seconds}
    return Cost(
        seconds, begin, max((one.peak_mb for own in took.values() for one in own), default=0)
    )


def _is_known(cell: Cell, store: Store, known: Mapping[str, Took]) -> bool:
    """Say whether a simulation is finished, and what it took is known."""
    return store.has(cell) and store.path(cell).name in known


def _work(
    setting: Setting, planned: Planned, label: str, store: Store, lines: Path, total: int
) -> Work:
    return Work(
        label=label,
        columns=planned.columns,
        values=dict(zip(planned.set_idx, planned.values, strict=True)),
        draws=draws_of(setting.sweep, setting.run_seed),
        outcomes=setting.sweep.outcomes,
        by_state=setting.sweep.by_state,
        areas=setting.areas,
        run=setting.run,
        states=setting.states,
        together=setting.sweep.households_together,
        store=store,
        stats=lines,
        total=total,
    )


def _simulate(
    setting: Setting, work: Work, cells: Sequence[Cell], done: int, limit_mb: int
) -> None:
    """Have the warm process simulate."""
    run_with_engine(
        setting.engine,
        "localcal.sweeps.simulate:run_cells",
        limit_mb=limit_mb,
        work=work,
        cells=list(cells),
        done=done,
    )


def run_batch(setting: Setting, plan: Path, batch: int, limit_mb: int, path: Path) -> None:
    """Write the table of a batch: every row of its parameter sets, those that failed among them.

    Args:
        setting: what the sweep is.
        plan: the sweep's plan.
        batch: the batch's number.
        limit_mb: what the process that simulates may take.
        path: the table to write, sorted by set, area, seed; the rows of one simulation as outcomes
            yield them.

    Raises:
        InputError: something is wrong that is not one set's.
        OutOfMemory: the remedy for it is another than to split the batch, or did not help.
    """
    planned = read_plan(plan, batch)
    store = setting.finished()
    cells = cells_of(setting, planned)
    before = sum(map(store.has, cells))
    label = f"batch {batch}: simulations"
    logger.info("%s: %d of %d were done before", label, before, len(cells))
    lines = path.with_suffix(stats.SUFFIX)
    work = _work(setting, planned, label, store, lines, len(cells))
    given_up: dict[Cell, str] = {}

    def simulate(part: Sequence[Cell]) -> None:
        done = len(given_up) + sum(map(store.has, cells))
        _simulate(setting, work, part, done, limit_mb)

    sweep = setting.sweep
    advice = (
        f"in config/sweeps/{setting.name}.yaml raise memory_mb (now {sweep.memory_mb}) or lower "
        f"households_together (now {sweep.households_together})"
    )
    work_through(cells, simulate, store.has, given_up.__setitem__, sweep.on_out_of_memory, advice)
    by_set = sorted(cells, key=lambda cell: cell.set_idx)
    with aggregating(",".join(sweep.outcomes)) as payload:
        tables = map(partial(_table, planned, work, given_up), by_set)
        write_parquet(path, schema_of(planned), _told(tables, payload))


def _told(tables: Iterable[pa.Table], payload: Payload) -> Iterator[pa.Table]:
    """Yield tables, and say how large they are."""
    for table in tables:
        payload.sizes.append(table.nbytes)
        payload.outputs += table.num_rows
        yield table


def schema_of(planned: Planned) -> pa.Schema:
    """Return the columns of a batch's table, and of what is gathered from batches."""
    return pa.schema(
        [
            ("set_id", pa.string()),
            ("set_idx", pa.int64()),
            *parameter_fields(planned.columns, planned.values[0]),
            ("area", pa.string()),
            ("seed_idx", pa.int64()),
            ("seed", pa.int64()),
            *SCHEMA,
        ]
    )


def _table(planned: Planned, work: Work, given_up: Mapping[Cell, str], cell: Cell) -> pa.Table:
    """Return the rows of one simulation with the columns that say which one it is."""
    if cell in given_up:
        rows = table_of(failure(work.outcomes, OUT_OF_MEMORY, "MemoryError", OUT_OF_MEMORY))
    else:
        rows = work.store.read(cell)
    schema = schema_of(planned)
    values: tuple[Value, ...] = work.values[cell.set_idx]
    own = [cell.set_id, cell.set_idx, *values, cell.area, cell.seed_idx, cell.seed]
    constant = [
        pa.repeat(pa.scalar(value, field.type), rows.num_rows)
        for value, field in zip(own, schema, strict=False)
    ]
    columns = [*constant, *(column.combine_chunks() for column in rows.columns)]
    return pa.table(columns, schema=schema)
