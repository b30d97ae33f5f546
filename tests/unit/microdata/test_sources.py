"""From a given dataset to the base population."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import localcal.microdata.survey.households
from localcal.engine.protocol import CalculationError
from localcal.errors import InputError
from localcal.geography.households import read_households
from localcal.microdata.survey.households import Households
from localcal.population.dataset import read_population
from tests.dataset_case import build, build_from, write_dataset, write_tables
from tests.households import random_dataset
from tests.standin_engine import PLACES, StandIn, StandInSimulation


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


@pytest.mark.parametrize("years", [(), (2023, 2024)])
def test_tables_give_the_population_of_the_other_layout(tmp_path, years):
    data = random_dataset(25, seed=56, shuffle=True)
    expected = [path.read_bytes() for path in build(tmp_path, data)]
    path = write_tables(tmp_path / "tables.h5", data, years)
    built = build_from(tmp_path, path)
    ours, other = read_population(built[0]), tmp_path / "other.h5"
    other.write_bytes(expected[0])
    theirs = read_population(other)
    for name, values in theirs.values.items():
        assert np.array_equal(ours.values[name], values), name
        assert ours.values[name].dtype.kind == values.dtype.kind, name
    assert built[1].read_bytes() == expected[1]


def test_a_variable_in_another_entity_s_table_is_refused(tmp_path):
    """As many families as households would take it, in the wrong order."""
    data = random_dataset(25, seed=57)
    path = write_tables(tmp_path / "given.h5", data, more={"family": {"in_denver": True}})
    # A place is left behind wherever it is.
    build_from(tmp_path, path)
    path = write_tables(tmp_path / "given.h5", data, more={"family": {"is_disabled": True}})
    with pytest.raises(InputError, match="'is_disabled' is in the table family, .* each person"):
        build_from(tmp_path, path)


def test_where_households_live_is_left_behind(tmp_path, caplog):
    caplog.set_level("INFO")
    data = random_dataset(25, seed=58)
    data["in_denver"] = np.ones(25, dtype=bool)
    # Not even of the kind that the model wants.
    data["county_fips"] = np.full(25, 8031)
    population_path, _ = build(tmp_path, data)
    assert not read_population(population_path).values.keys() & PLACES
    assert "live elsewhere: county_fips, in_denver, state_fips" in caplog.text


class Complaining(StandInSimulation):
    def calculate(self, variable):
        raise CalculationError(f"'{variable}' is not finite for 1 of 25 units", 3)


def test_what_the_model_cannot_calculate_names_file_and_household(tmp_path):
    data = random_dataset(25, seed=59)
    path = write_dataset(tmp_path / "given.h5", data)
    engine = StandIn()
    engine.simulate = lambda population: Complaining(engine, population)
    message = r"given\.h5: 'adjusted_gross_income' is not finite .*, first in household 503;"
    with pytest.raises(InputError, match=message):
        build_from(tmp_path, path, engine)


def test_a_unit_that_the_model_cannot_use_is_named_with_its_household(tmp_path, caplog):
    """Whether that matters depends on the targets."""
    data = random_dataset(25, seed=60)
    data["age"] = np.full(data["person_id"].size, 40)
    unit = data["person_spm_unit_id"][7]
    data["age"][data["person_spm_unit_id"] == unit] = 12
    path = write_dataset(tmp_path / "given.h5", data)
    engine = StandIn()
    build_from(tmp_path, path, engine)
    assert "has nobody of age" not in caplog.text
    engine.of_age = 18
    build_from(tmp_path, path, engine)
    household = data["person_household_id"][7]
    message = f"given.h5: spm_unit {unit} of household {household} has nobody of age; 1 such unit"
    assert message in caplog.text


def test_ids_that_are_texts_give_the_same_households(tmp_path):
    data = random_dataset(25, seed=61, shuffle=True)
    _, expected = build(tmp_path, data)
    texts = {
        name: np.char.add("h", values.astype(str)).astype("S") if name.endswith("_id") else values
        for name, values in data.items()
    }
    incomes = pd.read_parquet(expected)["adjusted_gross_income"].tolist()
    population_path, households = build(tmp_path, texts)
    table = pd.read_parquet(households)
    assert sorted(table["household_id"]) == list(range(1, 26))
    assert table["adjusted_gross_income"].tolist() == incomes
    assert read_population(population_path).count("person") == data["person_id"].size


def test_who_is_made_up_is_marked_in_the_households_that_are_kept(tmp_path, monkeypatch):
    data = random_dataset(60, seed=60)
    made_up = np.arange(60) % 4 == 0
    surveyed = Households(data, made_up)
    monkeypatch.setattr(localcal.microdata.survey.households, "survey_households", given(surveyed))
    _, path = build(tmp_path, data, source="survey", survey="somewhere", households=40)
    table = read_households(path)
    assert len(table) == 40
    expected = np.isin(table["household_id"], data["household_id"][made_up])
    assert np.array_equal(table["synthetic"], expected)
    _, path = build(tmp_path, data)
    assert not read_households(path)["synthetic"].any()


def given(surveyed):
    def households(folder, period, seed):
        assert (folder, period, seed) == (Path("somewhere"), 2024, 0)
        return surveyed

    return households
