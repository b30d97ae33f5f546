"""Rows whose net is small beside their gross, by every way of solving them.

    python tests/benchmarks/mixed.py [--ratios R ...] [--seeds N] [--json]

Problems of 300 records and 20 equations, of which four have losses and gains that nearly cancel:
net = gross / ratio. The optimum is that of scipy's bounded least squares (`lsq_linear`, bvls).

Figures (`--json`), each name preceded by `ratio_{ratio}_`: `plain`, `firm` and `newton`, the
objective of at most 400 sweeps of descent without and with multipliers, and of Newton, over the
optimum's, the largest of the seeds; `firm_sweeps`, the sweeps made; `firm_gap`, the rms gap.

Mark: firm at most 1.01.
"""

import dataclasses

import numpy as np
from common import parser, report

from localcal.weights.descent import Shuffler, descend
from localcal.weights.firm import firmed
from localcal.weights.newton import solve_newton
from localcal.weights.problem import Problem
from tests.descent_case import objective, oracle
from tests.unit.weights.test_firm import MU, mixed_problem

SWEEPS, TOLERANCE = 400, 2e-4
TITLES = ["gross / net", "plain descent", "firm", "sweeps", "rms gap %", "newton"]


def main() -> None:
    options = parser(__doc__)
    add = options.add_argument
    add("--ratios", type=float, nargs="*", default=[10.0, 1e2, 1e3, 1e4, 1e5, 1e6])
    add("--seeds", type=int, default=5, help="(default: 5)")
    given = options.parse_args()
    figures, rows = {}, []
    for ratio in given.ratios:
        found = [solve_all(seed, ratio) for seed in range(given.seeds)]
        worst = {name: max(row[name] for row in found) for name in found[0]}
        figures |= {f"ratio_{ratio:g}_{name}": value for name, value in worst.items()}
        rows.append(
            [
                *(f"{ratio:g}", f"{worst['plain']:.4g}", f"{worst['firm']:.6f}"),
                *(worst["firm_sweeps"], f"{100 * worst['firm_gap']:.3f}"),
                f"{worst['newton']:.9f}",
            ]
        )
    report(given.json, figures, TITLES, rows, ["Objectives over the optimum's, worst seed."])


def solve_all(seed: int, ratio: float) -> dict:
    problem, dense = mixed_problem(seed, ratio)
    optimum = objective(problem, dense, oracle(problem, dense, MU), MU)

    def over(weights: np.ndarray) -> float:
        return objective(problem, dense, weights, MU) / optimum

    plain, firm, newton = (problem.base.copy() for _ in range(3))
    descend(problem, plain, MU, SWEEPS, Shuffler(seed), TOLERANCE)
    scaled = firmed(copy_of(problem), MU)
    dual = np.zeros(len(problem.goal))
    found = descend(scaled, firm, MU, SWEEPS, Shuffler(seed), TOLERANCE, dual=dual)
    solve_newton(scaled, newton, MU, TOLERANCE)
    return {
        "plain": over(plain),
        "firm": over(firm),
        "firm_sweeps": found.sweeps,
        "firm_gap": found.rms_gap,
        "newton": over(newton),
    }


def copy_of(problem: Problem) -> Problem:
    return dataclasses.replace(problem, data=problem.data.copy())


if __name__ == "__main__":
    main()
