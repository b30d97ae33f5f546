"""What a sweep's batches come to: a table per outcome, the failures, and a manifest.

Nothing here depends on how the sweep was cut into batches: the tables have the same bytes for any
batch size, order of work, number of workers, and history of retries.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, product
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from localcal.errors import REMAKE, InputError, one_line
from localcal.files.atomic import sha256_file, write_json
from localcal.files.parquet import write_parquet
from localcal.sweeps.batch import schema_of
from localcal.sweeps.cells import OK, is_undefined
from localcal.sweeps.plan import Draw, read_first, read_members
from localcal.sweeps.settings import Sweep

# What a row is of, and how many are looked at together.
KEY = ["set_idx", "area", "seed_idx", "outcome", "weight", "group"]
ROWS_LOOKED_AT = 1 << 10
type Key = tuple[int, str, int, str, str, str]

COMPLETE, PARTIAL, FAILED = "complete", "partial", "failed"
# What a manifest says; whoever reads one counts on these.
MANIFEST_KEYS = (
    "areas",
    "expected",
    "failed_sets",
    "found",
    "missing",
    "outcomes",
    "parameters",
    "repeated_sets",
    "run_id",
    "seeds",
    "sets",
    "status",
    "sweep",
    "undefined_rows",
)


def collect_outcome(plan: Path, batches: Sequence[Path], outcome: str, path: Path) -> None:
    """Write the rows of one outcome.

    Raises:
        InputError: a batch is damaged.
    """
    schema = schema_of(read_first(plan, 1))
    write_parquet(path, schema, _rows(batches, schema, pc.field("outcome") == outcome))


def collect_failures(plan: Path, batches: Sequence[Path], path: Path) -> None:
    """Write the rows that have no value, with what went wrong.

    Raises:
        InputError: a batch is damaged.
    """
    schema = schema_of(read_first(plan, 1))
    write_parquet(path, schema, _rows(batches, schema, pc.field("status") != OK))


def _rows(batches: Sequence[Path], schema: pa.Schema, chosen: pc.Expression) -> Iterator[pa.Table]:
    """Yield rows of the batches, one group of rows at a time."""
    for path in batches:
        for group in _groups(path, schema):
            yield group.filter(chosen)


def _groups(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(path) as file:
            if file.schema_arrow != schema:
                raise InputError(f"{path}: of another plan than the sweep has now; {REMAKE}")
            for number in range(file.num_row_groups):
                yield file.read_row_group(number)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: damaged ({one_line(error)}); {REMAKE}") from error


def _of_plan(
    batch: Path, groups: Iterable[pa.Table], members: Mapping[int, str]
) -> Iterator[pa.Table]:
    """Yield a batch's rows as they come by, each of the set that has its number in the plan.

    Raises:
        InputError: a number is of another set, so that the batch is of another plan.
    """
    for group in groups:
        for row in group.group_by(["set_idx", "set_id"]).aggregate([]).to_pylist():
            number, found = row["set_idx"], row["set_id"]
            if members.get(number, found) != found:
                raise InputError(
                    f"{batch}: has set {found} under number {number}, which is {members[number]} "
                    f"by the plan; {REMAKE}"
                )
        yield group


def collect_sweep(
    name: str,
    run_id: str,
    sweep: Sweep,
    draws: Sequence[Draw],
    repeated: int,
    files: Mapping[str, Sequence[Path]],
    path: Path,
) -> None:
    """Check that every planned simulation is there once, and write what there is.

    Args:
        name: the sweep's.
        run_id: the run's.
        sweep: its settings.
        draws: of the sweep.
        repeated: how many sets were there before in the table.
        files: `plan`, `batches`, `outcomes` in the sweep's order, `failures`.
        path: the manifest to write, with the keys of `MANIFEST_KEYS`.

    Raises:
        InputError: a row is missing or there twice, or more sets failed than are tolerated.
    """
    (plan,) = files["plan"]
    first = read_first(plan, 1)
    schema = schema_of(first)
    failed, found, sets = _Failed(), 0, 0
    for number, batch in enumerate(files["batches"]):
        members = read_members(plan, number)
        cells = product(members, sweep.areas, [draw.seed_idx for draw in draws])
        groups = _of_plan(batch, _groups(batch, schema), members)
        rows = chain.from_iterable(map(failed.keys, groups))
        found += _refuse_incomplete(batch, cells, rows, sweep.outcomes)
        sets += len(members)
    _refuse_failures(failed, sweep, name, files["failures"][0])
    content: dict[str, Any] = {
        "areas": list(sweep.areas),
        "expected": found,
        "failed_sets": failed.sets,
        "found": found,
        "missing": 0,
        "outcomes": dict(zip(sweep.outcomes, map(_about, files["outcomes"]), strict=True)),
        "parameters": list(first.columns),
        "repeated_sets": repeated,
        "run_id": run_id,
        "seeds": [draw.seed for draw in draws],
        "sets": sets,
        "status": _status(failed.sets, sets),
        "sweep": name,
        "undefined_rows": failed.undefined,
    }
    write_json(path, content)


def _status(failed: int, sets: int) -> str:
    if not failed:
        return COMPLETE
    return FAILED if failed == sets else PARTIAL


def _about(path: Path) -> dict[str, Any]:
    rows = pq.read_metadata(path).num_rows
    return {"file": f"outcomes/{path.name}", "rows": rows, "sha256": sha256_file(path)}


class _Failed:
    """Counts sets that failed and rows that are undefined, as rows come by in the sets' order.

    Attributes:
        sets: how many failed.
        first: what was wrong with the first.
        undefined: how many rows are of groups of nobody.
    """

    def __init__(self) -> None:
        self.sets = 0
        self.first = ""
        self.undefined = 0
        self._last = -1

    def keys(self, rows: pa.Table) -> Iterator[Key]:
        """Look at some rows and yield what each is of."""
        for row in rows.filter(pc.field("status") != OK).to_pylist():
            if is_undefined(row["group"], row["error_type"]):
                self.undefined += 1
            elif row["set_idx"] != self._last:
                self.sets += 1
                self._last = row["set_idx"]
                self.first = self.first or _in_words(row)
        for piece in rows.select(KEY).to_batches(max_chunksize=ROWS_LOOKED_AT):
            yield from zip(*(column.to_pylist() for column in piece.columns), strict=True)


def _in_words(row: Mapping[str, Any]) -> str:
    where = f"set {row['set_id']} (number {row['set_idx']}) in {row['area']}, {row['outcome']}"
    return f"{where}: {row['error_type']}: {row['error_message']}"


def _refuse_incomplete(
    batch: Path, cells: Iterable[tuple], rows: Iterable[Key], outcomes: Sequence[str]
) -> int:
    """Refuse a batch that lacks a planned row or has one twice; return how many are planned.

    Its simulations are in the order of the plan, so that the rows of one are all that is looked at.

    Args:
        batch: its table.
        cells: set, area and draw of each simulation that is planned, in order.
        rows: what each row of the table is of.
        outcomes: what each simulation is asked.
    """
    expected = 0
    simulations = groupby(rows, key=itemgetter(0, 1, 2))
    for cell in cells:
        found, own = next(simulations, (None, iter(())))
        if found != cell:
            instead = "ends" if found is None else f"has {found}"
            raise InputError(f"{batch}: lacks {cell} where it {instead}, by the plan; {REMAKE}")
        _refuse_other_rows(batch, list(own), outcomes)
        expected += len(outcomes)
    for found, _ in simulations:
        raise InputError(f"{batch}: has {found} twice, or besides the plan; {REMAKE}")
    return expected


def _refuse_other_rows(batch: Path, rows: Sequence[Key], outcomes: Sequence[str]) -> None:
    """Refuse a simulation with a row twice, or with other outcomes than it was asked."""
    twice = [row for row, count in Counter(rows).items() if count > 1]
    if twice:
        raise InputError(f"{batch}: has {twice[0]} twice; {REMAKE}")
    cell, found = rows[0][:3], {row[3] for row in rows}
    for names, word in ((set(outcomes) - found, "lacks"), (found - set(outcomes), "has also")):
        if names:
            raise InputError(f"{batch}: {word} {(*cell, min(names))}, by the plan; {REMAKE}")


def _refuse_failures(failed: _Failed, sweep: Sweep, name: str, failures: Path) -> None:
    if failed.sets > sweep.tolerate_failed_sets:
        raise InputError(
            f"{failures}: {failed.sets} parameter sets failed, {sweep.tolerate_failed_sets} are "
            f"tolerated; the first is {failed.first}; correct it, or set tolerate_failed_sets in "
            f"config/sweeps/{name}.yaml to {failed.sets}"
        )
