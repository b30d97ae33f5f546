"""What a sweep takes by the number of its parameter sets: memory should not grow with them.

    python tests/benchmarks/sweeps.py [--sets 50 500 5000 10000] [--seeds 1] [--batch N] [--json]

Sweeps of the stand-in engine over the file of one state of a small run, six outcomes, in batches of
200 sets unless told otherwise; with as many as there are sets, all are in one batch, which is the
hardest way to cut them. Each sweep has processes of its own:

- `child_mb`: the most resident memory of the process that simulates;
- `job_mb`: the same of one process that does what all jobs of the sweep do: it has every batch
  simulated, gathers its table, and collects them;
- `later_mb`: by how much the former grew over the second half of the sets.

Mark: from the smallest to the largest sweep both grow by less than 10 %.
"""

import json
import os
import time
from itertools import chain
from pathlib import Path

from common import call_in_new_process, parser, report, temporary_folder

from localcal.jobs.usage import peak_mb
from localcal.sweeps.batch import Setting, plan_sweep, run_batch
from localcal.sweeps.bench import AreaFiles, RunFiles
from localcal.sweeps.collect import collect_failures, collect_outcome, collect_sweep
from localcal.sweeps.names import file_of
from localcal.sweeps.plan import draws_of
from localcal.sweeps.sets import parameter_sets
from localcal.sweeps.settings import Sweep, batch_names
from localcal.sweeps.simulate import write_baseline
from localcal.sweeps.stats import SUFFIX
from tests.areas_case import ALABAMA, make_run, written
from tests.standin_engine import StandIn

OUTCOMES = ("cost", "revenue", "poverty_rate", "poverty_gap", "gini", "mean_change")


def settings_for(n_sets: int, seeds: int, size: int) -> Sweep:
    """Return a sweep of so many sets, in batches of this size."""
    return Sweep.model_validate(
        {
            "parameters": {
                "sampler": "latin_hypercube",
                "n": n_sets,
                "bounds": {"snap.maximum": [0, 6_000], "tax.standard_deduction": [0, 30_000]},
            },
            "areas": ["AL"],
            "outcomes": OUTCOMES,
            "seeds": {"count": seeds},
            "batch_size": size,
            "pilot": 0,
            "largest": {"simulations": 10**6},
        }
    )


def run_sweep(
    folder: Path, run: dict[str, Path], n_sets: int, seeds: int, size: int
) -> dict[str, float]:
    """Run a sweep to its manifest and return what it took."""
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    os.environ["LOCALCAL_COORDINATOR"] = str(os.getpid())
    sweep = settings_for(n_sets, seeds, size)
    sets, draws = parameter_sets(sweep.parameters, "benchmark"), draws_of(sweep, 0)
    files = AreaFiles(run["area"], None, folder / "baseline.h5")
    drawn = RunFiles(run["population"], run["frozen"], 6)
    start = time.perf_counter()
    write_baseline(StandIn(), files, drawn, draws, OUTCOMES, 10_000, files.baseline)
    engine = "tests.standin_engine:StandIn"
    setting = Setting(
        "benchmark", sweep, engine, 0, {"AL": files}, drawn, {1: "AL"}, folder / "sets", ""
    )
    plan = folder / "plan.parquet"
    batches = [folder / f"batch_{name}.parquet" for name in batch_names(n_sets, size)]
    outputs = {"plan": plan, "about": folder / "plan.json", "cost": folder / "cost.json"}
    plan_sweep(setting, sets, size, "benchmark", outputs)
    for number, batch in enumerate(batches):
        run_batch(setting, plan, number, 10_000, batch)
    views = [folder / f"{file_of(name)}.parquet" for name in OUTCOMES]
    for name, view in zip(OUTCOMES, views, strict=True):
        collect_outcome(plan, batches, name, view)
    collect_failures(plan, batches, folder / "failures.parquet")
    found = {
        "plan": [plan],
        "batches": batches,
        "outcomes": views,
        "failures": [folder / "failures.parquet"],
    }
    collect_sweep("benchmark", "benchmark", sweep, draws, 0, found, folder / "manifest.json")
    # Before all lines on simulations are read, which no job does.
    job_mb = peak_mb()
    manifest = json.loads((folder / "manifest.json").read_text())
    lines = [batch.with_suffix(SUFFIX).read_text().splitlines() for batch in batches]
    peaks = [json.loads(line)["peak_mb"] for line in chain.from_iterable(lines)]
    return {
        "simulations": len(peaks),
        "rows": manifest["found"],
        "seconds": time.perf_counter() - start,
        "child_mb": peaks[-1],
        "later_mb": peaks[-1] - peaks[len(peaks) // 2],
        "job_mb": job_mb,
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--sets", type=int, nargs="+", default=[50, 500, 5_000, 10_000])
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--batch", type=int, default=200)
    given = options.parse_args()
    figures, rows = {}, []
    with temporary_folder() as folder:
        run = make_run(folder)
        run["area"] = written(run, folder, ALABAMA)
        for n_sets in given.sets:
            own = folder / str(n_sets)
            own.mkdir()
            found = call_in_new_process(run_sweep, own, run, n_sets, given.seeds, given.batch)
            figures |= {f"{name}_{n_sets}": value for name, value in found.items()}
            rows.append([n_sets, *(f"{value:.4g}" for value in found.values())])
    titles = ["sets", *found]
    report(
        given.json,
        figures,
        titles,
        rows,
        [f"{given.seeds} seeds, {len(OUTCOMES)} outcomes, batches of {given.batch} sets"],
    )


if __name__ == "__main__":
    main()
