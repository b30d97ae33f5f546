"""The dual Newton method, and both methods as each other's oracle."""

import numpy as np
import pytest
import scipy.optimize

from localcal.errors import InputError
from localcal.weights import newton
from localcal.weights.descent import Shuffler, certify, descend
from localcal.weights.newton import solve_newton
from tests.descent_case import objective, oracle, small_problem
from tests.fit_case import make_case


@pytest.mark.parametrize("penalty", [50.0, 0.5, 0.01])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_newton_reaches_the_optimum_of_an_independent_solver(seed, penalty):
    problem, dense = small_problem(seed)
    expected = oracle(problem, dense, penalty)
    weights = problem.base.copy()
    certificate = solve_newton(problem, weights, penalty, 1e-6)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    assert certificate.within_tolerance and certificate.sweeps < 30
    optimum = objective(problem, dense, expected, penalty)
    assert certificate.objective == pytest.approx(optimum, rel=1e-8)


def test_descent_and_newton_agree_where_the_gap_says_so():
    problem, _ = small_problem(7, n=400, m=40)
    exact, swept = problem.base.copy(), problem.base.copy()
    solve_newton(problem, exact, 0.5, 1e-9)
    optimum = certify(problem, exact, 0.5)
    assert optimum.rms_gap < 1e-6
    shuffler = Shuffler(0)
    for _ in range(6):
        certificate = descend(problem, swept, 0.5, 10, shuffler)
        # What the certificate bounds is the distance to the optimum that Newton knows.
        assert 0 <= certificate.objective - optimum.objective <= certificate.gap + 1e-12
    descend(problem, swept, 0.5, 3000, shuffler)
    np.testing.assert_allclose(swept, exact, rtol=1e-5)


def test_a_gap_of_zero_is_the_optimum_of_the_quadratic_program():
    """Karush, Kuhn and Tucker: no slope inside the bounds, and the right sign at them."""
    problem, dense = small_problem(3, n=30, m=8)
    weights = problem.base.copy()
    certificate = solve_newton(problem, weights, 0.5, 1e-9)
    assert abs(certificate.gap) < 1e-12 * certificate.objective + 1e-14
    pull = 0.5 / problem.base.sum() * (weights - problem.base) / problem.base
    gradient = pull - dense.T @ (problem.goal - dense @ weights)
    size = np.abs(dense).max()
    inside = (weights > problem.lower) & (weights < problem.upper)
    assert 0 < inside.sum() < 30
    assert np.abs(gradient[inside]).max() < 1e-6 * size
    assert (gradient[weights == problem.lower] >= -1e-6 * size).all()
    assert (gradient[weights == problem.upper] <= 1e-6 * size).all()
    constrained = scipy.optimize.minimize(
        lambda x: objective(problem, dense, x, 0.5),
        problem.base,
        jac=lambda x: (
            0.5 / problem.base.sum() * (x - problem.base) / problem.base
            - dense.T @ (problem.goal - dense @ x)
        ),
        bounds=list(zip(problem.lower, problem.upper, strict=True)),
        method="L-BFGS-B",
        options={"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-12},
    )
    assert certificate.objective <= constrained.fun * (1 + 1e-9)


def test_the_products_are_those_of_the_scaled_matrix():
    problem, dense = small_problem(4)
    spread = np.random.default_rng(0).random(60)
    spread[::5] = 0.0
    np.testing.assert_allclose(problem.products(spread), dense * spread @ dense.T, rtol=1e-6)


def test_more_targets_than_newton_is_for_are_refused(monkeypatch):
    monkeypatch.setattr(newton, "MOST_TARGETS", 14)
    problem, _ = small_problem(0)
    with pytest.raises(InputError, match="at most 14 targets, and there are 15; use descent"):
        solve_newton(problem, problem.base.copy(), 0.5, 1e-3)


@pytest.mark.parametrize("records", [None, 300, 100])
def test_a_whole_fit_by_newton_is_the_optimum_descent_aims_at(records):
    case = make_case(4)
    by_newton = case.fit(method="newton", records=records)
    by_descent = case.fit(records=records, max_sweeps=4000, tolerance=1e-6)
    assert by_newton.report["stopped_by"] == "tolerance"
    assert by_newton.report["rms_gap"] < 0.0025
    assert np.count_nonzero(by_newton.weights) == records or records is None
    if records != 100:  # so few are swapped, by prices that differ in the last bits
        np.testing.assert_allclose(by_newton.weights, by_descent.weights, rtol=2e-3)
    assert by_newton.report["sweeps"] < by_descent.report["sweeps"]


def test_newton_softens_contradicted_targets_as_descent_does():
    case = make_case(3)
    case.targets.loc[30, "value"] *= 3.0
    settings = {"harmonize": False, "bounds": (0.2, 5.0)}
    newton_table = case.fit(method="newton", **settings).diagnostics
    table = case.fit(max_sweeps=4000, tolerance=1e-6, **settings).diagnostics
    softened = table["huber_weight"] < 1
    assert softened[30]
    np.testing.assert_allclose(newton_table["huber_weight"], table["huber_weight"], rtol=0.02)
