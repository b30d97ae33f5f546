"""Replicate weights: what they cost beside the fit that they repeat.

    python tests/benchmarks/replicates.py [--full] [--replicates N] [--json]

The problems are those of `problems.py`: clones of 2,000 households, and with `--full` 5.16 million
independent records of which 300,000 are kept. In one process, after numba has compiled: the fit,
then all replicates with the sums of every target under each, one after the other on one thread.

Figures (`--json`), each name preceded by the problem's: `fit_cpu_seconds`; `pose_cpu_seconds`, to
read and scale the problem again; `replicate_cpu_seconds` for all; `wall_seconds` of everything;
`ratio`, replicates and posing together to the fit; `sweeps`, the median; `sweeps_max`;
`within_tolerance`, how many of them came that far; `peak_mb`, the process's peak of resident
memory; `relative_error`, the median standard error of the targets' estimates, and
`relative_error_households`, that of the districts' households.
"""

import time
from pathlib import Path

import numpy as np
from common import call_in_new_process, parser, report, temporary_folder
from fit import FULL_KEPT, FULL_RECORDS, arguments, compile_kernels, peak_mb
from problems import clones, independent, read_problem

from localcal.weights.fit import fit_weights
from localcal.weights.replicates import (
    FullFit,
    pose_replication,
    replicate_weights,
    variance_factor,
)
from localcal.weights.settings import Settings
from localcal.weights.standard_errors import StandardErrors

TITLES = [
    *("problem", "fit CPU s", "pose CPU s", "replicates CPU s", "wall s", "ratio", "sweeps (max)"),
    *("within tolerance", "peak MB", "rel. error %", "households %"),
]


def main() -> None:
    options = parser(__doc__)
    add = options.add_argument
    add("--replicates", type=int, default=40, help="(default: 40)")
    add("--method", default="bootstrap", help="bootstrap (default) or jackknife")
    add("--households", type=int, default=2_000, help="cloned ones; 0 for none (default: 2000)")
    add("--clones", type=int, default=430, help="of each of them (default: 430)")
    add("--kept", type=int, default=86_000, help="of the clones (default: 86000)")
    add("--full", action="store_true", help="also 5.16 million independent records")
    given = options.parse_args()
    settings = {"replicates": given.replicates, "replicate_method": given.method}
    figures, rows = {}, []
    with temporary_folder() as folder:
        cases = []
        if given.households:
            name = f"clones_{given.households * given.clones}"
            cases.append((name, {"records": given.kept}))
        if given.full:
            plain = {"harmonize": False, "group_weight": "equal", "records": FULL_KEPT}
            cases.append((f"independent_{FULL_RECORDS}", plain))
        for name, more in cases:
            if name.startswith("clones"):
                clones(folder, given.households, given.clones, given.seed)
            else:
                independent(folder, FULL_RECORDS, True, given.seed)
            found = call_in_new_process(replicated, folder, settings | more, given.seed)
            figures |= {f"{name}_{key}": value for key, value in found.items()}
            rows.append(table_row(name, found))
            for path in folder.iterdir():
                path.unlink()
    report(given.json, figures, TITLES, rows, [])


def replicated(folder: Path, values: dict, seed: int) -> dict:
    """Fit and fit again in this process; return the figures."""
    settings = Settings(**values)
    compile_kernels(folder, {name: values[name] for name in values if name != "records"})
    problem = arguments(read_problem(folder))
    start, begun = time.process_time(), time.perf_counter()
    result = fit_weights(**problem, settings=settings, seed=seed)
    fitted = time.process_time()
    merged = [row["huber_weight"] for row in result.report["merged"]]
    full = FullFit(
        trace=result.trace,
        huber_weight=np.concatenate([result.diagnostics["huber_weight"].dropna(), merged]),
        penalty=result.report["mu"],
        is_selected=result.report["selection"] is not None,
    )
    replication = pose_replication(**problem, settings=settings, seed=seed, full=full)
    posed = time.process_time()
    errors = StandardErrors(problem["matrix"], problem["columns"], result.weights)
    certificates = []
    for found in replicate_weights(replication):
        errors.add(replication, found)
        certificates.append(found.certificate)
    done, wall = time.process_time(), time.perf_counter() - begun
    table = errors.table(
        problem["targets"], variance_factor(settings.replicate_method, settings.replicates)
    )
    districts = (table["kind"] == "households") & (table["geo_level"] == "district")
    sweeps = [one.sweeps for one in certificates]
    return {
        "fit_cpu_seconds": fitted - start,
        "pose_cpu_seconds": posed - fitted,
        "replicate_cpu_seconds": done - posed,
        "wall_seconds": wall,
        "ratio": (done - fitted) / (fitted - start),
        "sweeps": float(np.median(sweeps)),
        "sweeps_max": max(sweeps),
        "within_tolerance": sum(one.within_tolerance for one in certificates),
        "peak_mb": peak_mb(),
        "relative_error": float(table["relative_error"][table["kind"] == "target"].median()),
        "relative_error_households": float(table["relative_error"][districts].median()),
    }


def table_row(name: str, found: dict) -> list[str]:
    return [
        name,
        f"{found['fit_cpu_seconds']:.1f}",
        f"{found['pose_cpu_seconds']:.1f}",
        f"{found['replicate_cpu_seconds']:.1f}",
        f"{found['wall_seconds']:.1f}",
        f"{found['ratio']:.1f}",
        f"{found['sweeps']:.0f} ({found['sweeps_max']})",
        f"{found['within_tolerance']}",
        f"{found['peak_mb']:.0f}",
        f"{100 * found['relative_error']:.2f}",
        f"{100 * found['relative_error_households']:.2f}",
    ]


if __name__ == "__main__":
    main()
