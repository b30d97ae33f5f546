"""Raking and logit beside least squares, against other solvers and R's package survey."""

import dataclasses

import numpy as np
import pytest
import scipy.optimize
import scipy.special

from localcal.errors import InputError
from localcal.weights import penalty
from localcal.weights.descent import Shuffler, certify, descend
from localcal.weights.distance import (
    KINDS,
    LOGIT,
    RAKING,
    best_weight,
    distance_at,
    distance_named,
    exponential,
    factor_at,
    logarithm,
    slope_at,
)
from localcal.weights.firm import HELD_WITHIN, firmed
from localcal.weights.newton import solve_newton
from localcal.weights.pose import pose_problem
from localcal.weights.problem import Problem
from localcal.weights.settings import Settings
from tests.descent_case import small_problem
from tests.fit_case import make_case
from tests.r_case import EXACT, WAYS, r_case, r_weights

MU = 0.5
BOTH = ["raking", "logit"]
BOUNDS = [(0.5, 2.0), (0.1, 10.0), (1e-9, 1e9)]


def posed(kind: str, seed: int = 0, bounds=(0.5, 2.0), **size) -> tuple[Problem, np.ndarray]:
    """A small problem with a distance, and its dense A."""
    problem, dense = small_problem(seed, **size)
    low, high = (factor * problem.base for factor in bounds)
    return dataclasses.replace(
        problem, distance=distance_named(kind, bounds), lower=low, upper=high
    ), dense


def calibrated(kind: int, u: np.ndarray, low: float, high: float) -> np.ndarray:
    """F(u), as Deville & Särndal write it."""
    if kind == RAKING:
        return np.clip(np.exp(np.minimum(u, 50.0)), low, high)
    a = (high - low) / ((1 - low) * (high - 1))
    # exp(A u) = p / (1 - p), which does not overflow.
    p = scipy.special.expit(a * u)
    return (low * (high - 1) * (1 - p) + high * (1 - low) * p) / (
        (high - 1) * (1 - p) + (1 - low) * p
    )


def entropy(kind: int, g: np.ndarray, low: float, high: float) -> np.ndarray:
    """G(g), as they write it."""
    xlogy = scipy.special.xlogy
    if kind == RAKING:
        return xlogy(g, g) - g + 1
    a = (high - low) / ((1 - low) * (high - 1))
    up, down = (g - low) / (1 - low), (high - g) / (high - 1)
    return (xlogy(g - low, up) + xlogy(high - g, down)) / a


def objective(problem: Problem, dense: np.ndarray, weights: np.ndarray, mu: float) -> float:
    """P(w), straight from its definition."""
    low, high = problem.lower[0] / problem.base[0], problem.upper[0] / problem.base[0]
    misfit = problem.goal - dense @ weights
    far = problem.base @ entropy(problem.distance.kind, weights / problem.base, low, high)
    return 0.5 * misfit @ misfit + mu / problem.base.sum() * far


def oracle(problem: Problem, dense: np.ndarray, mu: float, soft: np.ndarray) -> np.ndarray:
    """The optimum by scipy's root finder on the dual; rows of `soft` 0 must hold."""
    low, high = problem.lower[0] / problem.base[0], problem.upper[0] / problem.base[0]
    total = problem.base.sum()

    def at(dual: np.ndarray) -> np.ndarray:
        return problem.base * calibrated(
            problem.distance.kind, total / mu * (dual @ dense), low, high
        )

    dual = np.zeros(len(problem.goal))
    # From where the penalty is strong.
    for scale in (100.0, 10.0, 3.0, 1.0):
        found = scipy.optimize.root(
            lambda x, scale=scale: problem.goal - soft * scale * x - dense @ at(x), dual,
            method="hybr", options={"xtol": 1e-14, "maxfev": 20_000},
        )  # fmt: skip
        dual = found.x
    assert np.abs(found.fun).max() < 1e-10
    return at(dual)


def test_logarithms_and_exponentials_are_those_of_the_library_to_two_last_places():
    rng = np.random.default_rng(0)
    for x in (np.exp(rng.uniform(-700, 700, 4000)), 1 + rng.normal(0, 1e-3, 4000)):
        np.testing.assert_array_max_ulp(np.array([logarithm(v) for v in x]), np.log(x), 2)
    x = rng.uniform(-700, 700, 4000)
    np.testing.assert_array_max_ulp(np.array([exponential(v) for v in x]), np.exp(x), 2)
    assert exponential(1e9) < np.inf and exponential(-1e9) > 0.0


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("name", BOTH)
def test_distances_and_factors_are_those_of_deville_and_sarndal(name, bounds):
    (low, high), kind, distance = bounds, KINDS[name], distance_named(name, bounds)
    u = np.random.default_rng(1).uniform(-0.6, 0.6, 500)
    factor, derivative = np.array([factor_at(distance, v) for v in u]).T
    cut = (0.0, 50.0) if kind == RAKING else bounds
    np.testing.assert_allclose(factor, calibrated(kind, u, *cut), rtol=1e-13)
    step = 1e-5
    rise = [factor_at(distance, v + step)[0] - factor_at(distance, v - step)[0] for v in u]
    np.testing.assert_allclose(derivative, np.array(rise) / (2 * step), rtol=1e-5)
    # G' is the inverse of F, and the derivative of G.
    slope = np.array([slope_at(distance, g) for g in factor])
    np.testing.assert_allclose(slope, u, rtol=1e-9, atol=1e-14)
    far = np.array([distance_at(distance, g) for g in factor])
    if high < 1e3:
        np.testing.assert_allclose(far, entropy(kind, factor, low, high), rtol=1e-9, atol=1e-14)
    rise = [distance_at(distance, g + step) - distance_at(distance, g - step) for g in factor]
    np.testing.assert_allclose(np.array(rise) / (2 * step), u, rtol=1e-6, atol=1e-9)
    # Near the base all are least squares.
    assert distance_at(distance, 1.0) == slope_at(distance, 1.0) == 0.0
    assert factor_at(distance, 0.0) == (1.0, 1.0)


def test_logit_stays_in_its_bounds_however_hard_it_is_pulled():
    low, high = 0.5, 2.0
    logit = distance_named("logit", (low, high))
    for u, bound in ((-1e6, low), (1e6, high)):
        factor, derivative = factor_at(logit, u)
        assert factor == pytest.approx(bound, rel=1e-12) and low <= factor <= high
        assert derivative < 1e-12
    for bound in (low, high):
        expected = entropy(LOGIT, np.array(bound), low, high)
        assert distance_at(logit, bound) == pytest.approx(expected, rel=1e-12)
    assert distance_at(logit, 0.4) == distance_at(logit, 2.1) == np.inf
    assert 0.0 < factor_at(distance_named("raking", (low, high)), 1e6)[0] < np.inf


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_weight_of_one_record_is_that_of_a_line_search(kind):
    rng = np.random.default_rng(2)
    for _ in range(300):
        low, high = 1.0 - rng.uniform(0.01, 0.99), 1.0 + rng.uniform(0.01, 9.0)
        base = 10.0 ** rng.uniform(-1, 4)
        q, s = 10.0 ** rng.uniform(-4, 6), rng.normal() * 10.0 ** rng.uniform(-2, 3)
        old = base * rng.choice([rng.uniform(low, high), low, high])
        ridge = 10.0 ** rng.uniform(-6, 0)

        distance = distance_named(kind, (low, high))

        def rise(g, q=q, s=s, old=old, base=base, distance=distance):
            return q * (g - old / base) - s + slope_at(distance, g)

        inside = (low + 1e-13 * (1 - low), high - 1e-13 * (high - 1))
        if rise(inside[0]) >= 0 or rise(inside[1]) <= 0:
            expected = inside[0] if rise(inside[0]) >= 0 else inside[1]
        else:
            expected = scipy.optimize.brentq(rise, *inside, xtol=1e-15, rtol=1e-15)
        found = best_weight(distance, old, s * ridge, q * ridge / base, ridge, base, low * base,
                            high * base)  # fmt: skip
        assert found / base == pytest.approx(expected, rel=1e-9)
        assert low * base <= found <= high * base


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("kind", BOTH)
def test_both_methods_reach_the_optimum_of_an_independent_solver(kind, bounds):
    problem, dense = posed(kind, 1, bounds)
    expected = oracle(problem, dense, MU, np.ones(15))
    by_newton, by_descent = problem.base.copy(), problem.base.copy()
    found = solve_newton(problem, by_newton, MU, 1e-6)
    assert found.within_tolerance and found.sweeps < 20
    np.testing.assert_allclose(by_newton, expected, rtol=1e-7)
    found = descend(problem, by_descent, MU, 5000, Shuffler(0), 1e-7)
    assert found.within_tolerance
    np.testing.assert_allclose(by_descent, expected, rtol=2e-6)
    if bounds[1] < 1e3:
        optimum = objective(problem, dense, expected, MU)
        assert found.objective == pytest.approx(optimum, rel=1e-9)
    cut = (by_newton == problem.lower) | (by_newton == problem.upper)
    assert cut.any() == (kind == "raking" and bounds == (0.5, 2.0))


@pytest.mark.parametrize("kind", BOTH)
def test_the_certificate_is_the_gap_between_objective_and_dual(kind):
    problem, dense = posed(kind, 3)
    optimum = objective(problem, dense, oracle(problem, dense, MU, np.ones(15)), MU)
    rng = np.random.default_rng(0)
    for spread in (0.5, 0.1, 0.01):
        weights = problem.base * np.clip(rng.normal(1.0, spread, 60), 0.51, 1.99)
        found = certify(problem, weights, MU)
        assert found.objective == pytest.approx(objective(problem, dense, weights, MU), rel=1e-12)
        # D(r) by maximizing over each record's weight on a fine grid.
        residual = problem.goal - dense @ weights
        grid = np.linspace(0.5, 2.0, 20_001)
        each = MU / problem.base.sum() * problem.base
        slopes = problem.base * (residual @ dense)
        most = [np.max(a * grid - c * entropy(KINDS[kind], grid, 0.5, 2.0)) for a, c in
                zip(slopes, each, strict=True)]  # fmt: skip
        dual = problem.goal @ residual - 0.5 * residual @ residual - np.sum(most)
        assert found.gap == pytest.approx(found.objective - dual, rel=1e-5)
        assert found.gap >= found.objective - optimum


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("method", ["descent", "newton"])
def test_equations_that_must_hold_do_beside_soft_ones_and_alone(kind, method):
    for held in (3, 15):
        problem, dense = posed(kind, 2, (0.2, 5.0), n=80)
        give = np.where(np.arange(15) < held, 0.0, 1.0)
        # A little off what the base comes to: all can hold.
        goal = (dense @ problem.base) * np.random.default_rng(5).uniform(0.9, 1.1, 15)
        problem = dataclasses.replace(problem, give=give, goal=goal)
        expected = oracle(problem, dense, MU, give)
        weights, dual = problem.base.copy(), np.zeros(15)
        firm = firmed(dataclasses.replace(problem, data=problem.data.copy()), MU)
        if method == "descent":
            found = descend(firm, weights, MU, 20_000, Shuffler(0), 1e-8, dual=dual)
        else:
            found = solve_newton(firm, weights, MU, 1e-6, dual)
        assert found.within_tolerance
        missed = np.abs(goal - dense @ weights)[:held] / problem.root[:held]
        assert missed.max() <= HELD_WITHIN
        np.testing.assert_allclose(weights, expected, rtol=1e-6)


@pytest.mark.parametrize("method", ["newton", "descent"])
@pytest.mark.parametrize("way", WAYS)
def test_weights_are_those_of_r_survey(way, method):
    kind, bounds = WAYS[way]
    close = {} if method == "newton" else {"tolerance": 1e-9, "max_sweeps": 20_000}
    result = r_case().fit(
        method=method, distance=kind, bounds=bounds, groups=EXACT, harmonize=False, **close
    )
    assert result.report["base_factor"] == pytest.approx(1.0, rel=1e-12)
    assert result.report["stopped_by"] == "tolerance"
    np.testing.assert_allclose(result.weights, r_weights()[way], rtol=1e-6)


def test_the_ways_of_r_survey_differ_and_come_to_their_bounds():
    factor = r_weights().div(r_case().design_weight, axis=0)
    for one, other in zip(WAYS, list(WAYS)[1:], strict=False):
        assert (factor[one] - factor[other]).abs().max() > 0.01
    assert (factor["raking_bounded"] > 1.7 - 1e-9).any() and factor["raking"].max() > 1.8
    assert 1.7 - 1e-3 < factor["logit"].max() < 1.7


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("records", ["all", 300, 100])
def test_whole_fits_by_both_methods_agree(kind, records):
    case, exactly = make_case(4), {"max_sweeps": 4000, "tolerance": 1e-6}
    by_newton = case.fit(distance=kind, method="newton", records=records)
    by_descent = case.fit(distance=kind, records=records, **exactly)
    for result in (by_newton, by_descent):
        assert result.report["settings"]["distance"] == kind
        assert result.report["stopped_by"] == "tolerance"
        assert np.count_nonzero(result.weights) == (600 if records == "all" else records)
    if records != 100:  # so few are swapped, by prices that differ in the last bits
        np.testing.assert_allclose(by_newton.weights, by_descent.weights, rtol=2e-3)
    plain = case.fit(method="newton", records=records)
    assert not np.allclose(by_newton.weights, plain.weights, rtol=0.01)


@pytest.mark.parametrize("kind", BOTH)
def test_contradicted_targets_are_softened_as_by_newton(kind):
    case = make_case(3)
    case.targets.loc[30, "value"] *= 3.0
    settings = {"harmonize": False, "bounds": (0.2, 5.0), "distance": kind}
    newton = case.fit(method="newton", **settings).diagnostics
    descent = case.fit(max_sweeps=4000, tolerance=1e-6, **settings).diagnostics
    assert newton["huber_weight"][30] < 1
    np.testing.assert_allclose(newton["huber_weight"], descent["huber_weight"], rtol=0.02)


@pytest.mark.parametrize("kind", BOTH)
def test_a_penalty_is_chosen_for_every_distance(kind):
    case = make_case(2)
    noise = np.random.default_rng(0).normal(0.0, 0.05, len(case.targets))
    case.targets["value"] *= np.exp(noise)
    found, plain = (
        case.fit(distance=name, penalty="auto").report for name in (kind, "least_squares")
    )
    assert found["stopped_by"] == "tolerance"
    one, other = (report["penalty"]["path"] for report in (found, plain))
    # A strong pull hardly lets weights move, and near the base all distances are the same.
    assert one[0]["error_held_out"] == pytest.approx(other[0]["error_held_out"], rel=1e-3)
    assert one != other and len(one) > 4


@pytest.mark.parametrize("kind", BOTH)
def test_each_lane_comes_to_the_optimum_of_its_own_targets(kind, monkeypatch):
    problem, dense = posed(kind, 2)
    fold = np.arange(15) % 5
    lanes = penalty._Lanes(problem, fold, None, 0)
    monkeypatch.setattr(penalty, "SWEEPS", 3000)
    lanes.descend(0.05)
    for lane in (0, 4, penalty.ALL_TARGETS):
        kept = np.flatnonzero(fold != lane)
        part = dataclasses.replace(problem, goal=problem.goal[kept])
        expected = oracle(part, dense[kept], 0.05 * len(kept), np.ones(len(kept)))
        np.testing.assert_allclose(lanes.weights[:, lane], expected, rtol=1e-4)


@pytest.mark.parametrize("kind", BOTH)
def test_what_a_removal_costs_and_who_enters_is_by_the_objective(kind):
    problem, dense = posed(kind, 3, (0.1, 10.0))
    weights = problem.base * np.random.default_rng(1).uniform(0.5, 2.0, 60)
    before = objective(problem, dense, weights, MU)
    loss = problem.removal_loss(weights, problem.residual(weights), MU)
    for record in (0, 7, 59):
        kept = np.arange(60) != record
        misfit = problem.goal - dense[:, kept] @ weights[kept]
        factor = weights[kept] / problem.base[kept]
        # N stays: the problem is the same, only that the record is not paid for.
        far = problem.base[kept] @ entropy(KINDS[kind], factor, 0.1, 10.0) / problem.base.sum()
        after = 0.5 * misfit @ misfit + MU * far
        assert loss[record] == pytest.approx(after - before, rel=1e-8)
    # One that is missing enters with the weight that is best for it.
    weights[7] = 0.0
    residual = problem.residual(weights)
    trial, left = weights.copy(), residual.copy()
    assert problem.admit(np.array([7]), 1, trial, left, MU) == 1
    total = problem.base[weights > 0].sum()

    def cost(weight: float) -> float:
        far = problem.base[7] * entropy(KINDS[kind], weight / problem.base[7], 0.1, 10.0)
        return 0.5 * np.sum((residual - dense[:, 7] * weight) ** 2) + MU / total * far

    best = scipy.optimize.minimize_scalar(
        cost, bounds=(problem.lower[7], problem.upper[7]), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    assert trial[7] == pytest.approx(best.x, rel=1e-5)
    np.testing.assert_allclose(left, problem.residual(trial), rtol=1e-9, atol=1e-12)
    assert best.fun < 0.5 * residual @ residual


@pytest.mark.parametrize("kind", BOTH)
def test_the_dearest_are_told_with_about_what_a_fit_without_them_gains(kind):
    exactly = {"tolerance": 1e-9, "method": "newton", "penalty": 0.05, "distance": kind}
    case, exactly = r_case(), exactly | {"huber": None, "harmonize": False}
    result = case.fit(**exactly)
    problem, _ = pose_problem(**case.arguments(), settings=Settings(**exactly), seed=0)

    def dispersion(weights: np.ndarray) -> float:
        far = entropy(KINDS[kind], weights / problem.base, 0.1, 10.0)
        return 2.0 * (problem.base @ far) / problem.base.sum()

    for row in result.report["dearest"][:3]:
        kept = (case.targets["name"] != row["name"]).to_numpy()
        weights = problem.base.copy()
        found = solve_newton(problem.only(kept), weights, result.report["mu"], 1e-9)
        assert row["dispersion"] == pytest.approx(dispersion(result.weights), rel=1e-4)
        gained = result.report["objective"] - found.objective
        # To first order: least squares in their place would be 10 % off and more.
        assert row["objective_gained"] == pytest.approx(gained, rel=0.08)
        assert row["dispersion_without"] == pytest.approx(dispersion(weights), rel=0.03)


def test_weights_pulled_towards_others_stay_in_the_bounds_of_the_first_base():
    first, dense = posed("logit")
    rng = np.random.default_rng(1)
    base = np.where(rng.random(60) < 0.5, first.base, rng.choice([first.lower, first.upper]))
    pulled = first.with_base(base, first.lower, first.upper)
    by_newton, by_descent = base.copy(), base.copy()
    newton = solve_newton(pulled, by_newton, MU, 1e-7)
    descent = descend(pulled, by_descent, MU, 2000, Shuffler(0), 1e-7)
    assert newton.within_tolerance and descent.within_tolerance
    np.testing.assert_allclose(by_newton, by_descent, rtol=1e-5)
    assert (by_newton >= first.lower).all() and (by_newton <= first.upper).all()
    # L and U are those of the setting around the new base too, and the old bounds cut them.
    cut = (by_newton == first.lower) | (by_newton == first.upper)
    slopes = ((pulled.goal - dense @ by_newton) @ dense) * base.sum() / MU
    expected = base * calibrated(LOGIT, slopes, 0.5, 2.0)
    np.testing.assert_allclose(by_newton[~cut], expected[~cut], rtol=1e-5)
    assert 0 < cut.sum() < 40


@pytest.mark.parametrize("kind", BOTH)
def test_exact_targets_that_contradict_the_bounds_are_refused_as_ever(kind):
    # Each can be met between these bounds, and all at once cannot.
    with pytest.raises(InputError, match=r"no weights within the bounds \[0.7, 1.3\] meet these"):
        r_case().fit(distance=kind, bounds=(0.7, 1.3), groups=EXACT, harmonize=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"distance": "entropy"}, "entropy.* is not allowed.*raking"),
        (
            {"distance": "logit", "bounds": (1.0, 3.0)},
            r"logit is not allowed with bounds: \[1.0, 3",
        ),
        ({"distance": "logit", "bounds": (0.5, 1.0)}, "the first below 1 and the second above"),
        ({"distance": "raking", "method": "given"}, "raking is not allowed with method: given"),
    ],
)
def test_distances_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(InputError, match=f"weights.distance: .*{message}"):
        Settings(**settings)
    Settings(distance="raking", bounds=(1.0, 3.0))


@pytest.mark.parametrize("kind", BOTH)
def test_a_part_of_a_problem_is_solved_by_the_distance_of_the_whole(kind):
    problem, dense = posed(kind, 1)
    records, equations = np.arange(0, 60, 2), np.arange(15) < 9
    part = problem.take(records).only(equations)
    weights = part.base.copy()
    solve_newton(part, weights, MU, 1e-7)
    expected = oracle(part, dense[equations][:, records], MU, np.ones(9))
    np.testing.assert_allclose(weights, expected, rtol=1e-7)
