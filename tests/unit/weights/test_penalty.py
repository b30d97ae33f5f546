"""The penalty that is chosen by what the weights know of targets they were not told."""

import dataclasses

import numpy as np
import pytest

from localcal.weights import penalty as module
from localcal.weights.folds import deal, identities
from localcal.weights.penalty import ALL_TARGETS, GRID, Step, choose, penalty_path
from localcal.weights.pose import pose_problem
from localcal.weights.settings import Settings
from tests.descent_case import oracle, small_problem
from tests.fit_case import Case, make_case


def noisy(seed: int, noise: float) -> Case:
    """Return a case whose published values are wrong by this relative standard deviation."""
    case = make_case(seed, households=200)
    error = np.random.default_rng(seed).normal(0.0, noise, len(case.targets))
    targets = case.targets.assign(value=case.targets["value"] * np.exp(error))
    return dataclasses.replace(case, targets=targets)


def test_a_fit_with_the_chosen_penalty_is_the_automatic_one_to_the_byte():
    case = noisy(0, 0.05)
    found = case.fit(penalty="auto")
    chosen = found.report["penalty"]["value"]
    assert chosen == choose([Step(**row) for row in found.report["penalty"]["path"]])
    given = case.fit(penalty=chosen)
    assert found.weights.tobytes() == given.weights.tobytes()
    assert given.report["penalty"] == {"value": chosen, "path": []}


def test_the_noisier_the_targets_the_harder_the_pull():
    chosen = [
        noisy(1, noise).fit(penalty="auto", harmonize=False).report["penalty"]["value"]
        for noise in (0.0, 0.003, 0.05)
    ]
    assert chosen[0] < chosen[1] < chosen[2]


def test_the_same_penalty_is_chosen_for_few_targets_and_for_each_of_them_thrice():
    # Thrice the same targets say no more about the population: per target nothing changes.
    problem, _ = small_problem(3, n=200, m=40)
    fold = np.arange(40) % 5
    thrice = dataclasses.replace(
        problem,
        indptr=problem.indptr * 3,
        indices=np.concatenate(
            [
                np.concatenate([part, part + 40, part + 80])
                for part in np.split(problem.indices, problem.indptr[1:-1])
            ]
        ).astype(np.int32),
        data=np.concatenate(
            [np.tile(part, 3) for part in np.split(problem.data, problem.indptr[1:-1])]
        ),
        squared_norm=problem.squared_norm * 3,
        goal=np.tile(problem.goal, 3),
        root=np.tile(problem.root, 3),
        give=np.ones(120),
    )
    once, more = (
        penalty_path(problem, fold, 0.05, 0),
        penalty_path(thrice, np.tile(fold, 3), 0.05, 0),
    )
    assert choose(once) == choose(more)
    for one, other in zip(once, more, strict=True):
        assert one.error_held_out == pytest.approx(other.error_held_out, rel=0.02)
        assert one.design_effect == pytest.approx(other.design_effect, rel=0.02)


def test_each_lane_comes_to_the_optimum_of_its_own_targets(monkeypatch):
    problem, dense = small_problem(2)
    fold = np.arange(15) % 5
    lanes = module._Lanes(problem, fold, None, 0)
    monkeypatch.setattr(module, "SWEEPS", 3000)
    lanes.descend(0.02)
    for lane in (0, 4, ALL_TARGETS):
        kept = np.flatnonzero(fold != lane)
        part = dataclasses.replace(problem, goal=problem.goal[kept])
        expected = oracle(part, dense[kept], 0.02 * len(kept))
        np.testing.assert_allclose(lanes.weights[:, lane], expected, rtol=1e-4)
    error = np.abs(problem.goal[:, None] - dense @ lanes.weights) / problem.root[:, None]
    found = lanes.look()
    np.testing.assert_allclose(found.held_out, np.minimum(error[np.arange(15), fold], 1))
    np.testing.assert_allclose(found.fitted, np.minimum(error[:, ALL_TARGETS], 1))


def test_chosen_is_the_largest_penalty_that_cannot_be_told_from_the_best():
    rows = [(10.0, 0.20, 0.02), (1.0, 0.14, 0.02), (0.1, 0.11, 0.015), (0.01, 0.10, 0.0)]
    path = [Step(penalty, 0.0, error, deviation, 1.0) for penalty, error, deviation in rows]
    assert choose(path) == 0.1
    path[2] = dataclasses.replace(path[2], standard_error=0.009)
    assert choose(path) == 0.01


def test_the_path_ends_soon_after_its_best():
    case, settings = noisy(1, 0.05), Settings(harmonize=False)
    problem, _ = pose_problem(**case.arguments(), settings=settings, seed=0)
    path = penalty_path(problem, deal(identities(case.targets), 0, 5), 0.05, 0)
    best = int(np.argmin([step.error_held_out for step in path]))
    assert path[best].standard_error == 0.0
    assert all(step.standard_error > 0.0 for step in path if step is not path[best])
    assert len(path) == best + 4 < len(GRID)
    assert [step.penalty for step in path] == list(GRID[: len(path)])
    assert (np.diff([step.error_fitted for step in path]) < 0).all()


def test_too_few_targets_to_choose_by_get_the_usual_penalty_and_it_is_said():
    ages = {"variable": "person_count", "geo_level": "state", "hold_out": True}
    rules = {"levels": ("state",), "groups": (ages,)}
    found, usual = (make_case(0).fit(penalty=penalty, **rules) for penalty in ("auto", 0.01))
    assert found.report["penalty"] == {"value": 0.01, "path": []}
    assert found.weights.tobytes() == usual.weights.tobytes()
    said = "too few targets to choose a penalty by, 0.01 was taken"
    assert said in found.report["findings"] and said not in usual.report["findings"]
