"""From a given dataset to the base population."""

import numpy as np
import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.population.dataset import read_population
from tests.dataset_case import build
from tests.households import random_dataset


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
