"""An area's file in the years after the run's: who is in it changes nobody's values."""

import contextlib
import itertools
from dataclasses import replace

import numpy as np
import pytest

import localcal.clones.follow
from localcal.clones.follow import FOLLOWED, follow_values
from localcal.clones.freeze import freeze_values
from localcal.clones.locate import locate
from localcal.geography.geography import take_columns
from localcal.population.dataset import MADE_UP_ID, id_names, later_years, write_population
from tests.model.test_ids import ADULTS, MODEL_ERRORS, places_in, same_bits
from tests.model.test_policyengine import TARGETED
from tests.unusual_households import some_of, unusual_households

# The model's own warnings are not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")

PERIOD = 2024
TEXAS, CALIFORNIA = 48, 6


def test_the_model_makes_up_no_other_id_for_a_later_year(engine):
    """What it has no formula for it takes over from the year that is stored."""
    assert {name for name in id_names() if engine.variables()[name].computed} == {MADE_UP_ID}


def values_in(engine, path, names, years):
    """Return (variable, year) to what a file's user gets, from one simulation."""
    simulation = engine.load(path, PERIOD)
    values = {(name, year): simulation.calculate(name, year) for year in years for name in names}
    simulation.close()
    return values


def check_years(engine, folder, years):
    """Compare the file of every second household of Texas with all households simulated together.

    Their file stands for the nation's. Bits of every variable that targets are on, year by year.
    """
    people = unusual_households(ADULTS, PERIOD, engine.variables())
    places = places_in([TEXAS, CALIFORNIA])
    frozen = freeze_values(people, places, ["medicaid"], None, 9, engine)
    frozen = replace(frozen, later=follow_values(people, places, frozen, engine))
    everybody = locate(people, places, frozen, places.design_weight)
    columns = np.flatnonzero(places.state == TEXAS)[::2]
    weight = np.random.default_rng(2).uniform(50, 3_000, columns.size)
    some = locate(people, take_columns(places, columns), frozen, weight)
    write_population(folder / "US.h5", everybody)
    write_population(folder / "TX.h5", some)
    names = [name for name in TARGETED if name in engine.variables()]
    expected = values_in(engine, folder / "US.h5", names, years)
    # In the opposite order, of which nothing may depend either.
    found = values_in(engine, folder / "TX.h5", names[::-1], years[::-1])
    rows = {
        entity: np.flatnonzero(np.isin(everybody.household_of[entity], columns))
        for entity in some.ids
    }
    for name, year in itertools.product(names, years):
        here = expected[name, year][rows[engine.variables()[name].entity]]
        assert same_bits(found[name, year], here), (name, year)
    weights = weight[some.household_of["person"]]
    dollars = {
        year: float(
            weights @ found["medicaid", year] / (weights @ found["medicaid_enrolled", year])
        )
        for year in years
    }
    # Not nineteen times as much, as over the enrollees of the file alone.
    first = dollars[PERIOD]
    assert all(0.5 * first < value < 2.5 * first for value in dollars.values()), dollars


@pytest.mark.slow
def test_a_file_s_households_have_the_same_values_in_the_next_years(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(localcal.clones.follow, "FOLLOWED", (1, 2))
    check_years(engine, tmp_path, [2024, 2025, 2026])


@pytest.mark.slow
def test_so_for_every_variable_of_the_model_two_years_later(engine, tmp_path):
    """But those that look at the whole population, which is not frozen here."""
    people = unusual_households(ADULTS, PERIOD, engine.variables())
    some, rows = some_of(people, np.random.default_rng(4).permutation(ADULTS)[::2])
    write_population(tmp_path / "all.h5", people)
    write_population(tmp_path / "some.h5", some)
    names = sorted(engine.variables())
    nation = engine.load(tmp_path / "all.h5", PERIOD)
    state = engine.load(tmp_path / "some.h5", PERIOD)
    wide = engine.population_wide().keys()
    compared = 0
    for name in names:
        # Some formulas stop with an error of their own.
        with contextlib.suppress(*MODEL_ERRORS):
            expected, found = nation.calculate(name, PERIOD + 2), state.calculate(name, PERIOD + 2)
            here = expected[rows[engine.variables()[name].entity]]
            assert same_bits(found, here) or engine.dependencies(name) & wide, name
            compared += 1
    assert compared > 0.9 * len(names)


@pytest.mark.slow
def test_so_to_the_last_year_for_which_files_are_written(engine, tmp_path, monkeypatch):
    assert later_years(PERIOD)[-1] == 2034
    monkeypatch.setattr(localcal.clones.follow, "FOLLOWED", FOLLOWED)
    check_years(engine, tmp_path, [PERIOD, *later_years(PERIOD)])
