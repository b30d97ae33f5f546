"""Coordinate descent against a quadratic-programming oracle, and its certificate."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

from localcal.errors import InputError
from localcal.weights import rows
from localcal.weights.descent import Shuffler, certify, descend
from localcal.weights.problem import Problem, Records, build_problem
from localcal.weights.rows import count_households, row_blocks, summarize_rows

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


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_descent_reaches_the_optimum_of_an_independent_solver(seed):
    problem, dense = small_problem(seed)
    expected = oracle(problem, dense, PENALTY)
    weights = problem.base.copy()
    certificate = descend(problem, weights, PENALTY, 3000, Shuffler(seed))
    at_bound = (expected <= problem.lower * 1.0001) | (expected >= problem.upper * 0.9999)
    assert 0 < at_bound.sum() < len(expected)
    np.testing.assert_allclose(weights, expected, rtol=1e-5)
    assert certificate.objective == pytest.approx(
        objective(problem, dense, expected, PENALTY), rel=1e-9
    )
    assert abs(certificate.gap) < 1e-9


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_gap_is_never_smaller_than_the_true_distance_to_the_optimum(seed):
    problem, dense = small_problem(seed)
    optimum = objective(problem, dense, oracle(problem, dense, PENALTY), PENALTY)
    weights = problem.base.copy()
    shuffler = Shuffler(seed)
    gaps = []
    for _ in range(12):
        certificate = certify(problem, weights, PENALTY)
        distance = objective(problem, dense, weights, PENALTY) - optimum
        assert certificate.gap >= distance - 1e-12
        assert certificate.objective == pytest.approx(optimum + distance, rel=1e-9)
        assert certificate.rms_gap == pytest.approx(
            np.sqrt(2 * certificate.gap / np.sum(problem.goal**2))
        )
        gaps.append(certificate.gap)
        descend(problem, weights, PENALTY, 2, shuffler)
    assert gaps[-1] < gaps[0] / 1000


def test_weights_stay_within_their_bounds_at_every_sweep():
    problem, _ = small_problem(3)
    weights = problem.base.copy()
    shuffler = Shuffler(0)
    for penalty in (100.0, 1.0, 1e-3, 1e-6):
        descend(problem, weights, penalty, 1, shuffler)
        assert (weights >= problem.lower).all() and (weights <= problem.upper).all()
    assert (weights == problem.lower).any() and (weights == problem.upper).any()


def test_a_tolerance_ends_the_descent_and_without_it_the_cap_does():
    problem, _ = small_problem(4)
    met = descend(problem, problem.base.copy(), PENALTY, 5000, Shuffler(0), tolerance=1e-3)
    assert met.within_tolerance and met.rms_gap <= 1e-3 and met.sweeps < 5000
    capped = descend(problem, problem.base.copy(), PENALTY, 15, Shuffler(0), tolerance=1e-12)
    assert not capped.within_tolerance and capped.rms_gap > 1e-12 and capped.sweeps == 15


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    problem, _ = small_problem(5)
    results = []
    for seed in (7, 7, 8):
        weights = problem.base.copy()
        descend(problem, weights, PENALTY, 5, Shuffler(seed))
        results.append(weights.tobytes())
    assert results[0] == results[1] != results[2]


def plain_splitmix_shuffle(order: list[int], starts: list[int], word: int) -> list[int]:
    """Fisher-Yates with splitmix64, in Python's unbounded integers."""
    mask = 2**64 - 1
    order = list(order)
    for low, high in zip(starts[:-1], starts[1:], strict=True):
        for i in range(high - 1, low, -1):
            word = (word + 0x9E3779B97F4A7C15) & mask
            mixed = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & mask
            mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
            pick = low + (((mixed ^ (mixed >> 31)) >> 32) * (i - low + 1) >> 32)
            order[i], order[pick] = order[pick], order[i]
    return order


def test_the_shuffle_is_splitmix_and_fisher_yates_whatever_compiled_it():
    order = np.arange(50, dtype=np.int32)
    Shuffler(2**63 + 5).shuffle(order, np.array([0, 20, 21, 50]))
    assert order.tolist() == plain_splitmix_shuffle(range(50), [0, 20, 21, 50], 2**63 + 5)


def test_every_sweep_has_a_new_order_that_keeps_districts_together():
    order = np.arange(30, dtype=np.int32)
    shuffler = Shuffler(1)
    seen = set()
    for _ in range(3):
        shuffler.shuffle(order, np.array([0, 10, 30]))
        assert set(order[:10]) == set(range(10)) and set(order[10:]) == set(range(10, 30))
        seen.add(order.tobytes())
    assert len(seen) == 3


@pytest.mark.parametrize("block_nonzeros", [1, 7, 1000])
def test_row_sums_do_not_depend_on_the_size_of_the_blocks(monkeypatch, block_nonzeros):
    monkeypatch.setattr(rows, "BLOCK_NONZEROS", block_nonzeros)
    rng = np.random.default_rng(0)
    matrix = sparse_matrix(1, 6, 20)
    matrix.data[::4] *= -1
    matrix.data[matrix.indptr[4] : matrix.indptr[5]] = 0.0
    weights = rng.uniform(0.0, 3.0, 20)
    weights[[2, 3, 11]] = 0.0
    household = np.repeat(np.arange(5), 4)
    parts = matrix.toarray().astype(np.float64) * weights

    summary = summarize_rows(matrix, weights)
    np.testing.assert_allclose(summary.estimate, parts.sum(1), atol=1e-12)
    np.testing.assert_allclose(summary.positive, parts.clip(min=0).sum(1))
    np.testing.assert_allclose(summary.negative, parts.clip(max=0).sum(1))
    assert summary.columns.tolist() == (parts != 0).sum(1).tolist()
    size = np.abs(parts)
    full = size.sum(1) > 0
    expected = size.sum(1)[full] ** 2 / (size**2).sum(1)[full]
    np.testing.assert_allclose(summary.effective_n[full], expected)
    np.testing.assert_allclose(summary.largest_share[full], size.max(1)[full] / size.sum(1)[full])
    assert not full.all() and (summary.effective_n[~full] == 0).all()
    households = [len(set(household[row != 0])) for row in parts]
    assert count_households(matrix, weights, household).tolist() == households


@pytest.mark.parametrize("block_nonzeros", [1, 7, 1000])
def test_the_problem_holds_the_fitted_rows_of_the_chosen_columns(monkeypatch, block_nonzeros):
    monkeypatch.setattr(rows, "BLOCK_NONZEROS", block_nonzeros)
    matrix = sparse_matrix(2, 6, 12)
    records = np.array([7, 1, 3, 0, 11])
    scale = np.array([0.5, 2.0, 10.0])
    problem = build_problem(
        matrix,
        slot=np.array([-1, 0, 1, -1, 2, -1]),
        scale=scale,
        goal=np.ones(3),
        root=np.ones(3),
        records=Records(records, np.arange(1.0, 6.0), np.zeros(5, dtype=np.int32)),
        bounds=(0.1, 10.0),
    )
    dense = matrix.toarray()[[1, 2, 4]][:, records] * scale[:, None]
    stored = scipy.sparse.csr_array((problem.data, problem.indices, problem.indptr), shape=(5, 3))
    np.testing.assert_allclose(stored.toarray(), dense.T, rtol=1e-6)
    assert stored.has_sorted_indices
    np.testing.assert_allclose(problem.norm, np.sqrt((dense**2).sum(0)), rtol=1e-6)
    np.testing.assert_allclose(problem.residual(problem.base), 1 - dense @ problem.base, rtol=1e-5)
    np.testing.assert_allclose(problem.slopes(np.arange(3.0)), dense.T @ np.arange(3), rtol=1e-6)
    part = problem.take(np.array([1, 4]))
    np.testing.assert_allclose(
        part.residual(np.ones(2)), 1 - dense[:, [1, 4]].sum(1), rtol=1e-5, atol=1e-9
    )
    assert part.lower.tolist() == pytest.approx([0.2, 0.5])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda matrix: matrix.data.__setitem__(3, np.nan), "NaN"),
        (lambda matrix: matrix.data.__setitem__(3, np.inf), "NaN or infinite"),
        (lambda matrix: matrix.indices.__setitem__(-1, 20), "column outside"),
    ],
)
def test_a_damaged_matrix_is_refused_before_it_is_used(change, message):
    matrix = sparse_matrix(3, 5, 20)
    change(matrix)
    with pytest.raises(InputError, match=message):
        list(row_blocks(matrix, check=True))


def test_the_loss_of_a_removal_is_the_change_of_the_objective():
    problem, dense = small_problem(6, n=12, m=5)
    weights = problem.base * 1.2
    ridge = PENALTY / problem.base.sum()

    def value(kept):
        misfit = problem.goal - dense[:, kept] @ weights[kept]
        pull = (weights[kept] - problem.base[kept]) ** 2 / problem.base[kept]
        return 0.5 * misfit @ misfit + 0.5 * ridge * pull.sum()

    everyone = np.arange(12)
    expected = [value(np.delete(everyone, i)) - value(everyone) for i in everyone]
    loss = problem.removal_loss(weights, problem.residual(weights), PENALTY)
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-9)


def test_records_enter_only_while_they_lower_the_objective():
    # Four identical records and one target of 2.5 units: the third one would only do harm.
    problem = Problem(
        indptr=np.arange(6, dtype=np.int64),
        indices=np.array([0, 0, 0, 0, 1], dtype=np.int32),
        data=np.ones(5, dtype=np.float32),
        squared_norm=np.ones(5),
        goal=np.array([2.5, 1.0]),
        root=np.ones(2),
        base=np.ones(5),
        lower=np.full(5, 1.0),
        upper=np.full(5, 1.2),
        district=np.zeros(5, dtype=np.int32),
    )
    weights = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
    residual = problem.residual(weights)
    entered = problem.admit(np.array([2, 0, 1, 3]), 4, weights, residual, 1e-6)
    assert entered == 2
    np.testing.assert_allclose(weights, [1.2, 0.0, 1.2, 0.0, 1.0])
    np.testing.assert_allclose(residual, problem.residual(weights), atol=1e-12)
