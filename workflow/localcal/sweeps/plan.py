"""A sweep's plan: every simulation it takes, in which batch, and what it will cost."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from localcal.errors import REMAKE, InputError, one_line
from localcal.files.atomic import write_json
from localcal.files.parquet import write_parquet
from localcal.sweeps.sets import ParameterSets, Value
from localcal.sweeps.settings import Sweep

logger = logging.getLogger(__name__)

# What parameters are called among the columns of tables.
PARAMETER = "param_"

# The other columns of a plan, and how many sets are made into rows at a time.
SETS = (
    pa.field("set_idx", pa.int64()),
    pa.field("set_id", pa.string()),
    pa.field("name", pa.string()),
    pa.field("batch", pa.int64()),
)
SETS_TOGETHER = 1 << 10


class Draw(NamedTuple):
    """Who takes up what in a simulation.

    Attributes:
        seed_idx: its number in the sweep.
        seed: the key of the draws, which is also what the simulation is made with.
        variables: the take-up variables that are drawn anew with it; None for all that the run
            draws, () for none.
    """

    seed_idx: int
    seed: int
    variables: tuple[str, ...] | None


@dataclass(frozen=True)
class Planned:
    """Parameter sets of a plan.

    Attributes:
        columns: the parameters, sorted.
        set_idx: the number of each set in the sweep.
        set_id: the id of each.
        name: what the table of sets calls each, '' if it does not.
        values: of the columns in each.
        batch: which batch each is in.
    """

    columns: tuple[str, ...]
    set_idx: tuple[int, ...]
    set_id: tuple[str, ...]
    name: tuple[str, ...]
    values: tuple[tuple[Value, ...], ...]
    batch: tuple[int, ...]


def draws_of(sweep: Sweep, run_seed: int) -> tuple[Draw, ...]:
    """Return the draws of a sweep; they are the same for every parameter set.

    So differences between sets do not come from who happened to take something up.

    Args:
        sweep: its settings.
        run_seed: the seed that the run's own draws were made with.
    """
    if not sweep.seeds.count:
        return (Draw(0, run_seed, ()),)
    return tuple(
        Draw(number, seed_of(sweep.seeds.base_seed, number), sweep.seeds.variables)
        for number in range(sweep.seeds.count)
    )


def seed_of(base_seed: int, number: int) -> int:
    """Return the seed of a draw: 63 bits of a digest of the two."""
    digest = hashlib.blake2b(f"{base_seed}:{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def simulations_of(sweep: Sweep, n_sets: int) -> tuple[int, int]:
    """Return how many simulations a sweep takes under reforms, and how many without."""
    of_set = len(sweep.areas) * max(1, sweep.seeds.count)
    return n_sets * of_set, of_set


def refuse_too_many(sweep: Sweep, n_sets: int, source: str) -> None:
    """Refuse a sweep of more simulations than it says it may have, before anything is done.

    Raises:
        InputError: there are too many.
    """
    reformed, baseline = simulations_of(sweep, n_sets)
    total = reformed + baseline
    if total > sweep.largest.simulations:
        raise InputError(
            f"{source}: {n_sets:,} parameter sets x {len(sweep.areas)} areas x "
            f"{max(1, sweep.seeds.count)} seeds and {baseline} of the baseline are {total:,} "
            f"simulations, above largest.simulations = {sweep.largest.simulations:,}; ask for "
            "fewer, or raise that if you mean it"
        )


def write_plan(sets: ParameterSets, size: int, path: Path) -> None:
    """Write which sets there are and which batch each is in.

    Args:
        sets: the sweep's.
        size: how many sets a batch has.
        path: the table to write: set_idx, set_id, name, batch and a column per parameter.
    """
    schema = pa.schema([*SETS, *parameter_fields(sets.columns, sets.sets[0].values)])
    starts = range(0, len(sets.ids), SETS_TOGETHER)
    write_parquet(path, schema, (_piece(sets, size, start, schema) for start in starts))


def parameter_fields(columns: Sequence[str], values: Sequence[Value]) -> list[pa.Field]:
    """Return the columns of parameters in tables, by the kinds of a set's values."""
    return [
        (pa.field(PARAMETER + name, pa.bool_() if isinstance(value, bool) else pa.float64()))
        for name, value in zip(columns, values, strict=True)
    ]


def _piece(sets: ParameterSets, size: int, start: int, schema: pa.Schema) -> pa.Table:
    numbers = range(start, min(start + SETS_TOGETHER, len(sets.ids)))
    rows = (
        (number, sets.ids[number], sets.sets[number].name, number // size)
        + sets.sets[number].values
        for number in numbers
    )
    return pa.table(list(map(list, zip(*rows, strict=True))), schema=schema)


def read_plan(path: Path, batch: int | None = None) -> Planned:
    """Read a plan, all of it or one batch.

    Raises:
        InputError: it is damaged, or has no such batch.
    """
    with _reading(path):
        filters = None if batch is None else [("batch", "=", batch)]
        table = pq.read_table(path, filters=filters)
    if not table.num_rows:
        raise InputError(f"{path}: has no set of batch {batch}; {REMAKE}")
    return _planned(table)


def read_first(path: Path, count: int) -> Planned:
    """Read the first sets of a plan.

    Raises:
        InputError: it is damaged.
    """
    with _reading(path), pq.ParquetFile(path) as file:
        pieces = file.iter_batches(batch_size=max(count, 1))
        table = pa.Table.from_batches(islice(pieces, 1), file.schema_arrow)
    return _planned(table.slice(0, count))


def read_members(path: Path, batch: int) -> dict[int, str]:
    """Read the numbers of a batch's sets and their ids, which is all that is kept of them.

    Raises:
        InputError: the plan is damaged.
    """
    with _reading(path):
        filters = [("batch", "=", batch)]
        table = pq.read_table(path, columns=["set_idx", "set_id"], filters=filters)
    return dict(zip(*(column.to_pylist() for column in table.columns), strict=True))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: damaged, no plan ({one_line(error)}); {REMAKE}") from error


def _planned(table: pa.Table) -> Planned:
    columns = [name for name in table.column_names if name.startswith(PARAMETER)]
    values = zip(*(table[name].to_pylist() for name in columns), strict=True)
    return Planned(
        columns=tuple(name.removeprefix(PARAMETER) for name in columns),
        set_idx=tuple(table["set_idx"].to_pylist()),
        set_id=tuple(table["set_id"].to_pylist()),
        name=tuple(table["name"].to_pylist()),
        values=tuple(values),
        batch=tuple(table["batch"].to_pylist()),
    )


def describe(
    sweep: Sweep, sets: ParameterSets, size: int, draws: Sequence[Draw], path: Path
) -> None:
    """Write what a sweep takes, as far as it is known without a simulation."""
    reformed, baseline = simulations_of(sweep, len(sets.ids))
    for there, before in sets.repeated:
        logger.warning("%s repeats the parameter set of %s; it runs once", there, before)
    batches = -(-len(sets.ids) // size)
    logger.info(
        "%d parameter sets in %d batches of %d (batch_size, or LOCALCAL_SWEEP_BATCH_SIZE)",
        len(sets.ids),
        batches,
        size,
    )
    write_json(
        path,
        {
            "areas": list(sweep.areas),
            "batch_size": size,
            "batches": batches,
            "outcomes": list(sweep.outcomes),
            "parameters": list(sets.columns),
            "repeated": [{"at": there, "first_at": before} for there, before in sets.repeated],
            "replicates": sweep.replicates,
            "seeds": [draw.seed for draw in draws],
            "sets": len(sets.ids),
            "sets_digest": sets.digest,
            "simulations": reformed,
            "simulations_of_baseline": baseline,
        },
    )


class Cost(NamedTuple):
    """What a sweep will cost by the measure of its pilot.

    Attributes:
        seconds: of each area's mean simulation, its outcomes included.
        seconds_to_begin: of what a batch does in each area, once for a draw, before its first set;
            most of it is the simulation without a reform whose values the sets share.
        peak_mb: the most memory that the pilot's process had, the model included.
    """

    seconds: dict[str, float]
    seconds_to_begin: dict[str, float]
    peak_mb: int


def state_cost(sweep: Sweep, n_sets: int, size: int, cost: Cost, source: str, path: Path) -> None:
    """Write and log the hours, memory and files of a sweep; without a pilot, only the files.

    Raises:
        InputError: it takes more hours than it says it may.
    """
    draws = max(1, sweep.seeds.count)
    per_set = sum(cost.seconds.values()) * draws
    per_batch = sum(cost.seconds_to_begin.values()) * draws
    batches = -(-n_sets // size)
    hours_to_begin = batches * per_batch / 3600
    hours = n_sets * per_set / 3600 + hours_to_begin
    files = n_sets * len(sweep.areas) * draws
    content: dict[str, Any] = {"files": files, "sets": n_sets}
    if not cost.seconds:
        write_json(path, content | {"hours": None, "hours_to_begin": None, "peak_mb": None})
        return
    content |= {
        "hours": hours,
        "hours_to_begin": hours_to_begin,
        "peak_mb": cost.peak_mb,
        "seconds_per_simulation": cost.seconds,
        "seconds_to_begin": cost.seconds_to_begin,
    }
    logger.info(
        "%d parameter sets: %.3g hours of work for one job at a time, %.3g of them for what %d "
        "batches do before their first set, %d MB per job, %d files of single simulations",
        n_sets,
        hours,
        hours_to_begin,
        batches,
        cost.peak_mb,
        files,
    )
    if hours > sweep.largest.hours:
        raise InputError(
            f"{source}: {n_sets:,} parameter sets at {per_set:.3g} s each and {batches:,} batches "
            f"at {per_batch:.3g} s before their first set are {hours:,.3g} hours of work, above "
            f"largest.hours = {sweep.largest.hours:g}; ask for fewer, or raise that if you mean it"
        )
    write_json(path, content)
