"""How many targets are independent, and fewer records than those are refused."""

import logging

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.weights import rank
from localcal.weights.problem import Records, build_problem
from localcal.weights.rank import count_independent
from tests.descent_case import sparse_matrix
from tests.fit_case import make_case


def problem_of(matrix):
    m, n = matrix.shape
    ones, same = np.ones(m), np.zeros(n, dtype=np.int32)
    return build_problem(
        matrix, np.arange(m), ones, ones, ones, Records(np.arange(n), np.ones(n), same), (0.1, 10.0)
    )


def test_rows_that_follow_from_others_do_not_count_as_independent():
    matrix = sparse_matrix(0, 12, 80).tolil()
    assert count_independent(problem_of(matrix.tocsr())) == 12
    # As states add up to the nation, with the rounding of 32-bit floats.
    matrix[[0]] = matrix[[1]] + matrix[[2]] + matrix[[3]]
    matrix[[4]] = 1e-6 * matrix[[5]]
    assert count_independent(problem_of(matrix.tocsr())) == 10


def test_as_many_targets_as_records_can_carry_have_the_rank_of_the_records():
    assert count_independent(problem_of(sparse_matrix(1, 40, 25))) == 25


def test_fewer_records_than_independent_targets_are_refused():
    # 50 targets, of which the 30 of the districts imply the others.
    case = make_case(13)
    with pytest.raises(InputError, match="29 asked for, but there are 30 independent targets"):
        case.fit(records=29)
    assert np.count_nonzero(case.fit(records=30).weights) == 30
    with pytest.raises(InputError, match="4 asked for, but there are 5 independent targets"):
        case.fit(records=4, levels=("nation",))


def test_where_the_rank_would_take_too_long_every_target_counts(monkeypatch):
    monkeypatch.setattr(rank, "MOST_TARGETS", 49)
    with pytest.raises(InputError, match="49 asked for, but there are 50 fitted targets"):
        make_case(13).fit(records=49)


def test_fewer_records_than_targets_is_warned_about(caplog):
    with caplog.at_level(logging.WARNING):
        make_case(13).fit(records=30)
    assert "30 records for 50 fitted targets" in caplog.text
