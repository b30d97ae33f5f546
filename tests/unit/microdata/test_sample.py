"""The stratified sample."""

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.microdata.sample import HIGH_INCOME_CAPS, income_strata, stratified_sample
from tests.households import random_population


def incomes_with_a_tail(n, seed):
    random = np.random.default_rng(seed)
    return np.where(random.random(n) < 0.2, random.lognormal(14.5, 1.5, n), random.gamma(2, 3e4, n))


@pytest.mark.parametrize("wanted", [1, 7, 150, 999, 1_999, 2_000])
def test_the_sample_has_exactly_the_wanted_households(wanted):
    population = random_population(2_000, seed=56)
    income = incomes_with_a_tail(2_000, seed=56)
    sample, sampled_income = stratified_sample("test", population, income, wanted, seed=0)
    assert sample.count("household") == wanted == sampled_income.size
    ids = sample.ids["household"]
    assert np.unique(ids).size == wanted
    position = {household: n for n, household in enumerate(population.ids["household"])}
    assert np.array_equal(sampled_income, income[[position[household] for household in ids]])


def test_the_sample_keeps_each_stratum_s_weight_and_most_of_the_tail():
    population = random_population(2_000, seed=57)
    income = incomes_with_a_tail(2_000, seed=57)
    sample, sampled_income = stratified_sample("test", population, income, 600, seed=0)
    before = np.bincount(income_strata(income), weights=population.values["household_weight"])
    # Strata are those of the whole: recompute them on the sample by the whole's bounds.
    quartile = np.quantile(income[income < 500e3], 0.25)
    bracket = np.searchsorted(sorted(HIGH_INCOME_CAPS), sampled_income, side="right")
    stratum = np.where(bracket, bracket + 1, np.where(sampled_income < quartile, 0, 1))
    after = np.bincount(stratum, weights=sample.values["household_weight"])
    np.testing.assert_allclose(after, before, rtol=1e-5)
    for number, cap in enumerate(HIGH_INCOME_CAPS[bound] for bound in sorted(HIGH_INCOME_CAPS)):
        available = np.count_nonzero(income_strata(income) == number + 2)
        assert np.count_nonzero(stratum == number + 2) == min(available, cap * 600 // 12_000)


def test_records_without_weight_are_drawn_last():
    population = random_population(400, seed=58)
    weight = population.values["household_weight"].copy()
    weight[::2] = 0
    population = population.with_values("household", {"household_weight": weight})
    income = np.full(400, 50_000.0)
    sample, _ = stratified_sample("test", population, income, 150, seed=0)
    assert (sample.values["household_weight"] > 0).all()


def test_more_households_than_there_are_cannot_be_sampled():
    population = random_population(10, seed=59)
    with pytest.raises(InputError, match="holds 10 households; population.households asks for 11"):
        stratified_sample("given.h5", population, np.ones(10), 11, seed=0)


def test_another_seed_draws_another_sample():
    population = random_population(300, seed=60)
    income = incomes_with_a_tail(300, seed=60)
    draws = [stratified_sample("t", population, income, 100, seed)[0] for seed in (0, 0, 1)]
    assert np.array_equal(draws[0].ids["household"], draws[1].ids["household"])
    assert not np.array_equal(draws[0].ids["household"], draws[2].ids["household"])
