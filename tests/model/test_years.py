"""An area's file in the years after the run's: who is in it changes nobody's values."""

import numpy as np
import pytest

import localcal.clones.freeze
from localcal.clones.freeze import freeze_values
from localcal.clones.locate import locate
from localcal.geography.geography import take_columns
from localcal.population.dataset import MADE_UP_ID, id_names, later_years, write_population
from tests.model.test_ids import ADULTS, places_in
from tests.unusual_households import unusual_households

# The model's own warnings are not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")

PERIOD = 2024
TEXAS, CALIFORNIA = 48, 6
COMPARED = ["medicaid", "medicaid_enrolled", "snap", "income_tax", "ssi", "household_net_income"]


def test_the_model_makes_up_no_other_id_for_a_later_year(engine):
    """What it has no formula for it takes over from the year that is stored."""
    assert {name for name in id_names() if engine.variables()[name].computed} == {MADE_UP_ID}


def check_years(engine, folder, years):
    """Compare the file of every second household of Texas with all households simulated together.

    Their file stands for the nation's. Bits of every variable, year by year.
    """
    people = unusual_households(ADULTS, PERIOD, engine.variables())
    places = places_in([TEXAS, CALIFORNIA])
    frozen = freeze_values(people, places, ["medicaid"], None, 9, engine)
    everybody = locate(people, places, frozen, places.design_weight)
    columns = np.flatnonzero(places.state == TEXAS)[::2]
    weight = np.random.default_rng(2).uniform(50, 3_000, columns.size)
    some = locate(people, take_columns(places, columns), frozen, weight)
    write_population(folder / "US.h5", everybody)
    write_population(folder / "TX.h5", some)
    nation, state = (engine.load(folder / name, PERIOD) for name in ("US.h5", "TX.h5"))
    rows = {
        entity: np.flatnonzero(np.isin(everybody.household_of[entity], columns))
        for entity in some.ids
    }
    weights = weight[some.household_of["person"]]
    dollars = {}
    for year in years:
        for name in COMPARED:
            found, expected = state.calculate(name, year), nation.calculate(name, year)
            here = expected[rows[engine.variables()[name].entity]]
            assert found.tobytes() == here.tobytes(), (name, year)
        enrolled = weights @ state.calculate("medicaid_enrolled", year)
        dollars[year] = float(weights @ state.calculate("medicaid", year) / enrolled)
    state.close()
    nation.close()
    # Not nineteen times as much, as over the enrollees of the file alone.
    first = dollars[PERIOD]
    assert all(0.5 * first < value < 2.5 * first for value in dollars.values()), dollars


def test_a_file_s_households_have_the_same_values_in_the_next_years(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(localcal.clones.freeze, "later_years", lambda period: range(2025, 2027))
    check_years(engine, tmp_path, [2024, 2025, 2026])


@pytest.mark.slow
def test_so_to_the_last_year_for_which_files_are_written(engine, tmp_path):
    assert later_years(PERIOD)[-1] == 2034
    check_years(engine, tmp_path, [PERIOD, *later_years(PERIOD)])
