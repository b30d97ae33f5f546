"""What a sweep's batches come to: a table per outcome, the failures, and a manifest.

Nothing here depends on how the sweep was cut into batches: the tables have the same bytes for any
batch size, order of work, number of workers, and history of retries.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
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
from localcal.sweeps.plan import Draw, Planned, read_plan
from localcal.sweeps.settings import Sweep

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
    schema = schema_of(read_plan(plan))
    write_parquet(path, schema, _rows(batches, schema, pc.field("outcome") == outcome))


def collect_failures(plan: Path, batches: Sequence[Path], path: Path) -> None:
    """Write the rows that have no value, with what went wrong.

    Raises:
        InputError: a batch is damaged.
    """
    schema = schema_of(read_plan(plan))
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
    planned = read_plan(plan)
    failed: dict[str, str] = {}
    found = undefined = 0
    schema = schema_of(planned)
    for number, batch in enumerate(files["batches"]):
        seen = Counter[tuple]()
        for rows in _groups(batch, schema):
            undefined += _look(rows, seen, failed)
        found += _refuse_incomplete(batch, _keys(planned, number, sweep, draws), seen)
    _refuse_failures(failed, sweep, name, files["failures"][0])
    content: dict[str, Any] = {
        "areas": list(sweep.areas),
        "expected": found,
        "failed_sets": len(failed),
        "found": found,
        "missing": 0,
        "outcomes": dict(zip(sweep.outcomes, map(_about, files["outcomes"]), strict=True)),
        "parameters": list(planned.columns),
        "repeated_sets": repeated,
        "run_id": run_id,
        "seeds": [draw.seed for draw in draws],
        "sets": len(planned.set_id),
        "status": _status(len(failed), len(planned.set_id)),
        "sweep": name,
        "undefined_rows": undefined,
    }
    write_json(path, content)


def _status(failed: int, sets: int) -> str:
    if not failed:
        return COMPLETE
    return FAILED if failed == sets else PARTIAL


def _about(path: Path) -> dict[str, Any]:
    rows = pq.read_metadata(path).num_rows
    return {"file": f"outcomes/{path.name}", "rows": rows, "sha256": sha256_file(path)}


def _keys(
    planned: Planned, batch: int, sweep: Sweep, draws: Sequence[Draw]
) -> set[tuple[int, str, int, str]]:
    """Return what there has to be in a batch: set, area, draw and outcome."""
    sets = [
        number for number, own in zip(planned.set_idx, planned.batch, strict=True) if own == batch
    ]
    return set(product(sets, sweep.areas, (draw.seed_idx for draw in draws), sweep.outcomes))


def _look(rows: pa.Table, seen: Counter[tuple], failed: dict[str, str]) -> int:
    """Count rows of each key, and note sets that failed; return how many rows are undefined."""
    names = ("set_idx", "area", "seed_idx", "outcome", "weight", "group")
    seen.update(zip(*(rows[name].to_pylist() for name in names), strict=True))
    wrong = rows.filter(pc.field("status") != OK)
    undefined = 0
    for row in wrong.to_pylist():
        if is_undefined(row["group"], row["error_type"]):
            undefined += 1
        else:
            failed.setdefault(row["set_id"], _in_words(row))
    return undefined


def _in_words(row: Mapping[str, Any]) -> str:
    where = f"set {row['set_id']} (number {row['set_idx']}) in {row['area']}, {row['outcome']}"
    return f"{where}: {row['error_type']}: {row['error_message']}"


def _refuse_incomplete(batch: Path, expected: set[tuple], seen: Counter[tuple]) -> int:
    """Refuse a batch that lacks a planned row or has one twice; return how many are planned."""
    twice = [key for key, count in seen.items() if count > 1]
    if twice:
        raise InputError(f"{batch}: has {twice[0]} twice; {REMAKE}")
    found = {key[:4] for key in seen}
    for missing, word in ((expected - found, "lacks"), (found - expected, "has also")):
        if missing:
            raise InputError(f"{batch}: {word} {min(missing)}, by the plan; {REMAKE}")
    return len(expected)


def _refuse_failures(failed: Mapping[str, str], sweep: Sweep, name: str, failures: Path) -> None:
    if len(failed) > sweep.tolerate_failed_sets:
        first = next(iter(failed.values()))
        raise InputError(
            f"{failures}: {len(failed)} parameter sets failed, {sweep.tolerate_failed_sets} are "
            f"tolerated; the first is {first}; correct it, or set tolerate_failed_sets in "
            f"config/sweeps/{name}.yaml to {len(failed)}"
        )
