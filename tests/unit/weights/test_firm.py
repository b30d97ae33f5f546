"""Rows of mixed sign and equations that must hold, against an independent solver."""

import dataclasses

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

from localcal.errors import InputError
from localcal.weights.descent import Shuffler, certify, descend
from localcal.weights.distance import distance_named
from localcal.weights.firm import EXACT_WITHIN, HELD_WITHIN, firmed
from localcal.weights.newton import solve_newton
from localcal.weights.problem import Problem, Records, build_problem
from tests.descent_case import objective, oracle, small_problem
from tests.fit_case import make_case, with_rows

MU = 1.0


def mixed_problem(seed: int, ratio: float) -> tuple[Problem, np.ndarray]:
    """A problem of 20 rows; in four the net is gross / ratio. Returned with its dense A."""
    rng = np.random.default_rng(seed)
    dense = rng.uniform(0.5, 2.0, (20, 300)) * (rng.random((20, 300)) < 0.3)
    sign = np.where(rng.random((4, 300)) < 0.5, 1.0, -1.0) * (rng.random((4, 300)) < 0.5)
    dense[:4] = rng.lognormal(0.0, 1.5, (4, 300)) * sign
    base = rng.uniform(50.0, 150.0, 300)
    truth = base * rng.uniform(0.7, 1.4, 300)
    for row in dense[:4]:
        net = np.abs(row) @ base / ratio
        row -= (row != 0.0) * (row @ truth - net) / np.sum(truth[row != 0.0])
    dense = dense.astype(np.float32)
    target = dense.astype(np.float64) @ truth
    problem = build_problem(
        scipy.sparse.csr_array(dense),
        slot=np.arange(20),
        scale=1.0 / target,
        goal=np.ones(20),
        root=np.ones(20),
        records=Records(np.arange(300), base, np.sort(rng.integers(0, 4, 300)).astype(np.int32)),
        bounds=(0.1, 10.0),
    )
    return problem, dense_of(problem)


def dense_of(problem: Problem) -> np.ndarray:
    shape = (len(problem.base), len(problem.goal))
    arrays = (problem.data.astype(np.float64), problem.indices, problem.indptr)
    return scipy.sparse.csr_array(arrays, shape=shape).toarray().T


def copied(problem: Problem) -> Problem:
    return dataclasses.replace(problem, data=problem.data.copy())


@pytest.mark.parametrize("ratio", [10.0, 1e3, 1e4, 1e6])
def test_descent_comes_within_one_per_cent_of_the_optimum_of_rows_of_mixed_sign(ratio):
    problem, dense = mixed_problem(0, ratio)
    optimum = objective(problem, dense, oracle(problem, dense, MU), MU)
    weights, dual = problem.base.copy(), np.zeros(20)
    firm = firmed(copied(problem), MU)
    found = descend(firm, weights, MU, 400, Shuffler(0), 2e-4, dual=dual)
    assert found.within_tolerance
    assert optimum * (1 - 1e-9) <= objective(problem, dense, weights, MU) < 1.01 * optimum
    # The certificate is about the rows as they are, not as they were scaled.
    assert found.objective == pytest.approx(objective(problem, dense, weights, MU), rel=1e-4)
    assert found.gap >= found.objective - optimum - 1e-12
    if ratio > 100:
        plain = problem.base.copy()
        descend(problem, plain, MU, 400, Shuffler(0), 2e-4)
        assert objective(problem, dense, plain, MU) > 10 * optimum


@pytest.mark.parametrize("multiplier", [0.0, 0.3, 3.0])
def test_the_gap_is_a_bound_whatever_the_multipliers(multiplier):
    problem, dense = mixed_problem(1, 1e3)
    optimum = objective(problem, dense, oracle(problem, dense, MU), MU)
    firm = firmed(copied(problem), MU)
    weights, dual = problem.base.copy(), np.zeros(20)
    descend(firm, weights, MU, 30, Shuffler(0), 1e-9, dual=dual)
    certificate = certify(firm, weights, MU, dual=multiplier * dual)
    assert certificate.gap >= certificate.objective - optimum - 1e-9


@pytest.mark.parametrize("ratio", [1e4, 1e6, 1e8])
def test_newton_solves_rows_of_mixed_sign_and_is_never_worse_than_its_start(ratio):
    problem, dense = mixed_problem(2, ratio)
    optimum = objective(problem, dense, oracle(problem, dense, MU), MU)
    weights = problem.base.copy()
    found = solve_newton(firmed(copied(problem), MU), weights, MU, 1e-6)
    assert found.within_tolerance and found.objective < optimum * (1 + 1e-6)
    # Without being scaled the last of them leave the range of 64 bits.
    weights = problem.base.copy()
    start = certify(problem, weights, MU).objective
    found = solve_newton(problem, weights, MU, 1e-6)
    assert found.objective <= start
    assert certify(problem, weights, MU).objective == found.objective
    assert found.within_tolerance or found.line_search_failed or found.sweeps == 100


@pytest.mark.parametrize("name", ["raking", "logit"])
def test_rows_of_mixed_sign_are_solved_with_other_distances_too(name):
    problem = mixed_problem(0, 1e4)[0]
    problem = dataclasses.replace(problem, distance=distance_named(name, (0.1, 10.0)))
    swept, stepped = problem.base.copy(), problem.base.copy()
    by_descent = descend(firmed(copied(problem), MU), swept, MU, 400, Shuffler(0), 2e-4)
    by_newton = solve_newton(firmed(copied(problem), MU), stepped, MU, 1e-6)
    assert by_descent.within_tolerance and by_newton.within_tolerance
    np.testing.assert_allclose(swept, stepped, rtol=2e-3)
    # Less than the tolerance apart, and no further than the certificate says.
    apart = by_descent.objective - by_newton.objective
    assert -1e-9 <= apart <= by_descent.gap + 1e-12
    assert certify(problem, stepped, MU).objective == pytest.approx(by_newton.objective, rel=1e-6)


def exact_problem(seed: int, rows: int) -> tuple[Problem, np.ndarray]:
    """A problem of which the first rows must hold, and its dense A."""
    problem, _ = small_problem(seed, n=80, m=15)
    give = np.where(np.arange(15) < rows, 0.0, 1.0)
    problem = dataclasses.replace(problem, give=give)
    return problem, dense_of(problem)


def constrained(problem: Problem, dense: np.ndarray, mu: float) -> np.ndarray:
    """The optimum under equality constraints, by scipy's trust region method."""
    hold, ridge = problem.give == 0.0, mu / problem.base.sum() / problem.base
    soft, goal = dense[~hold], problem.goal[~hold]
    found = scipy.optimize.minimize(
        lambda w: 0.5 * np.sum((goal - soft @ w) ** 2) + 0.5 * ridge @ (w - problem.base) ** 2,
        problem.base,
        jac=lambda w: soft.T @ (soft @ w - goal) + ridge * (w - problem.base),
        hess=lambda w: soft.T @ soft + np.diag(ridge),
        method="trust-constr",
        bounds=scipy.optimize.Bounds(problem.lower, problem.upper),
        constraints=scipy.optimize.LinearConstraint(dense[hold], *[problem.goal[hold]] * 2),
        options={"gtol": 1e-11, "xtol": 1e-13, "barrier_tol": 1e-12, "maxiter": 3000},
    )
    return found.x


@pytest.mark.parametrize("method", ["descent", "newton"])
@pytest.mark.parametrize("seed", [0, 1])
def test_equations_that_must_hold_do_and_the_rest_is_optimal(method, seed):
    problem, dense = exact_problem(seed, 3)
    mu = 0.2
    expected = constrained(problem, dense, mu)
    weights, dual = problem.base.copy(), np.zeros(15)
    firm = firmed(copied(problem), mu)
    if method == "descent":
        found = descend(firm, weights, mu, 5000, Shuffler(0), 1e-5, dual=dual)
    else:
        found = solve_newton(firm, weights, mu, 1e-5, dual)
    assert found.within_tolerance
    missed = np.abs(problem.goal - dense @ weights)[:3] / problem.root[:3]
    assert missed.max() <= HELD_WITHIN
    soft = dataclasses.replace(problem, goal=problem.goal[3:])
    optimum = objective(soft, dense[3:], expected, mu)
    assert objective(soft, dense[3:], weights, mu) == pytest.approx(optimum, rel=1e-5)
    np.testing.assert_allclose(weights, expected, rtol=0.01)
    assert found.gap >= found.objective - optimum - 1e-9


POPULATION = {"variable": "person_count", "geo_level": "state"}


@pytest.mark.parametrize("settings", [{}, {"records": 300}, {"method": "newton"}])
def test_exact_targets_are_met_to_the_rounding_of_32_bits(settings):
    case = make_case(3)
    error = np.random.default_rng(0).normal(0.0, 0.05, len(case.targets))
    case.targets["value"] *= np.exp(error)
    settings = settings | {"harmonize": False, "penalty": 0.1}
    plain = case.fit(**settings).diagnostics
    result = case.fit(groups=(POPULATION | {"exact": True},), **settings)
    table = result.diagnostics
    exact = (table["geo_level"] == "state") & (table["variable"] == "person_count")
    assert exact.sum() == 12
    assert plain.loc[exact, "rel_error"].abs().min() > EXACT_WITHIN
    assert table.loc[exact, "rel_error"].abs().max() < EXACT_WITHIN
    others = table.loc[~exact, "rel_error"].abs().mean()
    assert others < 2.0 * plain.loc[~exact, "rel_error"].abs().mean()
    assert result.report["stopped_by"] == "tolerance"


def test_exact_targets_are_never_left_out_at_random():
    case = make_case(3)
    rule = POPULATION | {"exact": True}
    table = case.fit(groups=(rule,), hold_out=0.5, penalty="auto").diagnostics
    held_out = table["verdict"] == "held_out"
    exact = (table["geo_level"] == "state") & (table["variable"] == "person_count")
    assert held_out.sum() > 10 and not held_out[exact].any()


def test_exact_targets_that_contradict_each_other_are_named_and_no_others():
    case = make_case(3)
    rows = case.matrix.toarray()[[30, 30]]
    value = case.targets["value"][30]
    case = with_rows(case, rows, [value, 1.2 * value], "twice")
    rules = (POPULATION | {"exact": True}, {"variable": "twice", "exact": True})
    with pytest.raises(InputError) as caught:
        case.fit(groups=rules, harmonize=False)
    text = str(caught.value)
    assert "no weights within the bounds [0.1, 10.0] meet these 2 targets at once" in text
    assert "twice 0" in text and "twice 1" in text and "\n" not in text


def test_exact_targets_beyond_the_bounds_are_named():
    case = make_case(3)
    # All but one of the state's districts far up, and the state as it is.
    state = case.targets[
        (case.targets["geo_level"] == "state") & (case.targets["variable"] != "person_count")
    ].index[1]
    districts = case.targets[
        (case.targets["geo_level"] == "district") & (case.targets["variable"] != "person_count")
    ]
    up = districts[districts["geographic_id"].isin(["201", "202"])].index
    case.targets.loc[up, "value"] *= 1.4
    rule = {"variable": "adjusted_gross_income", "exact": True}
    with pytest.raises(InputError) as caught:
        case.fit(groups=(rule,), harmonize=False, bounds=(0.5, 2.0))
    names = [case.targets["name"][row] for row in (state, *up)]
    assert all(name in str(caught.value) for name in names)
    assert "widen the bounds" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hold_out": True}, "held_out"),
        ({"minimum_columns": 200}, "thin"),
        ({"value": 1e12}, "unreachable"),
        ({"value": 0.0}, "zero"),
    ],
)
def test_an_exact_target_that_is_left_out_is_refused(change, reason):
    case = make_case(3)
    rule = {"variable": "person_count", "geo_level": "district", "exact": True}
    settings = {"harmonize": False}
    if "value" in change:
        row = case.targets[case.targets["geo_level"] == "district"].index[0]
        case.targets.loc[row, "value"] = change["value"]
    elif "hold_out" in change:
        rule |= change
    else:
        settings |= change
    with pytest.raises(InputError, match=f"exact: target .* cannot be met, it is {reason}"):
        case.fit(groups=(rule,), **settings)
