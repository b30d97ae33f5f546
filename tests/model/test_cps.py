"""The raw files of a CPS ASEC in the real model."""

import numpy as np
import pytest

from localcal.microdata.check import check_dataset
from localcal.microdata.cps.households import cps_households
from tests.asec_files import random_asec

# The model's own warnings are not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")

INCOME_YEAR, PERIOD = 2023, 2024


@pytest.fixture(scope="module")
def case(tmp_path_factory, engine):
    """Return the files as tables, their dataset and what the model makes of it."""
    asec = random_asec(80, seed=4)
    folder = asec.write(tmp_path_factory.mktemp("cps") / "asec")
    arrays = cps_households(folder, INCOME_YEAR, engine)
    return asec, folder, check_dataset("asec", arrays, INCOME_YEAR, engine.variables())


def test_the_model_has_every_variable_and_can_use_every_unit(case, engine, caplog):
    asec, _, population = case
    # Of what the model could compute, only who stands for an adult is said.
    computed = {name for name in population.values if engine.variables()[name].computed}
    assert computed == {"is_spm_independent_minor_role"}
    assert engine.unusable_units(population) == []


def test_the_model_calculates_from_it(case, engine):
    asec, _, population = case
    simulation = engine.simulate(population)
    wages = simulation.calculate("employment_income")
    assert wages.sum() == pytest.approx(asec.person["WSAL_VAL"].sum(), rel=1e-6)
    # The roles of microunit are those that the model goes by.
    for role, variable in (("HEAD", "head"), ("SPOUSE", "spouse"), ("DEPENDENT", "dependent")):
        said = population.values["tax_unit_role_input"] == role.encode()
        found = simulation.calculate(f"is_tax_unit_{variable}")
        assert np.array_equal(found, said), role
    for variable in ("adjusted_gross_income", "income_tax", "household_net_income", "snap", "ssi"):
        assert np.isfinite(simulation.calculate(variable)).all()
    # SSI goes to the old and to those before 65 who said that they get it.
    able = ~population.values["meets_ssi_disability_criteria"] & ~population.values["is_blind"]
    young = population.values["age"] < 65
    assert simulation.calculate("ssi")[able & young].sum() == 0
    simulation.close()


def test_a_year_later_every_dollar_has_the_model_s_growth(case, engine):
    _, folder, population = case
    later = cps_households(folder, PERIOD, engine)
    system = engine._system
    growth = {}
    for name in ("social_security_retirement", "unemployment_compensation", "household_weight"):
        values = [
            system.parameters.get_child(system.variables[name].uprating)(f"{year}-01-01")
            for year in (INCOME_YEAR, PERIOD)
        ]
        growth[name] = values[1] / values[0]
        np.testing.assert_allclose(later[name], population.values[name] * growth[name], rtol=1e-5)
    assert all(
        1 < growth[name] < 1.2 for name in ("social_security_retirement", "household_weight")
    )
    wages = later["employment_income"].sum() / population.values["employment_income"].sum()
    assert 1.02 < wages < 1.1
    for name in ("age", "weekly_hours_worked", "tax_unit_role_input"):
        assert np.array_equal(later[name], population.values[name])
