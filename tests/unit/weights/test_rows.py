"""Going through a matrix by blocks of rows."""

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.weights import rows
from localcal.weights.rows import row_blocks, summarize_households, summarize_rows
from tests.descent_case import sparse_matrix


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
    found = summarize_households(matrix, weights, household)
    assert found.count.tolist() == households
    by_household = np.abs(parts.reshape(6, 5, 4).sum(2))
    expected = by_household.sum(1)[full] ** 2 / (by_household**2).sum(1)[full]
    np.testing.assert_allclose(found.effective[full], expected)
    assert (found.effective[~full] == 0).all()


def test_clones_of_one_household_are_one_observation():
    matrix = sparse_matrix(1, 1, 12, density=1.0)
    matrix.data[:] = 1.0
    apart = summarize_households(matrix, np.ones(12), np.arange(12))
    assert (apart.count[0], apart.effective[0]) == (12, 12.0)
    together = summarize_households(matrix, np.ones(12), np.repeat([0, 7], 6))
    assert (together.count[0], together.effective[0]) == (2, 2.0)


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
