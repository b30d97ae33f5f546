"""The base population: checks on entry and the stratified sample."""

import h5py
import numpy as np
import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.microdata.check import check_dataset
from localcal.microdata.sample import HIGH_INCOME_CAPS, income_strata, stratified_sample
from localcal.microdata.sources import build_population
from localcal.population.dataset import read_population
from tests.households import random_dataset, random_population
from tests.standin_engine import StandIn


def write_dataset(path, data, period="2024"):
    with h5py.File(path, "w") as file:
        for name, values in data.items():
            file[f"{name}/{period}"] = values
    return path


def section(path, **changes):
    return {"source": "file", "path": str(path), "drop": [], "households": 25} | changes


def build(tmp_path, data, period="2024", **changes):
    path = write_dataset(tmp_path / "given.h5", data, period)
    outputs = tmp_path / "population.h5", tmp_path / "households.parquet"
    build_population(section(path, **changes), 2024, 0, StandIn(), *outputs)
    return outputs


def test_a_given_dataset_becomes_the_population(tmp_path):
    data = random_dataset(25, seed=51, shuffle=True)
    population_path, households_path = build(tmp_path, data)
    population, households = read_population(population_path), pd.read_parquet(households_path)
    assert set(households["household_id"]) == set(data["household_id"])
    income = dict(zip(households["household_id"], households["adjusted_gross_income"], strict=True))
    for household in data["household_id"]:
        members = data["person_household_id"] == household
        assert income[household] == pytest.approx(data["employment_income"][members].sum(), 1e-6)
    assert np.array_equal(households["persons"], np.diff(population.starts["person"]))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "given.h5",
        "households.parquet",
        "population.h5",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("person_tax_unit_id"), r"given\.h5: lacks person_tax_unit_id"),
        (lambda d: d.pop("household_weight"), r"given\.h5: lacks household_weight"),
        (
            lambda d: d["employment_income"].__setitem__(3, np.nan),
            r"given\.h5: 'employment_income' is nan in row 3",
        ),
        (lambda d: d.update(old_name=d["age"]), "no variable 'old_name'.*population.drop"),
        (lambda d: d["household_weight"].__setitem__(0, -1), "household_weight has to be"),
        (lambda d: d["person_spm_unit_id"].__setitem__(2, 5), "spm_unit 5"),
    ],
)
def test_bad_datasets_are_refused_by_name(tmp_path, change, message):
    data = random_dataset(25, seed=52)
    change(data)
    with pytest.raises(InputError, match=message):
        build(tmp_path, data)
    assert not (tmp_path / "population.h5").exists()


def test_a_dataset_of_another_year_is_refused(tmp_path):
    with pytest.raises(InputError, match="set period: 2023"):
        build(tmp_path, random_dataset(25, seed=53), period="2023")


def test_a_dropped_variable_is_left_to_the_model(tmp_path, caplog):
    data = random_dataset(25, seed=54)
    data["snap"] = np.zeros(data["spm_unit_id"].size, dtype=np.float32)
    build(tmp_path, data)
    assert "the stored values win: snap" in caplog.text
    caplog.clear()
    population_path, _ = build(tmp_path, data, drop=["snap"])
    assert "snap" not in read_population(population_path).values
    assert "snap" not in caplog.text


def test_dropping_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"population\.drop: .*has no 'snapp'"):
        build(tmp_path, random_dataset(25, seed=54), drop=["snapp"])


def test_other_weights_than_the_household_s_are_left_to_the_model():
    data = random_dataset(10, seed=55)
    data["person_weight"] = np.ones(data["person_id"].size)
    population = check_dataset("test", data, 2024, StandIn().variables())
    assert "person_weight" not in population.values


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
