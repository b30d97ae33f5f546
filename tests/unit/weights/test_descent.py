"""Coordinate descent against a quadratic-programming oracle, and its certificate."""

import numpy as np
import pytest

from localcal.weights.descent import Shuffler, certify, descend
from tests.descent_case import PENALTY, objective, oracle, small_problem


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
            np.sqrt(2 * certificate.gap / len(problem.goal))
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
