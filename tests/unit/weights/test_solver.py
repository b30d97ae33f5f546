"""Records that are swapped, how a fit ends, and bytes that are the same with more threads."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from localcal.weights import solver
from tests.fit_case import make_case

REPOSITORY = Path(__file__).parents[3]


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


@pytest.mark.parametrize("records", ["all", 150])
def test_few_targets_whose_sweeps_are_used_up_are_finished_by_newton(records, monkeypatch):
    case = make_case(2)
    # These have sweeps of their own.
    monkeypatch.setattr(solver, "SWAP_ROUNDS", 0)
    settings = {"records": records, "tolerance": 1e-8, "harmonize": False, "huber": None}
    finished = case.fit(max_sweeps=10, **settings)
    assert finished.report["stopped_by"] == "tolerance"
    swept = case.fit(max_sweeps=20_000, **settings)
    # The optimum is the same.
    np.testing.assert_allclose(finished.weights, swept.weights, rtol=1e-4)
    monkeypatch.setattr(solver, "FINISHED_BY_NEWTON", 0)
    cut = case.fit(max_sweeps=10, **settings)
    assert cut.report["stopped_by"] == "max_sweeps"
    assert cut.report["sweeps"] < finished.report["sweeps"] < swept.report["sweeps"]


def test_a_softened_fit_is_brought_to_the_tolerance_when_its_rounds_end_early(monkeypatch):
    monkeypatch.setattr(solver, "HUBER_SWEEPS", 1)
    monkeypatch.setattr(solver, "FINISHED_BY_NEWTON", 0)
    case = make_case(2)
    targets = case.targets.copy()
    targets.loc[0, "value"] *= 1.9
    case = dataclasses.replace(case, targets=targets)
    report = case.fit(tolerance=1e-8, max_sweeps=20_000, harmonize=False).report
    assert 0 < report["huber"]["rounds"] < solver.HUBER_ROUNDS
    assert report["stopped_by"] == "tolerance" and report["rms_gap"] <= 1e-8
