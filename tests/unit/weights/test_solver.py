"""Rank of the equations, and bytes that do not depend on the number of threads."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.weights import solver
from localcal.weights.problem import Records, build_problem
from localcal.weights.solver import count_independent
from tests.descent_case import sparse_matrix
from tests.fit_case import make_case

REPOSITORY = Path(__file__).parents[3]


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
    monkeypatch.setattr(solver, "MOST_TARGETS", 49)
    with pytest.raises(InputError, match="49 asked for, but there are 50 fitted targets"):
        make_case(13).fit(records=49)


FIT = """
import hashlib
from tests.fit_case import make_case
case = make_case(3, households=40, clones=6)
for settings in ({"records": 100}, {"max_sweeps": 40}):
    result = case.fit(**settings)
    text = result.weights.tobytes() + result.diagnostics.to_csv().encode()
    print(hashlib.sha256(text + result.areas.to_csv().encode()).hexdigest())
"""


def test_the_bytes_are_the_same_with_other_thread_counts():
    names = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    outputs = set()
    for threads in ("1", "2"):
        environment = os.environ | dict.fromkeys(names, threads)
        done = subprocess.run(
            [sys.executable, "-c", FIT], cwd=REPOSITORY, env=environment, check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        outputs.add(done.stdout)
    assert len(outputs) == 1 and len(outputs.pop().split()) == 2


def test_swapping_records_lowers_the_objective(monkeypatch):
    case = make_case(7)
    swapped = case.fit(records=60, max_sweeps=500)
    monkeypatch.setattr(solver, "SWAP_ROUNDS", 0)
    drawn = case.fit(records=60, max_sweeps=500)
    assert swapped.report["selection"]["swaps_accepted"] > 0
    assert swapped.report["objective"] < 0.8 * drawn.report["objective"]
    assert np.count_nonzero(swapped.weights) == np.count_nonzero(drawn.weights) == 60


def test_another_round_of_swaps_never_makes_the_fit_worse(monkeypatch):
    case = make_case(8)
    objectives = []
    for rounds in range(solver.SWAP_ROUNDS + 1):
        monkeypatch.setattr(solver, "SWAP_ROUNDS", rounds)
        objectives.append(case.fit(records=100).report["objective"])
    assert (np.diff(objectives) <= 0).all() and objectives[-1] < objectives[0]


def test_fewer_records_than_targets_is_warned_about(caplog):
    with caplog.at_level(logging.WARNING):
        make_case(13).fit(records=30)
    assert "30 records for 50 fitted targets" in caplog.text
