"""What a heavy weight and exactness do to the targets that have them, and to the others.

    python tests/benchmarks/exact.py [--run FOLDER] [--households N] [--clones N] [--json]

The nation's persons by age get the weight 1,000 or are exact; or those of the states, where the
problem has them. Problems: that of a run, and clones of `problems.py`.

Figures (`--json`), each name preceded by `{problem}_{way}_`: `chosen_max`, the largest absolute
relative error of these targets; `others_median`, `others_p90`; `design_effect`; `sweeps`;
`within_tolerance`, 1 or 0; `cpu_seconds` of the fit, kernels compiled before.

Mark: chosen_max at most 1e-6 where they are exact.
"""

import time
from pathlib import Path

from common import call_in_new_process, parser, report, temporary_folder
from penalty import of_clones, of_run
from problems import clones

from localcal.weights.fit import fit_weights
from localcal.weights.settings import Settings

PENALTY = 0.01
NATION = {"variable": "person_count", "geo_level": "nation"}
WAYS = {
    "plain": (),
    "weight_1000": (NATION | {"weight": 1000.0},),
    "exact": (NATION | {"exact": True},),
    "exact_states": (NATION | {"geo_level": "state", "exact": True},),
}
TITLES = [
    *("problem", "way", "chosen max %", "others median %", "p90 %", "deff", "sweeps", "CPU s"),
    "ended",
]


def main() -> None:
    options = parser(__doc__)
    add = options.add_argument
    add("--run", type=Path, help="folder of a run with matrix, targets and geography")
    add("--households", type=int, default=1_000, help="cloned ones; 0 for none (default: 1000)")
    add("--clones", type=int, default=400, help="of each of them (default: 400)")
    given = options.parse_args()
    figures, rows = {}, []
    with temporary_folder() as folder:
        if given.households:
            clones(folder, given.households, given.clones, given.seed)
        for name, place in (("run", given.run), ("clones", folder if given.households else None)):
            if place is None:
                continue
            found = call_in_new_process(measure, name, place, given.seed)
            for way, row in found.items():
                figures |= {f"{name}_{way}_{key}": value for key, value in row.items()}
                shown = [f"{100 * row[key]:.3g}" for key in ("chosen_max", "others_median")]
                rows.append(
                    [
                        *(name, way, *shown, f"{100 * row['others_p90']:.3g}"),
                        *(f"{row['design_effect']:.3f}", row["sweeps"]),
                        *(f"{row['cpu_seconds']:.2f}", "yes" if row["within_tolerance"] else "no"),
                    ]
                )
    report(given.json, figures, TITLES, rows, ["Mark: exact at most 1e-4 %."])


def measure(name: str, place: Path, seed: int) -> dict:
    problem = (of_run if name == "run" else of_clones)(place)
    # A run may have wished to compare with the chosen targets only.
    problem["targets"] = problem["targets"].assign(hold_out=False)
    fit_weights(**problem, settings=Settings(penalty=1.0, groups=WAYS["exact"]), seed=seed)
    return {way: one_fit(problem, rules, seed) for way, rules in WAYS.items()}


def one_fit(problem: dict, rules: tuple, seed: int) -> dict:
    begun = time.process_time()
    result = fit_weights(**problem, settings=Settings(penalty=PENALTY, groups=rules), seed=seed)
    table = result.diagnostics
    fitted = table[table["role"] == "fitted"]
    rule = rules[0] if rules else NATION
    chosen = (fitted["variable"] == rule["variable"]) & (fitted["geo_level"] == rule["geo_level"])
    size = fitted["rel_error"].abs()
    return {
        "chosen_max": size[chosen].max(),
        "others_median": size[~chosen].median(),
        "others_p90": size[~chosen].quantile(0.9),
        "design_effect": result.report["weights"]["design_effect"],
        "sweeps": result.report["sweeps"],
        "within_tolerance": int(result.report["stopped_by"] == "tolerance"),
        "cpu_seconds": time.process_time() - begun,
    }


if __name__ == "__main__":
    main()
