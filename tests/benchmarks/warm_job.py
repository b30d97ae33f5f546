"""What a chunk's job takes beside its own work, once a warm process holds the model.

    python tests/benchmarks/warm_job.py [--json]

A small run of the default workflow's rules, one core, in a temporary copy of the sources, as far as
its chunks. For every chunk but the first, which may load the model:

- `script_seconds`: the script's process, from Snakemake's benchmark file, less the work's own
  seconds, from the job's log: starting Python, finding the warm process, forking, cleaning up;
- `job_seconds`: from one finished shard to the next, less the work's own seconds: the same and
  Snakemake's scheduling.

Mark: at most 1.5 s.
"""

import csv
import re
import time

from common import parser, report, spread, temporary_folder, with_spread

from tests.workflow.conftest import copy_sources


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--chunks", type=int, default=8, help="jobs (default: 8)")
    given = options.parse_args()
    with temporary_folder() as folder:
        checkout = copy_sources(folder / "checkout")
        config = [
            "--config",
            "run_id=warm",
            f"population={{households: {10 * given.chunks}}}",
            "matrix={chunk_columns: 100}",
        ]
        chunks = [f"runs/warm/matrix/chunks/chunk_{chunk:06}.h5" for chunk in range(given.chunks)]
        start = time.perf_counter()
        result = checkout.snakemake("--cores", "1", *chunks, *config)
        seconds = time.perf_counter() - start
        if result.returncode:
            raise SystemExit(result.stdout)
        run = checkout.folder / "runs/warm"
        ended = {path.stem[-6:]: path.stat().st_mtime for path in run.glob("matrix/chunks/*.h5")}
        order = sorted(ended, key=ended.get)
        work = {chunk: work_seconds(run / f"logs/build_chunk/{chunk}.log") for chunk in order}
        script = {
            chunk: benchmark_seconds(run / f"benchmarks/build_chunk/{chunk}.tsv") for chunk in order
        }
    beside = [script[chunk] - work[chunk] for chunk in order[1:]]
    between = [
        ended[chunk] - ended[before] - work[chunk]
        for before, chunk in zip(order, order[1:], strict=False)
    ]
    figures = {
        **spread("script_seconds", beside),
        **spread("job_seconds", between),
        **spread("work_seconds", list(work.values())),
        "run_seconds": seconds,
    }
    rows = [
        ["the script beside its work", with_spread(beside)],
        ["the job beside its work", with_spread(between)],
        ["the work", with_spread(list(work.values()))],
        ["the whole run, loading included", f"{seconds:.1f}"],
    ]
    report(given.json, figures, [f"{given.chunks} jobs, one core", "wall s (range)"], rows, [])


def work_seconds(log) -> float:
    """Return how long the forked child worked."""
    return float(re.search(r"the work took ([0-9.]+) s", log.read_text())[1])


def benchmark_seconds(path) -> float:
    """Return how long the script's process ran, as Snakemake measured."""
    with path.open() as file:
        return float(next(csv.DictReader(file, delimiter="\t"))["s"])


if __name__ == "__main__":
    main()
