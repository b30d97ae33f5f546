"""The problem by records: what it holds, what leaves and what enters."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

from localcal.weights import rows
from localcal.weights.problem import Problem, Records, build_problem
from tests.descent_case import PENALTY, small_problem, sparse_matrix


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
        give=np.ones(2),
    )
    weights = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
    residual = problem.residual(weights)
    entered = problem.admit(np.array([2, 0, 1, 3]), 4, weights, residual, 1e-6)
    assert entered == 2
    np.testing.assert_allclose(weights, [1.2, 0.0, 1.2, 0.0, 1.0])
    np.testing.assert_allclose(residual, problem.residual(weights), atol=1e-12)
