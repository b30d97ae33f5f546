"""The matrix from its shards, row block by row block.

The first pass reads the `indptr` of every shard and so knows where each row of the matrix begins.
The second fills one block of rows after the other; memory is one block, whatever the matrix.
Shards come in the order of their columns, so nothing has to be sorted.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.errors import REMAKE, InputError
from localcal.files.atomic import write_json
from localcal.files.csr import (
    Attributes,
    CsrFile,
    Entries,
    csr_sink,
    index_dtype,
    open_csr,
    row_ranges,
)
from localcal.files.origins import refuse_other, refuse_other_files
from localcal.files.pieces import Pieces
from localcal.jobs.progress import Progress
from localcal.matrix.plan import Plan, read_plan
from localcal.targets.table import read_targets
from localcal.timing import aggregating

logger = logging.getLogger(__name__)

# Entries of the matrix held in memory at a time (8 bytes each, 12 with wide indices).
BLOCK_ENTRIES = 1_500_000

HARDEST = 20


def assemble_matrix(
    plan_path: Path, shard_paths: list[Path], targets_path: Path, path: Path, summary_path: Path
) -> None:
    """Write the matrix and a summary of it.

    Args:
        plan_path: the plan.
        shard_paths: the shard of every chunk, in order.
        targets_path: the targets, one per row.
        path: the matrix to write, renamed last.
        summary_path: the summary to write: shape, nnz, digests, impossible and hardest targets.

    Raises:
        InputError: a shard is missing, damaged or made from something else.
    """
    plan = read_plan(plan_path)
    refuse_other_files(plan_path, plan.digests, {"targets": targets_path})
    targets = read_targets(targets_path)
    shards, engine = open_shards(plan, shard_paths, len(targets))
    indptr = total_indptr(shards)
    row_sums = np.zeros(len(targets))
    shape = (len(targets), plan.n_columns)
    progress = Progress("entries", int(indptr[-1]))
    attributes = plan.digests | {"engine": engine}
    with (
        Pieces[Entries](sink=lambda: csr_sink(path, indptr, shape, attributes)) as pieces,
        aggregating("matrix") as payload,
    ):
        payload.sizes = [path.stat().st_size for path in shard_paths]
        payload.outputs = int(indptr[-1])
        for start, stop in row_ranges(indptr, BLOCK_ENTRIES):
            data, indices = merge_rows(shards, indptr, start, stop)
            pieces.write((data, indices))
            row_sums[start:stop] = _sum_rows(data, indptr[start : stop + 1])
            progress.advance(data.size)
        summary = _summary(targets, indptr, row_sums, attributes, plan)
        write_json(summary_path, summary)
    logger.info("matrix of %d x %d with %d entries", *shape, indptr[-1])


def open_shards(plan: Plan, paths: list[Path], n_targets: int) -> tuple[list[CsrFile], str]:
    """Open and check every shard; return them and the model's version.

    Raises:
        InputError: names every shard that cannot be used.
    """
    shards: list[CsrFile] = []
    refused: list[str] = []
    progress = Progress("shards checked", len(paths))
    for chunk, path in enumerate(paths):
        try:
            shard = open_csr(path)
            _check_shard(plan, chunk, shard, n_targets)
            if shards and shard.attributes["engine"] != shards[0].attributes["engine"]:
                raise InputError(f"{path}: made by another version of the model; {REMAKE}")
            shards.append(shard)
        except InputError as error:
            refused.append(str(error))
        progress.advance()
    if refused:
        raise InputError("; ".join(refused))
    return shards, str(shards[0].attributes["engine"])


def _check_shard(plan: Plan, chunk: int, shard: CsrFile, n_targets: int) -> None:
    start, stop = plan.columns(chunk)
    refuse_other(shard.path, shard.attributes, plan.digests)
    columns = (shard.attributes.get("column_start"), shard.attributes.get("column_stop"))
    if columns != (start, stop) or shard.shape != (n_targets, stop - start):
        raise InputError(f"{shard.path}: made for another plan (columns {columns}); {REMAKE}")
    if "engine" not in shard.attributes:
        raise InputError(f"{shard.path}: does not say which model made it; {REMAKE}")
    shard.verify()


def join_shards(shards: Sequence[CsrFile], path: Path, attributes: Attributes) -> None:
    """Write one shard of several that lie side by side.

    Args:
        shards: in the order of their columns.
        path: the shard to write.
        attributes: what it says about itself.
    """
    indptr = total_indptr(shards)
    shape = (indptr.size - 1, sum(shard.shape[1] for shard in shards))
    with Pieces[Entries](sink=lambda: csr_sink(path, indptr, shape, attributes)) as pieces:
        for start, stop in row_ranges(indptr, BLOCK_ENTRIES):
            pieces.write(merge_rows(shards, indptr, start, stop))


def total_indptr(shards: Sequence[CsrFile]) -> np.ndarray:
    """Return where the rows begin that shards side by side have together, (rows + 1,) int64."""
    counts = np.zeros(shards[0].shape[0], dtype=np.int64)
    for shard in shards:
        counts += np.diff(shard.indptr)
    return np.concatenate([[0], np.cumsum(counts)])


def merge_rows(shards: Sequence[CsrFile], indptr: np.ndarray, start: int, stop: int) -> Entries:
    """Return the data and the column indices of the rows from `start` to before `stop`."""
    size = int(indptr[stop] - indptr[start])
    data = np.empty(size, dtype=np.float32)
    indices = np.empty(size, dtype=index_dtype(sum(shard.shape[1] for shard in shards)))
    filled = indptr[start:stop] - indptr[start]
    first = 0
    for shard in shards:
        bounds = shard.indptr[start : stop + 1]
        counts = np.diff(bounds)
        here = slice(bounds[0], bounds[-1])
        place = np.repeat(filled - (bounds[:-1] - bounds[0]), counts)
        place += np.arange(place.size)
        data[place] = shard.data[here]
        indices[place] = shard.indices[here] + indices.dtype.type(first)
        shard.release()
        filled = filled + counts
        first += shard.shape[1]
    return data, indices


def _sum_rows(data: np.ndarray, indptr: np.ndarray) -> np.ndarray:
    filled = np.diff(indptr) > 0
    sums = np.zeros(filled.size)
    if filled.any():
        starts = (indptr[:-1] - indptr[0])[filled]
        sums[filled] = np.add.reduceat(data, starts, dtype=np.float64)
    return sums


def _summary(
    targets: pd.DataFrame,
    indptr: np.ndarray,
    row_sums: np.ndarray,
    attributes: dict[str, str],
    plan: Plan,
) -> dict[str, object]:
    """Describe the matrix; a target is impossible if no column adds to it."""
    impossible = np.diff(indptr) == 0
    value = targets["value"].to_numpy()
    share = np.divide(row_sums, value, out=np.full(value.size, np.inf), where=value != 0)
    share[impossible] = np.inf
    hardest = np.argsort(share, kind="stable")[:HARDEST]
    name = targets["name"].to_numpy()
    nnz = int(indptr[-1])
    return {
        "shape": [len(targets), plan.n_columns],
        "nnz": nnz,
        "density": nnz / max(1, len(targets) * plan.n_columns),
        "digests": attributes,
        "impossible": [str(target) for target in name[impossible]],
        "hardest": [
            {"name": str(name[row]), "target": float(value[row]), "row_sum": float(row_sums[row])}
            for row in hardest
            if np.isfinite(share[row])
        ],
    }
