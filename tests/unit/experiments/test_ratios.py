"""Ratios of arms: by hand, against scipy's tests, and how often equal arms are called different."""

import numpy as np
import pytest
import scipy.stats

from localcal.experiments.ratios import LEAST_COVERAGE, _rank_sums, of_groups, of_pairs


def test_a_slowdown_of_two_is_found_by_hand():
    # Drift of the machine that both measurements of a pair have does not matter.
    drift = np.array([1.0, 3.0, 1.2, 9.0, 0.7])
    found = of_pairs(drift, drift * [2.1, 1.9, 2.0, 2.2, 1.8])
    assert found.ratio == pytest.approx(2.0)
    assert (found.low, found.high) == (pytest.approx(1.8), pytest.approx(2.2))
    # All five on one side of the median: twice 1 in 32.
    assert found.coverage == pytest.approx(1 - 2 / 32) and found.count == 5
    assert found.is_different


def test_one_wild_pair_does_not_decide():
    found = of_pairs([1.0] * 9, [1.0, 1.02, 0.98, 1.01, 0.99, 1.0, 1.01, 0.99, 30.0])
    assert found.ratio == pytest.approx(1.0) and not found.is_different
    # Nine pairs: the second and the last but one, 1 - 2 (1 + 9) / 512.
    assert found.high == pytest.approx(1.02) and found.coverage == pytest.approx(1 - 20 / 512)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_pairs_give_no_verdict_whatever_they_say(count):
    found = of_pairs([1.0] * count, [7.0] * count)
    assert found.ratio == pytest.approx(7.0) and found.coverage == 1 - 2 / 2**count
    assert not found.is_enough and not found.is_different


@pytest.mark.parametrize("function", [of_pairs, of_groups])
def test_of_zero_there_is_no_ratio(function):
    found = function([0.0, 1.0, 1.0, 1.0, 1.0], [1.0] * 5)
    assert found.ratio is found.low is found.high is None and not found.is_different


@pytest.mark.parametrize("function", [of_pairs, of_groups])
@pytest.mark.parametrize("repeats", [5, 8, 12])
def test_equal_arms_are_called_different_no_more_often_than_is_said(function, repeats):
    random = np.random.default_rng(7)
    rounds = 800
    noise = np.exp(random.normal(0, 0.05, (rounds, 2, repeats)))
    found = [function(*arms) for arms in noise]
    share = np.mean([one.is_different for one in found])
    said = 1 - found[0].coverage
    assert said <= 1 - LEAST_COVERAGE
    # Four standard errors of a share.
    assert abs(share - said) < 4 * np.sqrt(said * (1 - said) / rounds)


@pytest.mark.parametrize("function", [of_pairs, of_groups])
def test_a_planted_effect_is_in_the_interval_as_often_as_is_said(function):
    random = np.random.default_rng(8)
    noise = np.exp(random.normal(0, 0.05, (500, 2, 6))) * np.array([1.0, 2.0])[None, :, None]
    found = [function(*arms) for arms in noise]
    assert all(one.is_different and one.ratio > 1.5 for one in found)
    share = np.mean([one.low <= 2.0 <= one.high for one in found])
    said = found[0].coverage
    assert abs(share - said) < 4 * np.sqrt(said * (1 - said) / len(found))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 5), (5, 5), (6, 4)])
def test_orders_are_counted_as_scipy_counts_them(n, m):
    ways = np.array(_rank_sums(n, m), dtype=float)
    assert ways.size == n * m + 1 and ways.min() > 0
    for u in range(n * m // 2):
        # x with exactly u of the pairs upside down: the first ones step over so many of y's.
        y = np.arange(1.0, m + 1)
        steps = [min(m, max(0, u - m * i)) for i in range(n)]
        x = [step + 0.5 + 0.01 * i for i, step in enumerate(steps)]
        found = scipy.stats.mannwhitneyu(x, y, method="exact")
        assert found.statistic == u
        assert found.pvalue == pytest.approx(min(1, 2 * ways[: u + 1].sum() / ways.sum()))


def test_two_groups_are_compared_by_hand():
    found = of_groups([1.0, 2.0], [6.0, 8.0])
    # 3, 4, 6 and 8: the median is the geometric mean of the two in the middle.
    assert found.ratio == pytest.approx(np.sqrt(4 * 6))
    assert (found.low, found.high) == (pytest.approx(3), pytest.approx(8))
    # One order of six on each side.
    assert found.coverage == pytest.approx(1 - 2 / 6) and found.count == 2
