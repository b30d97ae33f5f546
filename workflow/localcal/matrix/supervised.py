"""A chunk's shard from a process that may run out of memory.

This is the side that has no model. Where the process that has it runs out of memory, the chunk's
columns go to others in halves, and the shard is made of theirs. How columns are cut changes no
value, so the shard has the bytes that one process would have written.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from localcal.engine.client import run_with_engine
from localcal.jobs.supervisor import in_halves
from localcal.matrix.plan import MatrixInputs, Plan, read_plan


def build_shard(
    engine: str, chunk: int, plan_path: Path, inputs: MatrixInputs, path: Path, limit_mb: int | None
) -> None:
    """Write the shard of one chunk.

    Args:
        engine: the model as `module:Class`.
        chunk: its number.
        plan_path: the plan.
        inputs: what the plan was made for.
        path: the shard to write.
        limit_mb: what the job may take, in 10^6 bytes; None for no limit.

    Raises:
        InputError: an input is not the one planned for, or a target cannot be evaluated.
        OutOfMemory: a small part of the columns does not fit either.
    """
    plan = read_plan(plan_path)
    start, stop = plan.columns(chunk)
    folder = path.with_suffix(".parts")
    # Of a job that was killed, perhaps with other code.
    shutil.rmtree(folder, ignore_errors=True)

    def part(first: int, end: int) -> Path:
        return path if (first, end) == (start, stop) else folder / f"{first}_{end}.h5"

    def work(first: int, end: int) -> None:
        run_with_engine(
            engine,
            "localcal.matrix.chunk:build_chunk",
            calculated=plan.calculated,
            limit_mb=limit_mb,
            chunk=chunk,
            plan_path=plan_path,
            inputs=inputs,
            path=part(first, end),
            columns=(first, end),
        )

    advice = f"make chunks smaller (matrix.chunk_columns, now {plan.chunk_columns})"
    try:
        parts = in_halves(start, stop, work, "columns", advice)
        if len(parts) > 1:
            _join(plan, chunk, [part(first, end) for first, end in parts], path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _join(plan: Plan, chunk: int, parts: Sequence[Path], path: Path) -> None:
    # Only now: most jobs need none of what this imports.
    from localcal.files.csr import open_csr
    from localcal.matrix.assemble import join_shards

    shards = list(map(open_csr, parts))
    about = plan.about(chunk, *plan.columns(chunk), str(shards[0].attributes["engine"]))
    join_shards(shards, path, about)
