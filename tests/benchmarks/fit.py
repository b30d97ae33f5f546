"""Fitting weights, against l0-python on the same problems and the same CPU.

    python tests/benchmarks/fit.py [--full] [--l0-python PATH] [--json]

The problems are those of `problems.py`: independent records (100,000 and 500,000 by default, with
`--full` also 5.16 million and 115 million entries) and clones of 2,000 households, two seeds.

- `ours`: `localcal.weights.fit.fit_weights`, from opened files to weights, diagnostics and report,
  on one thread. Numba compiles in the same process beforehand, on a small problem; that time is
  apart.
- `l0`: `SparseCalibrationWeights.fit` of l0-python, from a matrix in memory to weights, one thread,
  in the interpreter `--l0-python` (default: `.venv-l0/bin/python` of the checkout, where it is).
  It is looked at every tenth of its epochs and represented by its lowest loss. At full size it is
  only timed, for a few epochs.

Ours keeps as many records as l0 there; without l0, and for the clones' mark, as many as asked for.

Figures (`--json`), each name preceded by `{problem}_{way}_`: `records` kept; `cpu_seconds`,
`wall_seconds`, `compile_seconds`; `loss`, the sum of the squared relative errors of all targets,
each counted alike; `error_median`, `_p90`, `_max` and `error_within_5_percent`, of absolute
relative errors to the harmonized values; `design_effect` (Kish) of the records kept; `rms_gap`
(ours); `peak_mb`, the process's peak of resident memory, interpreter, libraries and the mapped
matrix included; of l0 also `epochs`. `{problem}_ratio` is l0's CPU time until its lowest loss to
ours, given only where our loss is no higher.

Marks: a ratio of at least 100; full size at most 60 s and 4000 MB; clones at 86,000 records: every
target within 5 %, a design effect of at most 1.5 and at most 10 s of CPU time.
"""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse
from common import REPOSITORY, call_in_new_process, parser, report, temporary_folder
from problems import clones, independent, read_problem

from localcal.geography.codes import TARGET_LEVELS
from localcal.weights.columns import Columns
from localcal.weights.fit import fit_weights
from localcal.weights.harmonize import harmonize
from localcal.weights.settings import Settings

# As PolicyEngine's pipeline sets it, but for lambda_l2: its 1e-8 makes these problems fail.
L0_SETTINGS = {"beta": 0.65, "learning_rate": 0.15, "lambda_l2": 1e-12}
CHECKPOINTS = 10
FULL_RECORDS, FULL_KEPT = 5_160_000, 300_000
# Below so many records all are kept.
SMALL = 50_000
TITLES = [
    *("problem", "way", "records", "CPU s", "compile s", "loss", "median %", "p90 %", "max %"),
    *("<5 % %", "deff", "rms gap %", "peak MB", "l0 / ours"),
]


@dataclass(frozen=True)
class Case:
    """One problem: where it lies, how ours is set, and how many records to keep without l0."""

    name: str
    folder: Path
    settings: dict
    kept: int
    epochs: int
    is_marked: bool = False


def main() -> None:
    options = parser(__doc__)
    add = options.add_argument
    add("--records", type=int, nargs="*", default=[100_000, 500_000], help="independent ones")
    add("--full", action="store_true", help="also 5.16 million independent records")
    add("--households", type=int, default=2_000, help="cloned ones; 0 for none (default: 2000)")
    add("--clones", type=int, default=430, help="of each of them (default: 430)")
    add("--clones-kept", type=int, default=86_000, help="(default: 86000)")
    add("--clones-seeds", type=int, nargs="*", default=[0, 1], help="(default: 0 1)")
    add("--l0-python", type=Path, help="an interpreter with l0-python")
    add("--l0-epochs", type=int, default=1_000, help="(default: 1000)")
    add("--l0-clones-epochs", type=int, default=1_000, help="0 for none (default: 1000)")
    add("--l0-full-epochs", type=int, default=3, help="0 for none (default: 3)")
    add("--lambda-l0", type=float, default=1e-2, help="price of a record (default: 0.01)")
    given = options.parse_args()
    python = l0_python(given.l0_python)
    figures, rows = {}, []
    with temporary_folder() as folder:
        for case in cases(folder, given):
            found = compare(case, python, given.lambda_l0, given.seed)
            figures |= {f"{case.name}_{name}": value for name, value in found.items()}
            rows += table_rows(case, found)
            clear(folder)
    notes = [
        "Marks: l0 / ours >= 100; full size <= 60 s and <= 4000 MB; clones at 86,000: max <= 5 %, "
        "deff <= 1.5, <= 10 s.",
        f"l0: {python}" if python else "l0 WAS NOT MEASURED: no interpreter with l0-python found.",
    ]
    report(given.json, figures, TITLES, rows, notes)


def l0_python(given: Path | None) -> Path | None:
    """Return the interpreter to run l0-python with, or None if there is none.

    Raises:
        SystemExit: the given one does not have l0-python.
    """
    path = given or REPOSITORY / ".venv-l0/bin/python"
    if given is None and not path.exists():
        return None
    check = subprocess.run([path, "-c", "import l0.calibration"], capture_output=True, check=False)
    if check.returncode == 0:
        return path
    raise SystemExit(f"error: {path} has no l0-python; install it there: pip install l0-python")


def cases(folder: Path, given):
    """Yield each problem, written just before."""
    plain = {"harmonize": False, "group_weight": "equal"}
    # A fifth of a small problem would be fewer records than targets.
    kept_of = {n: n // 5 if n >= SMALL else n for n in given.records}
    sizes = [(n, False, kept_of[n], given.l0_epochs) for n in given.records]
    if given.full:
        sizes.append((FULL_RECORDS, True, FULL_KEPT, given.l0_full_epochs))
    for n_columns, is_large, kept, epochs in sizes:
        independent(folder, n_columns, is_large, given.seed)
        yield Case(f"independent_{n_columns}", folder, plain, kept, epochs, is_large)
    for seed in given.clones_seeds if given.households else []:
        clones(folder, given.households, given.clones, seed)
        name = f"clones_{given.households * given.clones}_seed_{seed}"
        yield Case(name, folder, {}, given.clones_kept, given.l0_clones_epochs, is_marked=True)


def clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def compare(case: Case, python: Path | None, lambda_l0: float, seed: int) -> dict:
    """Return all figures of one problem."""
    found, kept = {}, case.kept
    if python is not None and case.epochs:
        settings = L0_SETTINGS | {"lambda_l0": lambda_l0, "epochs": case.epochs, "seed": seed}
        theirs = reference(case, python, settings)
        found |= {f"l0_{name}": value for name, value in theirs.items()}
        if not case.is_marked:
            kept = theirs["records"]
    mine = call_in_new_process(ours, case.folder, case.settings | {"records": kept}, seed)
    found |= {f"ours_{name}": value for name, value in mine.items()}
    if "l0_loss" in found and case.is_marked and case.epochs >= CHECKPOINTS:
        equal = case.settings | {"records": found["l0_records"]}
        mine = call_in_new_process(ours, case.folder, equal, seed)
        found |= {f"ours_equal_{name}": value for name, value in mine.items()}
    if "l0_loss" in found and case.epochs >= CHECKPOINTS and mine["loss"] <= found["l0_loss"]:
        found["ratio"] = found["l0_cpu_seconds"] / mine["cpu_seconds"]
    return found


def ours(folder: Path, settings: dict, seed: int) -> dict:
    """Fit in this process, after compiling; return the figures."""
    start = time.process_time()
    compile_kernels(folder, settings)
    compiled = time.process_time() - start
    problem = read_problem(folder)
    cpu, wall = time.process_time(), time.perf_counter()
    result = fit_weights(**arguments(problem), settings=Settings(**settings), seed=seed)
    return {
        "cpu_seconds": time.process_time() - cpu,
        "wall_seconds": time.perf_counter() - wall,
        "compile_seconds": compiled,
        "peak_mb": peak_mb(),
        "rms_gap": result.report["rms_gap"],
        **quality(result.diagnostics, result.weights),
    }


def arguments(problem: dict, n_columns: int | None = None) -> dict:
    """Return matrix, targets and what is known about the first columns, as the fit takes them."""
    names = ("design_weight", "household", "state", "district")
    columns = Columns(*(np.asarray(problem[name])[:n_columns] for name in names))
    targets = problem["targets"].assign(original_value=problem["targets"]["value"])
    return {"matrix": problem["matrix"], "targets": targets, "columns": columns}


def compile_kernels(folder: Path, settings: dict) -> None:
    """Fit a corner of the problem, so that all kernels are compiled."""
    problem = read_problem(folder)
    matrix, n_columns = problem["matrix"], min(2_000, problem["matrix"].shape[1])
    national = problem["targets"]["geo_level"] == "nation"
    rows = np.flatnonzero(national)[:8]
    entries = [
        np.asarray(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]) for row in rows
    ]
    dense = np.zeros((len(rows), n_columns), dtype=np.float32)
    for line, columns in zip(dense, entries, strict=True):
        line[columns[columns < n_columns]] = 1.0
    targets = problem["targets"].iloc[rows].assign(value=dense.sum(1) + 1.0)
    corner = {
        "matrix": scipy.sparse.csr_array(dense),
        "targets": targets,
        "design_weight": np.ones(n_columns),
    }
    least = {"minimum_columns": 1, "minimum_households": 1, "records": 12}
    fit_weights(
        **arguments(problem | corner, n_columns), settings=Settings(**settings | least), seed=0
    )


def peak_mb() -> float:
    """Return the peak of resident memory since the process began, in MB (10^6 bytes)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1.024e-3


def quality(table: pd.DataFrame, weights: np.ndarray) -> dict:
    """Return what weights are good for, by `harmonized_value` and `final_estimate` of targets."""
    # A tiny problem has areas where nobody is.
    table = table[table["harmonized_value"] != 0]
    value = table["harmonized_value"].to_numpy()
    error = np.abs(table["final_estimate"].to_numpy() - value) / np.abs(value)
    positive = weights[weights > 0].astype(np.float64)
    return {
        "records": int(positive.size),
        "loss": float(np.sum(error**2)),
        "error_median": float(np.median(error)),
        "error_p90": float(np.quantile(error, 0.9)),
        "error_max": float(error.max()),
        "error_within_5_percent": float(np.mean(error <= 0.05)),
        "design_effect": positive.size * float(np.sum(positive**2) / np.sum(positive) ** 2),
    }


def reference(case: Case, python: Path, settings: dict) -> dict:
    """Fit with l0-python in its interpreter; return the figures of its lowest loss."""
    problem = read_problem(case.folder)
    targets, matrix = problem["targets"], problem["matrix"]
    value = targets["value"].to_numpy()
    if case.settings.get("harmonize", True):
        value = harmonize(targets, TARGET_LEVELS, problem["state"], problem["district"]).values
    matrix = scipy.sparse.csr_array(
        (matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape
    )
    design = problem["design_weight"]
    np.save(case.folder / "value.npy", value)
    some = value != 0
    factor = np.median(value[some] / (matrix @ design)[some])
    np.save(case.folder / "start.npy", design * factor)
    step = max(1, case.epochs // CHECKPOINTS)
    settings = settings | {"checkpoints": list(range(step, case.epochs + 1, step))}
    script, result = Path(__file__).with_name("l0_reference.py"), case.folder / "l0.npz"
    arguments = [script, case.folder, json.dumps(settings), result]
    subprocess.run([python, *arguments], check=True, capture_output=True)
    seen = np.load(result)
    best = None
    for epoch, seconds, weights in zip(
        seen["epoch"], seen["seconds"], seen["weights"], strict=True
    ):
        estimate = matrix @ weights.astype(np.float64)
        table = pd.DataFrame({"harmonized_value": value, "final_estimate": estimate})
        found = {"epochs": int(epoch), "cpu_seconds": float(seconds), **quality(table, weights)}
        if best is None or found["loss"] <= best["loss"]:
            best = found
    return best | {"peak_mb": float(seen["peak_mb"])}


def table_rows(case: Case, found: dict) -> list[list]:
    rows = []
    for way in ("ours", "l0", "ours_equal"):
        mine = {name.removeprefix(f"{way}_"): found[name] for name in found if name.startswith(way)}
        if f"{way}_cpu_seconds" not in found:
            continue
        errors = ("error_median", "error_p90", "error_max", "error_within_5_percent")
        is_compared = way == ("ours_equal" if "ours_equal_loss" in found else "ours")
        rows.append(
            [
                case.name if not rows else "",
                f"l0, {mine['epochs']} epochs" if way == "l0" else "ours",
                mine["records"],
                f"{mine['cpu_seconds']:.2f}",
                f"{mine['compile_seconds']:.1f}" if "compile_seconds" in mine else "-",
                f"{mine['loss']:.3f}",
                *(f"{100 * mine[name]:.3f}" for name in errors),
                f"{mine['design_effect']:.2f}",
                f"{100 * mine['rms_gap']:.2f}" if "rms_gap" in mine else "-",
                f"{mine['peak_mb']:.0f}",
                f"{found['ratio']:.0f}" if "ratio" in found and is_compared else "",
            ]
        )
    return rows


if __name__ == "__main__":
    main()
