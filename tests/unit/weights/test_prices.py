"""What targets cost, against fits that really do without them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from localcal.weights import report
from localcal.weights.descent import Shuffler, descend
from localcal.weights.fit import fit_weights
from localcal.weights.pose import pose_problem
from localcal.weights.settings import Settings
from tests.fit_case import make_case

EXACT = {"geo_level": "nation", "variable": "person_count", "exact": True}
EXACTLY = {"tolerance": 1e-9, "max_sweeps": 4_000, "bounds": (0.001, 1000.0), "penalty": 0.02}


def optimum(problem, mu):
    weights = problem.base.copy()
    certificate = descend(problem, weights, mu, 4_000, Shuffler(1), 1e-9)
    assert certificate.within_tolerance
    return weights, certificate.objective


def spread_of(problem, weights):
    return np.sum((weights - problem.base) ** 2 / problem.base) / np.sum(problem.base)


@pytest.fixture(scope="module")
def solved():
    """A case whose weights are all inside their bounds, its problem and its fit."""
    case = make_case(3)
    settings = Settings(**EXACTLY)
    result = fit_weights(**case.arguments(), settings=settings, seed=0)
    problem, _ = pose_problem(**case.arguments(), settings=settings, seed=0)
    return problem, result, optimum(problem, result.report["mu"])


def test_the_ten_dearest_are_told_with_what_a_fit_without_each_really_gains(solved):
    problem, result, (weights, objective) = solved
    dearest, mu = result.report["dearest"], result.report["mu"]
    costs = [row["cost_objective"] for row in dearest]
    assert len(dearest) == 10 and costs == sorted(costs, reverse=True)
    table = result.diagnostics
    assert costs[0] == table["cost_objective"].max()
    numbers = {name: number for number, name in enumerate(table["name"])}
    for row in dearest:
        number = numbers[row["name"]]
        kept = np.ones(len(problem.goal))
        kept[number] = 0.0
        fresh, _ = pose_problem_again()
        dropped = fresh.reweighted(kept)
        found, without = optimum(dropped, mu)
        assert row["objective_gained"] == pytest.approx(objective - without, rel=1e-3)
        assert row["dispersion"] == pytest.approx(spread_of(problem, weights), rel=1e-4)
        assert row["dispersion_without"] == pytest.approx(spread_of(dropped, found), rel=1e-3)
        error = -problem.residual(found)[number] / problem.root[number]
        assert row["rel_error_without"] == pytest.approx(error, rel=1e-2)
        assert row["residual"] < 1e-3


def pose_problem_again():
    return pose_problem(**make_case(3).arguments(), settings=Settings(**EXACTLY), seed=0)


def test_costs_are_what_meeting_a_target_better_really_takes(solved):
    problem, result, (weights, _) = solved
    mu = result.report["mu"]
    number = int(np.argmax(result.diagnostics["cost_objective"].to_numpy()))
    row = result.diagnostics.loc[number]
    # A little more weight, so that it is met a little better; all the rest of the objective rises.
    fresh, _ = pose_problem_again()
    factor = np.ones(len(problem.goal))
    factor[number] = 1.001
    found, _ = optimum(fresh.reweighted(factor), mu)

    def rest(weights):
        residual = problem.residual(weights)
        residual[number] = 0.0
        return 0.5 * np.sum(residual**2) + 0.5 * mu * spread_of(problem, weights)

    def size(weights):
        return abs(problem.residual(weights)[number] / problem.root[number])

    per_cent = (size(weights) - size(found)) / 0.01
    assert per_cent > 0
    rise = (rest(found) - rest(weights)) / per_cent
    assert row["cost_objective"] == pytest.approx(rise, rel=0.02)
    assert row["cost_dispersion"] == pytest.approx(2 * rise / mu, rel=0.02)


def test_cut_off_early_the_gain_is_never_told_too_small(solved, monkeypatch):
    problem, result, _ = solved
    monkeypatch.setattr("localcal.weights.prices.MOST_ENTRIES", 1)
    case = make_case(3)
    cut = fit_weights(**case.arguments(), settings=Settings(**EXACTLY), seed=0).report["dearest"]
    for row, exact in zip(cut, result.report["dearest"], strict=True):
        assert row["name"] == exact["name"] and row["residual"] > 1e-4
        assert row["objective_gained"] >= exact["objective_gained"] * (1 - 1e-9)


@pytest.mark.parametrize(
    "change", [{"records": 150}, {"bounds": (0.7, 1.5)}, {"thin": "merge"}, {"groups": (EXACT,)}]
)
def test_other_fits_have_prices_too(change):
    result = make_case(1).fit(**change)
    for row in result.report["dearest"]:
        assert row["objective_gained"] > 0 and row["residual"] <= 1e-4
        assert 0 < row["dispersion_without"] < 10 * row["dispersion"]
    exact = result.diagnostics["rel_error"].abs() < 1e-6 if "groups" in change else False
    single = result.diagnostics["rho"].notna() & ~pd.Series(exact, index=result.diagnostics.index)
    assert (result.diagnostics["cost_objective"].notna() == single).all()


@pytest.mark.parametrize("change", [{"huber": 0.001}, {"records": 150}, {"thin": "merge"}])
def test_prices_are_those_of_the_last_problem_that_was_solved(change, monkeypatch):
    seen, solved = [], report.solved
    monkeypatch.setattr(report, "solved", lambda *given: seen.append(solved(*given)) or seen[0])
    targets = make_case(2).targets
    targets.loc[0, "value"] *= 1.5
    result = replace(make_case(2), targets=targets).fit(
        tolerance=1e-7, max_sweeps=3_000, harmonize=False, **change
    )
    assert result.report["huber"]["softened"] > 0
    (found,) = seen
    # At the optimum nothing of it can move: where the bounds leave a weight free, the penalty pulls
    # it back as much as the targets pull it away.
    problem, free = found.problem, found.is_free
    residual = problem.residual(found.weights)
    pulled = problem.base + found.spread * problem.slopes(residual)
    assert free.mean() > 0.5
    np.testing.assert_allclose(found.weights[free], pulled[free], rtol=1e-4)
