"""Which records keep a weight."""

import numpy as np
import pytest

from localcal.weights.problem import Problem
from localcal.weights.selection import (
    EXPECTED_COLUMNS,
    district_shares,
    draw_records,
    inclusion_probabilities,
    systematic_sample,
)


@pytest.mark.parametrize("count", [1, 3, 50, 199, 200])
def test_inclusion_probabilities_sum_to_the_count_and_follow_the_sizes(count):
    size = np.random.default_rng(0).lognormal(0.0, 2.0, 200)
    forced = np.zeros(200, dtype=bool)
    forced[: count // 3] = True
    probability = inclusion_probabilities(size, count, forced)
    assert probability.sum() == pytest.approx(count)
    assert (probability > 0).all() and (probability <= 1).all()
    assert (probability[forced] == 1).all()
    free = probability < 1
    if free.sum() > 1:
        ratio = probability[free] / size[free]
        assert ratio.max() == pytest.approx(ratio.min())


def test_one_giant_among_dwarfs_does_not_break_the_draw():
    size = np.full(1000, 1e-30)
    size[[3, 4]] = 1.0
    none = np.zeros(1000, dtype=bool)
    for count in (1, 2, 3, 1000):
        probability = inclusion_probabilities(size, count, none)
        assert (probability > 0).all()
        for seed in range(5):
            chosen = systematic_sample(probability, np.random.default_rng(seed))
            assert chosen.sum() == count


def test_the_sample_has_the_exact_size_and_every_stretch_its_share():
    rng = np.random.default_rng(1)
    for count in (1, 17, 250, 999):
        probability = inclusion_probabilities(
            rng.lognormal(0.0, 1.0, 1000), count, np.zeros(1000, dtype=bool)
        )
        chosen = systematic_sample(probability, rng)
        assert chosen.sum() == count
        drift = np.cumsum(chosen) - np.cumsum(probability)
        assert np.abs(drift).max() < 1.0 + 1e-6


def test_rounding_does_not_cost_a_record():
    class Last(np.random.Generator):
        def random(self):
            return np.nextafter(1.0, 0.0)

    last = Last(np.random.PCG64(0))
    for count in (1, 2, 3, 100):
        probability = np.full(count + 3, count / (count + 3))
        assert systematic_sample(probability, last).sum() == count
    for seed in range(60):
        rng = np.random.default_rng(seed)
        probability = np.minimum(1 - 10.0 ** -rng.integers(9, 17, 50_000), np.nextafter(1.0, 0.0))
        probability[rng.choice(50_000, 5, replace=False)] = rng.random(5)
        count = round(float(np.sum(probability)))
        assert systematic_sample(probability, rng).sum() == count


def test_draws_happen_as_often_as_their_probability_says():
    probability = np.array([1.0, 0.5, 0.25, 0.25, 0.7, 0.3])
    rng = np.random.default_rng(2)
    share = np.mean([systematic_sample(probability, rng) for _ in range(2000)], axis=0)
    # Standard error of a share from 2,000 draws is at most .011.
    np.testing.assert_allclose(share, probability, atol=0.05)


def test_a_rare_target_gets_records_for_certain_within_a_share_of_the_budget():
    # Everyone counts for target 0; ten records also for target 1, and 2.5 of them would be drawn.
    n, members = 400, np.arange(7, 400, 40)
    length = np.ones(n, dtype=np.int64)
    length[members] = 2
    indptr = np.concatenate([[0], np.cumsum(length)])
    indices = np.zeros(indptr[-1], dtype=np.int32)
    indices[indptr[members] + 1] = 1
    ones = np.ones(n)
    problem = Problem(
        indptr=indptr,
        indices=indices,
        data=np.where(indices == 1, 1e-3, 1.0).astype(np.float32),
        squared_norm=ones,
        goal=np.ones(2),
        root=np.ones(2),
        base=ones,
        lower=0.1 * ones,
        upper=10 * ones,
        district=np.zeros(n, dtype=np.int32),
        give=np.ones(2),
    )
    for seed in range(10):
        draw = draw_records(problem, ones, 100, np.random.default_rng(seed))
        assert draw.chosen.sum() == 100
        assert 0 < draw.forced <= 0.05 * 100
        assert draw.chosen[members].sum() >= draw.forced
        assert draw.probability[members].sum() == pytest.approx(EXPECTED_COLUMNS, abs=1.0)
    tight = draw_records(problem, ones, 20, np.random.default_rng(0))
    assert tight.forced <= 1 and tight.chosen.sum() == 20


def test_given_records_stand_for_their_district():
    weights = np.array([1.0, 3.0, 2.0, 2.0, 5.0])
    district = np.array([101, 101, 102, 102, 201], dtype=np.int32)
    chosen = np.array([True, False, True, True, False])
    np.testing.assert_allclose(
        district_shares(weights, district, chosen), [0.25, 1.0, 1.0, 1.0, 1.0]
    )
