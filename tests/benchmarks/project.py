"""What a whole production run would take, from one production-size chunk measured here.

Measured: one chunk of 103,200 columns with four reform targets (CPU, peak memory, shard size), and
the time to load the model. Everything else follows by the arithmetic that is printed: chunks are
independent, so their wall time is the number of rounds each worker makes; a worker loads the model
once. The matrix's assembly, the fit and the area files come after the chunks and are not in it.
"""

import logging
import math
import time
from chunk import ours

import common
import production

from localcal.files.csr import open_csr
from localcal.matrix.plan import read_plan

OVERHEAD_SECONDS = 1.5  # of a warm job over its own computation: the mark; see warm_job.py


def main() -> None:
    """Measure one chunk, then calculate."""
    parser = common.parser(__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 8, 50])
    parser.add_argument("--columns", type=int, default=103_200, help="columns per chunk")
    parser.add_argument(
        "--core-hour", type=float, default=0.0, help="price of a core for an hour, in any currency"
    )
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    start = time.process_time()
    engine = production.load_engine()
    loading = time.process_time() - start
    with common.temporary_folder() as folder:
        # In a child, so that the parent stays as lean as a server that does nothing but fork.
        inputs = production.in_child(
            production.make_inputs, folder, engine, common.REPOSITORY, options.seed
        ).result
        plan = production.plan_of(inputs, folder, options.columns)
        cost = production.in_child(ours, inputs, plan, engine, folder / "chunk.h5")
        chunks = read_plan(plan).n_chunks
        nonzeros = open_csr(folder / "chunk.h5").data.size
    per_job = cost.cpu_seconds + OVERHEAD_SECONDS
    figures: dict[str, float] = {
        "columns": production.HOUSEHOLDS * production.CLONES,
        "chunks": chunks,
        "chunk_cpu_seconds": cost.cpu_seconds,
        "chunk_peak_mb": cost.peak_mb,
        "loading_cpu_seconds": loading,
        "matrix_nonzeros": nonzeros * chunks,
        "matrix_mb": nonzeros * chunks * 8 / 1e6,
    }
    rows = []
    for workers in options.workers:
        rounds = math.ceil(chunks / workers)
        wall = loading + rounds * per_job
        core_hours = (workers * loading + chunks * per_job) / 3600
        figures |= {
            f"{workers}_workers_wall_minutes": wall / 60,
            f"{workers}_workers_core_hours": core_hours,
            f"{workers}_workers_paid_core_hours": workers * wall / 3600,
            f"{workers}_workers_memory_gb": workers * cost.peak_mb / 1000,
        }
        price = f"{workers * wall / 3600 * options.core_hour:.2f}" if options.core_hour else "-"
        rows.append(
            [
                workers,
                rounds,
                f"{wall / 60:.0f}",
                f"{core_hours:.2f}",
                f"{workers * wall / 3600:.2f}",
                f"{workers * cost.peak_mb / 1000:.1f}",
                price,
            ]
        )
    titles = ["workers", "rounds", "wall min", "core hours used", "core hours held"]
    titles += ["memory GB", "cost"]
    notes = [
        f"one chunk of {options.columns}: {cost.cpu_seconds:.1f} CPU s, at most "
        f"{cost.peak_mb:.0f} MB, {nonzeros} nonzeros; loading the model {loading:.1f} CPU s",
        f"assumed: {chunks} chunks alike, {OVERHEAD_SECONDS} s of overhead per job, cores as fast "
        "as this one and not shared, the model loaded once per worker, files as fast as local ones",
        f"the matrix: some {figures['matrix_nonzeros'] / 1e6:.0f} million nonzeros, "
        f"{figures['matrix_mb']:.0f} MB",
    ]
    common.report(options.json, figures, titles, rows, notes)


if __name__ == "__main__":
    main()
