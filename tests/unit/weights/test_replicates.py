"""Replicates of a fit, against a bootstrap by brute force."""

from dataclasses import replace

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.weights import replicates
from localcal.weights.columns import Columns
from localcal.weights.descent import certify
from localcal.weights.fit import fit_weights
from localcal.weights.replicates import (
    FullFit,
    Replication,
    multipliers,
    pose_replication,
    replicate_weights,
    variance_factor,
)
from localcal.weights.report import FitResult
from localcal.weights.settings import Settings
from localcal.weights.standard_errors import StandardErrors
from tests.fit_case import PENALTY, Case, make_case, make_states_case

HELD_OUT = {"geo_level": "state", "variable": "adjusted_gross_income", "hold_out": True}


def settings_of(case: Case, **values) -> Settings:
    """Settings with a penalty: replicates keep that of the full fit, however it was chosen."""
    return Settings(**{"penalty": PENALTY / len(case.targets)} | values)


def full_fit(result: FitResult) -> FullFit:
    merged = [row["huber_weight"] for row in result.report["merged"]]
    single = result.diagnostics["huber_weight"].dropna()
    return FullFit(
        trace=result.trace,
        huber_weight=np.concatenate([single, merged]),
        penalty=result.report["mu"],
        is_selected=result.report["selection"] is not None,
    )


def replication_of(case: Case, seed: int = 0, **values) -> tuple[Replication, FitResult]:
    settings = settings_of(case, **values)
    result = fit_weights(**case.arguments(), settings=settings, seed=seed)
    full = full_fit(result)
    return pose_replication(**case.arguments(), settings=settings, seed=seed, full=full), result


def errors_of(case: Case, **values) -> np.ndarray:
    """Standard errors of all targets, then all areas."""
    replication, result = replication_of(case, **values)
    errors = StandardErrors(case.matrix, case.arguments()["columns"], result.weights)
    for found in replicate_weights(replication):
        errors.add(replication, found)
    factor = variance_factor(replication.settings.replicate_method, replication.settings.replicates)
    return errors.table(case.targets, factor)["standard_error"].to_numpy()


@pytest.fixture(scope="module")
def by_brute_force():
    """A case, and standard errors from fits that know nothing of each other.

    Households are drawn with replacement, and everything is decided and fitted anew.
    """
    case = make_states_case(1, n_states=4, households=250)
    rng = np.random.default_rng(1)
    errors = StandardErrors(case.matrix, case.arguments()["columns"], case.fit().weights)
    estimates = []
    for number in range(100):
        times = rng.multinomial(250, np.full(250, 1 / 250))[case.household]
        columns = Columns(case.design_weight * times, case.household, case.state, case.district)
        again = fit_weights(
            **(case.arguments() | {"columns": columns}),
            settings=settings_of(case, groups=(HELD_OUT,)), seed=number,
        )  # fmt: skip
        estimates.append(errors.estimates(again.weights))
    return case, np.std(estimates, axis=0)


@pytest.mark.parametrize(("method", "replicates"), [("bootstrap", 200), ("jackknife", 50)])
def test_errors_are_those_of_a_bootstrap_by_brute_force(by_brute_force, method, replicates):
    case, expected = by_brute_force
    found = errors_of(case, groups=(HELD_OUT,), replicates=replicates, replicate_method=method)
    # A hundred draws know a standard deviation to 7 %.
    ratio = found / expected
    assert np.exp(np.mean(np.log(ratio))) == pytest.approx(1.0, abs=0.15)
    assert (ratio > 0.7).all() and (ratio < 1.4).all()
    # Not because all are the same: what was fitted is known far better than what was not.
    held_out = case.targets["geo_level"].eq("state") & case.targets["variable"].ne("person_count")
    size = np.abs(case.targets["value"].to_numpy())
    relative = found[: len(size)] / size
    assert relative[held_out].min() > 1.5 * relative[~held_out].max()


@pytest.mark.parametrize("method", ["bootstrap", "jackknife"])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"records": 200},
        {"thin": "merge", "records": 400},
        {"distance": "raking"},
        {"distance": "logit", "records": 200},
    ],
)
def test_every_replicate_is_the_optimum_of_its_own_base_weights(method, change):
    case = make_case(2)
    replication, result = replication_of(
        case, replicates=3, replicate_method=method, tolerance=1e-6, max_sweeps=3000, **change
    )
    kept = np.flatnonzero(result.weights)
    assert sorted(replication.columns) == kept.tolist()
    np.testing.assert_allclose(
        replication.problem.base * replication.factor,
        result.weights[replication.columns], rtol=1e-6,
    )  # fmt: skip
    # With nobody changed, the full fit is the optimum already.
    weights = replication.problem.base * replication.factor
    assert certify(replication.problem, weights, replication.penalty).rms_gap <= 2e-6
    seen = []
    for found in replicate_weights(replication):
        assert found.weights.dtype == np.float32 and found.certificate.within_tolerance
        assert found.weights.shape == kept.shape
        left_out = found.weights == 0
        assert left_out.any() == (method == "jackknife")
        if method == "jackknife":
            homes = replication.household
            assert not set(homes[left_out]) & set(homes[~left_out])
            seen += np.unique(homes[left_out]).tolist()
    if method == "jackknife":
        assert sorted(seen) == np.unique(replication.household).tolist()


def test_targets_softened_by_the_fit_are_as_soft_in_its_replicates():
    case = make_case(2)
    targets = case.targets.copy()
    targets.loc[0, "value"] *= 1.9
    replication, result = replication_of(
        replace(case, targets=targets), replicates=2, harmonize=False, tolerance=1e-6,
        max_sweeps=3000,
    )  # fmt: skip
    assert result.report["huber"]["softened"] > 0
    weights = replication.problem.base * replication.factor
    assert certify(replication.problem, weights, replication.penalty).rms_gap <= 2e-6


def test_a_replicate_softens_nothing_more(monkeypatch):
    case = make_case(2)
    targets = case.targets.copy()
    targets.loc[0, "value"] *= 1.9
    replication, result = replication_of(
        replace(case, targets=targets), replicates=2, harmonize=False, tolerance=1e-6,
        max_sweeps=3000,
    )  # fmt: skip
    assert result.report["huber"]["softened"] > 0
    solve, gaps = replicates.solve, []

    def watched(problem, settings, penalty, *more):
        whole = replace(problem, data=problem.data.copy())
        found = solve(problem, settings, penalty, *more)
        gaps.append(certify(whole, found.weights, whole.pull(penalty)).rms_gap)
        return found

    monkeypatch.setattr(replicates, "solve", watched)
    assert len(list(replicate_weights(replication))) == len(gaps) == 2
    assert max(gaps) <= 2e-6


EXACT = {"geo_level": "state", "variable": "person_count", "exact": True}


@pytest.mark.parametrize("method", ["bootstrap", "jackknife"])
def test_exact_targets_hold_in_every_replicate(method):
    case = make_states_case(2, n_states=4, households=200)
    replication, _ = replication_of(case, replicates=3, replicate_method=method, groups=(EXACT,))
    exact = case.targets["geo_level"].eq("state") & case.targets["variable"].eq("person_count")
    value = case.targets["value"].to_numpy()
    for found in replicate_weights(replication):
        weights = np.zeros(case.matrix.shape[1])
        weights[replication.columns] = found.weights
        error = np.abs(case.matrix @ weights / value - 1.0)
        assert error[exact].max() < 1e-6 < error[~exact].max()


def test_households_that_cannot_meet_exact_targets_are_told_of():
    case = make_states_case(2, n_states=4, households=200)
    message = "households of replicate [0-9]+ cannot meet [0-9]+ of the exact targets"
    replication, _ = replication_of(case, replicates=3, groups=(EXACT,), bounds=(0.9, 1.4))
    with pytest.raises(InputError, match=message):
        list(replicate_weights(replication))


def test_bounds_are_around_the_base_weights_of_each_replicate():
    replication, _ = replication_of(make_case(2), replicates=3, bounds=(0.9, 1.1))
    for number, found in enumerate(replicate_weights(replication)):
        drawn = multipliers(
            "bootstrap", number, 3, 0, replication.household, replication.n_households
        )
        factor = found.weights / (replication.problem.base * drawn)
        assert factor.max() / factor.min() == pytest.approx(1.1 / 0.9, rel=1e-5)


def test_base_weights_of_a_replicate_are_scaled_as_a_fits_are():
    case = make_case(2)
    # Nothing moves the weights from their base.
    replication, _ = replication_of(case, replicates=2, penalty=1e9)
    for found in replicate_weights(replication):
        weights = np.zeros(case.matrix.shape[1])
        weights[replication.columns] = found.weights
        ratio = case.targets["value"].to_numpy() / (case.matrix @ weights)
        assert np.median(ratio) == pytest.approx(1.0, abs=1e-3)


def test_replicates_are_the_same_again_and_each_by_itself():
    case = make_case(3)
    first = [one.weights for one in replicate_weights(replication_of(case, replicates=3)[0])]
    again, _ = replication_of(case, replicates=2)
    for one, other in zip(first, replicate_weights(again), strict=False):
        assert np.array_equal(one, other.weights)
    assert not np.array_equal(first[0], first[1])
    other_seed = next(replicate_weights(replication_of(case, seed=1, replicates=2)[0]))
    assert not np.array_equal(first[0], other_seed.weights)


def test_clones_of_a_household_share_a_multiplier_that_is_its_own():
    household = np.repeat(np.arange(400, dtype=np.int32), 3)
    drawn = multipliers("bootstrap", 0, 9, 5, household, 400)
    assert (np.ptp(drawn.reshape(400, 3), axis=1) == 0).all() and (drawn > 0).all()
    assert np.mean(drawn) == pytest.approx(1.0)
    assert np.var(drawn) == pytest.approx(1.0, rel=0.35)
    some = np.array([399, 7], dtype=np.int32)
    alone = multipliers("bootstrap", 0, 9, 5, some, 400)
    assert alone.tolist() == [drawn[-1], drawn[21]]
    groups = np.stack([multipliers("jackknife", k, 9, 5, household, 400) for k in range(9)])
    assert ((groups == 0).sum(axis=0) == 1).all()
    assert set(np.unique(groups)) == {0.0, 9 / 8}
    assert np.ptp((groups == 0).sum(axis=1)) <= 3


def test_variance_factors_are_those_of_the_methods():
    assert variance_factor("bootstrap", 40) == pytest.approx(1 / 40)
    assert variance_factor("jackknife", 40) == pytest.approx(39 / 40)


@pytest.mark.parametrize(
    ("change", "one_household", "message"),
    [
        ({}, False, "replicates: 0 give no error"),
        ({"replicates": 5}, True, "weights are those of one household"),
        (
            {"replicates": 61, "replicate_method": "jackknife"}, False,
            "61 groups for a jackknife of 60 households leave one empty; ask for at most 60",
        ),
    ],
)  # fmt: skip
def test_what_gives_no_error_is_refused(change, one_household, message):
    case = make_case(0)
    if one_household:
        case = replace(case, household=np.zeros_like(case.household))
        change = change | {"thin": "keep"}
    with pytest.raises(InputError, match=message):
        replication_of(case, **change)


@pytest.mark.parametrize("number", [1, -1])
def test_one_replicate_is_not_asked_for(number):
    with pytest.raises(InputError, match="weights.replicates.*0, or an integer of at least 2"):
        Settings(replicates=number)
