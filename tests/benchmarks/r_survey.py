"""Weights beside those of R's package survey, for all of its distances.

    python tests/benchmarks/r_survey.py [--households N] [--moved SD] [--json]

Needs Rscript with the packages survey and MASS, for instance Debian's r-base-core, r-cran-survey
and r-cran-mass. Problems: people of four ages and income in six districts, ten records a household
(30 totals), and people and income in 30 states, four records a household (60 totals). Totals are
those of tilted weights, each moved by a factor of e^(SD * a standard normal number), and all must
hold. With an SD of 0.1 some of R's linear weights are negative, which ours cannot be. R calibrates
the scaled design weights that the fit begins from, by `tests/r_survey/calibrate.R`.

Figures (`--json`), each name preceded by `{problem}_{way}_`: `weights`, the largest relative
difference of a weight; `totals`, the same of the totals and those of other levels; `missed`, the
largest relative error of the fit's totals; `lowest`, `highest`, factors of R's weights;
`seconds`, `r_seconds` of the fit, kernels compiled before, and of `survey::calibrate` alone.

Mark: weights at most 1e-6, of `linear` where R's are all positive.
"""

import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
from common import REPOSITORY, parser, report, temporary_folder

from tests.fit_case import Case, make_case, make_states_case
from tests.r_case import SCRIPT, UNBOUNDED, WAYS

BOUNDS = (0.5, 2.0)
TITLES = [
    *("problem", "records", "totals", "way", "weights", "totals differ", "missed"),
    *("R's factors", "s", "R s"),
]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--households", type=int, default=500, help="default: 500")
    options.add_argument("--moved", type=float, default=0.08, help="SD, default: 0.08")
    given = options.parse_args()
    rng = np.random.default_rng(given.seed)
    problems = {
        "districts": (make_case(given.seed, given.households), "district"),
        "states": (make_states_case(given.seed, 30, given.households), "state"),
    }
    figures, rows = {}, []
    for name, (case, level) in problems.items():
        case.targets["value"] *= np.exp(rng.normal(0.0, given.moved, len(case.targets)))
        with temporary_folder() as folder:
            for way, found in compare(case, level, folder).items():
                figures |= {f"{name}_{way}_{key}": value for key, value in found.items()}
                rows.append(
                    [
                        *(name, len(case.design_weight), int(of_level(case, level).sum()), way),
                        *(f"{found[key]:.1e}" for key in ("weights", "totals", "missed")),
                        f"{found['lowest']:.3f} to {found['highest']:.3f}",
                        *(f"{found[key]:.3f}" for key in ("seconds", "r_seconds")),
                    ]
                )
    report(given.json, figures, TITLES, rows, ["Mark: weights at most 1e-6."])


def compare(case: Case, level: str, folder: Path) -> dict[str, dict[str, float]]:
    """Return the figures of every way."""
    rule = ({"geo_level": level, "exact": True},)
    settings = {"levels": (level,), "groups": rule, "harmonize": False, "method": "newton"}
    case.fit(bounds=BOUNDS, **settings, distance="logit")
    fits, seconds = {}, {}
    for way, (distance, wide) in WAYS.items():
        begun = time.perf_counter()
        bounds = wide if wide == UNBOUNDED else BOUNDS
        fits[way] = case.fit(bounds=bounds, distance=distance, **settings)
        seconds[way] = time.perf_counter() - begun
    base = fits["linear"].trace.base
    rows = case.matrix.astype(np.float64)
    its, its_seconds = calibrate(case, level, base, folder)
    return {
        way: {
            "weights": np.max(np.abs(fit.weights / its[way] - 1.0)),
            "totals": np.max(np.abs(rows @ fit.weights / (rows @ its[way]) - 1.0)),
            "missed": fit.diagnostics["rel_error"][of_level(case, level)].abs().max(),
            "lowest": np.min(its[way] / base),
            "highest": np.max(its[way] / base),
            "seconds": seconds[way],
            "r_seconds": its_seconds[way],
        }
        for way, fit in fits.items()
    }


def of_level(case: Case, level: str) -> np.ndarray:
    return (case.targets["geo_level"] == level).to_numpy()


def calibrate(
    case: Case, level: str, base: np.ndarray, folder: Path
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return R's weights, a column per way, and its seconds."""
    chosen = of_level(case, level)
    names = [f"x{number}" for number in range(int(chosen.sum()))]
    values = case.matrix.toarray()[chosen].astype(np.float64).T
    records = pd.DataFrame(values, columns=names).assign(base=base)
    totals = pd.DataFrame([case.targets["value"].to_numpy()[chosen]], columns=names)
    paths = [folder / f"{name}.csv" for name in ("records", "totals", "weights")]
    records.to_csv(paths[0], index=False, float_format="%.17g")
    totals.to_csv(paths[1], index=False, float_format="%.17g")
    bounds = [str(bound) for bound in BOUNDS]
    command = ["Rscript", str(SCRIPT), *map(str, paths[:2]), *bounds, str(paths[2])]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise SystemExit(f"error: {done.stderr.strip()}")
    seconds = dict(line.split() for line in done.stdout.splitlines())
    return pd.read_csv(paths[2], comment="#"), {way: float(seconds[way]) for way in WAYS}


if __name__ == "__main__":
    main()
