"""Small problems whose optimum another solver knows."""

import numpy as np
import scipy.optimize
import scipy.sparse

from localcal.weights.problem import Problem, Records, build_problem

PENALTY = 0.5


def sparse_matrix(seed: int, n_rows: int, n_columns: int, density: float = 0.3):
    rng = np.random.default_rng(seed)
    dense = rng.uniform(0.5, 2.0, (n_rows, n_columns)) * (rng.random((n_rows, n_columns)) < density)
    return scipy.sparse.csr_array(dense.astype(np.float32))


def small_problem(seed: int, n: int = 60, m: int = 15) -> tuple[Problem, np.ndarray]:
    """A problem whose bounds bind for some records, and its dense A (m, n)."""
    rng = np.random.default_rng(seed)
    matrix = sparse_matrix(seed, m, n)
    base = rng.uniform(1.0, 5.0, n)
    target = matrix @ (base * rng.uniform(0.3, 3.0, n))
    rho = rng.uniform(0.5, 2.0, m)
    problem = build_problem(
        matrix,
        slot=np.arange(m),
        scale=np.sqrt(rho) / target,
        goal=np.sqrt(rho),
        root=np.sqrt(rho),
        records=Records(np.arange(n), base, np.sort(rng.integers(0, 4, n)).astype(np.int32)),
        bounds=(0.5, 2.0),
    )
    scaled = matrix.toarray().astype(np.float64) * (np.sqrt(rho) / target)[:, None]
    return problem, scaled.astype(np.float32).astype(np.float64)


def objective(problem: Problem, dense: np.ndarray, weights: np.ndarray, penalty: float) -> float:
    """P(w), straight from its definition."""
    misfit = problem.goal - dense @ weights
    pull = (weights - problem.base) ** 2 / problem.base
    return 0.5 * misfit @ misfit + penalty / (2 * problem.base.sum()) * pull.sum()


def oracle(problem: Problem, dense: np.ndarray, penalty: float) -> np.ndarray:
    """The optimum, by scipy's active-set solver for bounded least squares."""
    root = np.sqrt(penalty / problem.base.sum() / problem.base)
    stacked = np.vstack([dense, np.diag(root)])
    goal = np.concatenate([problem.goal, root * problem.base])
    solution = scipy.optimize.lsq_linear(
        stacked, goal, (problem.lower, problem.upper), method="bvls", tol=1e-14
    )
    assert solution.success
    return solution.x
