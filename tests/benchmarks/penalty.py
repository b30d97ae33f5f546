"""What weights know of targets they were not told, by the penalty.

    python tests/benchmarks/penalty.py [--run FOLDER] [--households N] [--clones N] [--json]

A tenth of the targets is held out at random, by as many seeds as asked for, and the others are
fitted with each of the penalties and with `auto`. Problems: that of a run (`--run runs/demo`: its
matrix, targets and geography), 59 consistent national targets of 20,000 records, and clones of
`problems.py`.

Figures (`--json`), each name preceded by `{problem}_{penalty}_`, medians of the seeds: `fitted`,
`held_out` and `start`, median absolute relative errors (of the held-out targets by the base
weights, the last); `design_effect`; `cpu_seconds` of the whole fit, kernels compiled before;
`chosen`, the penalty.

No marks.
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse
from common import call_in_new_process, parser, report, temporary_folder
from fit import arguments, compile_kernels
from problems import clones, read_problem

from localcal.targets.table import read_targets
from localcal.weights.columns import Columns
from localcal.weights.fit import fit_weights
from localcal.weights.pose import open_matrix
from localcal.weights.settings import Settings

HOLD_OUT = 0.1
TITLES = [
    *("problem", "penalty", "chosen", "fitted %", "held out %", "start %", "deff", "CPU s"),
]


def main() -> None:
    options = parser(__doc__)
    add = options.add_argument
    add("--run", type=Path, help="folder of a run with matrix, targets and geography")
    add("--seeds", type=int, default=5, help="(default: 5)")
    add("--penalties", nargs="*", default=["auto", "0.1", "0.01", "0.001", "0.0001"])
    add("--households", type=int, default=1_000, help="cloned ones; 0 for none (default: 1000)")
    add("--clones", type=int, default=400, help="of each of them (default: 400)")
    given = options.parse_args()
    penalties = [text if text == "auto" else float(text) for text in given.penalties]
    figures, rows = {}, []
    with temporary_folder() as folder:
        if given.households:
            clones(folder, given.households, given.clones, given.seed)
        problems = {"run": given.run, "consistent": None, "clones": folder}
        skipped = {"run": given.run is None, "clones": not given.households}
        for name, place in problems.items():
            if skipped.get(name):
                continue
            found = call_in_new_process(measure, name, place, penalties, given.seeds)
            for penalty, row in found.items():
                figures |= {f"{name}_{penalty}_{key}": value for key, value in row.items()}
                shown = [f"{100 * row[key]:.3f}" for key in ("fitted", "held_out", "start")]
                rows.append(
                    [
                        *(name, penalty, f"{row['chosen']:g}", *shown),
                        *(f"{row['design_effect']:.3f}", f"{row['cpu_seconds']:.2f}"),
                    ]
                )
    report(given.json, figures, TITLES, rows, [])


def measure(name: str, place: Path | None, penalties: list, seeds: int) -> dict:
    """Return the figures of one problem by penalty."""
    if name == "clones":
        assert place is not None
        compile_kernels(place, {"penalty": 1.0})
    problem = {"run": of_run, "consistent": consistent, "clones": of_clones}[name](place)
    for penalty in ("auto", 1.0):
        fit_weights(**problem, settings=Settings(penalty=penalty, max_sweeps=1), seed=0)
    found = {}
    for penalty in penalties:
        settings = Settings(penalty=penalty, hold_out=HOLD_OUT)
        rows = [one_fit(problem, settings, seed) for seed in range(seeds)]
        found[str(penalty)] = pd.DataFrame(rows).median().to_dict()
    return found


def one_fit(problem: dict, settings: Settings, seed: int) -> dict:
    begun = time.process_time()
    result = fit_weights(**problem, settings=settings, seed=seed)
    accuracy = result.report["accuracy"]
    return {
        "chosen": result.report["penalty"]["value"],
        "fitted": accuracy["fitted"]["median"],
        "held_out": accuracy["held_out"]["median"],
        "start": accuracy["start"]["held_out"]["median"],
        "design_effect": result.report["weights"]["design_effect"],
        "cpu_seconds": time.process_time() - begun,
    }


def of_run(folder: Path) -> dict:
    """Return matrix, targets and columns of a run's local fit."""
    paths = [folder / part for part in ("matrix/matrix.h5", "targets/targets.parquet")]
    matrix, places = open_matrix(*paths, folder / "population/geography.h5")
    return {"matrix": matrix, "targets": read_targets(paths[1]), "columns": Columns.at(places)}


def of_clones(folder: Path) -> dict:
    return arguments(read_problem(folder))


def consistent(_: None) -> dict:
    """Return 59 national targets that tilted weights of 20,000 records meet."""
    rng = np.random.default_rng(0)
    n_records, n_counts, n_amounts = 20_000, 40, 19
    trait = rng.standard_normal(n_records)
    design = rng.uniform(0.5, 1.5, n_records) * 6_500
    truth = design * np.exp(0.25 * trait + rng.normal(0.0, 0.1, n_records))
    # Each goes with the trait in its own way, so that the base weights miss most of them.
    slope = rng.normal(0.0, 0.5, (n_counts + n_amounts, 1))
    share = rng.uniform(0.05, 0.3, (n_counts, 1))
    rows = [rng.random((n_counts, n_records)) < share * np.exp(slope[:n_counts] * trait)]
    has = rng.random((n_amounts, n_records)) < 0.4
    rows.append(has * rng.lognormal(10.0 + slope[n_counts:] * trait, 1.0))
    dense = np.concatenate(rows).astype(np.float32)
    number = np.arange(len(dense))
    value = dense.astype(np.float64) @ truth
    targets = pd.DataFrame({"value": value, "original_value": value, "target_id": number})
    targets = targets.assign(
        geo_level="nation",
        geographic_id="US",
        variable=[f"variable {i}" for i in number],
        domain_variable=["count"] * n_counts + ["amount"] * n_amounts,
        constraints="[]",
        reform_id=0,
        tolerance=np.nan,
        name=[f"target {i}" for i in number],
    )
    nowhere = np.ones(n_records, dtype=np.int32)
    columns = Columns(design, np.arange(n_records, dtype=np.int32), nowhere, 101 * nowhere)
    return {"matrix": scipy.sparse.csr_array(dense), "targets": targets, "columns": columns}


if __name__ == "__main__":
    main()
