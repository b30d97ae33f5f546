"""The committed survey households in the real model."""

import logging
from pathlib import Path

import numpy as np
import pytest

from localcal.geography.households import read_households
from localcal.microdata.sources import build_population
from localcal.population.dataset import read_population

# The model's own warnings are not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")

SURVEY = Path(__file__).parents[2] / "config" / "survey"
SECTION = {"source": "survey", "households": 600, "survey": str(SURVEY), "drop": []}


def test_the_model_takes_all_of_them_and_a_sample_simulates(engine, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    paths = tmp_path / "population.h5", tmp_path / "households.parquet"
    build_population(SECTION, 2024, 0, engine, *paths)
    # Nothing that the model would compute itself is stored, and no unit is one that it refuses.
    assert caplog.text == ""
    households = read_households(paths[1])
    weight = households["household_weight"]
    assert len(households) == 600
    income = households["adjusted_gross_income"]
    # Strata of incomes keep their weight in a sample. IRS SOI Publication 1304 Table 1.1, TY2023:
    # 799,094 returns of a million and more, and 15.3 trillion dollars, of those who file.
    assert weight.sum() == pytest.approx(132_737_146, rel=1e-6)
    assert weight[income >= 1e6].sum() == pytest.approx(799_094, rel=0.1)
    assert (weight * income).sum() == pytest.approx(15.3e12, rel=0.1)
    assert (income[households["synthetic"]] > 8e5).all()
    population = read_population(paths[0])
    simulation = engine.simulate(population)
    for variable in ("snap", "ssi", "eitc", "income_tax"):
        values = simulation.calculate(variable)
        assert np.isfinite(values).all()
        assert values.any()
