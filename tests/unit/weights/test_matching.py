"""Where a fit of a new year's columns begins."""

from dataclasses import replace

import numpy as np
import pytest

from localcal.weights.matching import (
    Households,
    Located,
    Matched,
    match_columns,
    match_households,
)
from tests.fit_case import Case, make_case


def households(identity, persons, ages=None, period=2024) -> Households:
    ages = None if ages is None else np.array(ages, dtype=np.float64)
    return Households(period, np.array(identity), np.array(persons), ages)


def located(household, district) -> Located:
    district = np.array(district, dtype=np.int32)
    return Located(np.array(household, dtype=np.int32), district // 100, district)


def matched(new: Located, old: Located, base, factor, there) -> Matched:
    arrays = (np.array(values, dtype=np.float64) for values in (base, factor))
    return match_columns(new, old, *arrays, np.array(there))


def test_a_household_is_the_same_with_its_id_persons_and_ages():
    old = households([9, 2, 40, 7, 8, 3], [2, 1, 3, 1, 1, 2], [70, 30, 50, 20, 60, 80])
    new = households(
        [2, 9, 40, 7, 8, 3, 1, 41, 2**40],
        [1, 2, 2, 1, 1, 2, 1, 3, 1],
        # As old, both a year older, fewer persons, too old, younger, one a year older.
        [30, 72, 50, 22, 59, 81, 30, 50, 5],
        period=2025,
    )
    assert match_households(new, old).tolist() == [1, 0, -1, -1, -1, 5, -1, -1, -1]
    # A file that was brought to another year is as old; nobody grows older in the same year.
    assert match_households(replace(new, period=2024), old)[:2].tolist() == [1, -1]
    # An earlier year's begins from a later one's, too.
    assert match_households(old, new).tolist() == [1, 0, -1, -1, -1, 5]
    assert match_households(replace(old, period=2023), replace(new, period=2022))[0] == -1
    # Without ages the persons must do.
    for one, other in ((new, replace(old, ages=None)), (replace(new, ages=None), old)):
        assert match_households(one, other)[:6].tolist() == [1, 0, -1, 3, 4, 5]


def test_a_column_gets_the_factor_of_the_finest_cell_that_says_something():
    old = located([0, 0, 0, 1, 1, 2], [101, 101, 102, 101, 201, 201])
    base, factor = [1, 3, 2, 4, 5, 5], [2.0, 4.0, 1.0, 0.5, 3.0, 1.0]
    # New 0 is old 1, new 1 is old 0, new 2 is nobody.
    new = located([0, 1, 1, 1, 0, 2, 2, 2, 2], [201, 101, 102, 103, 102, 101, 103, 201, 301])
    found = matched(new, old, base, factor, [1, 0, -1])
    state = (1 * 2 + 3 * 4 + 2 * 1 + 4 * 0.5) / 10
    expected = [
        3.0,  # old 1 in 201
        (1 * 2 + 3 * 4) / 4,  # old 0 in 101, weighted by base
        1.0,  # old 0 in 102
        (1 * 2 + 3 * 4 + 2 * 1) / 6,  # old 0 in state 1
        0.5,  # old 1 in state 1
        (1 * 2 + 3 * 4 + 4 * 0.5) / 8,  # everybody in 101
        state,  # everybody in state 1
        2.0,  # everybody in 201
        1.0,
    ]
    np.testing.assert_allclose(found.dense_factor, expected, rtol=1e-15)
    assert found.columns == {
        "household_district": 3, "household_state": 2, "district": 2, "state": 1, "nothing": 1,
    }  # fmt: skip
    assert found.households == 2 and not found.is_empty


def test_columns_without_base_and_cells_without_weight_say_nothing():
    old = located([0, 0, 1, 1], [101, 102, 101, 201])
    # Nobody in state 2 was kept, and nobody of household 0 in 101.
    found = matched(
        located([0, 0, 1, 1], [101, 102, 201, 101]),
        old, [1, 0, 2, 3], [0.0, 7.0, 3.0, 0.0], [0, 1],
    )  # fmt: skip
    np.testing.assert_array_equal(found.dense_factor, [2.0, 2.0, 1.0, 3.0])
    assert list(found.columns.values()) == [1, 0, 1, 1, 1]
    nothing = matched(located([0], [201]), old, [1, 0, 2, 3], [0.0, 7.0, 3.0, 0.0], [-1])
    assert nothing.is_empty and nothing.dense_factor.tolist() == [1.0]
    assert matched(located([0], [101]), old, [0] * 4, [1.0] * 4, [0]).is_empty


def test_totals_that_were_found_are_kept_whatever_the_clones():
    rng = np.random.default_rng(3)
    old = located(np.repeat(np.arange(50), 6), np.tile([101, 102, 103, 201, 202, 203], 50))
    base, factor = rng.uniform(1, 100, 300), rng.lognormal(0, 0.5, 300)
    # As much base in every household and district, in other parts, three columns for one.
    part = rng.dirichlet(np.ones(3), 300)
    new_base = (base[:, None] * part).reshape(-1)
    new = located(np.repeat(old.household, 3), np.repeat(old.district, 3))
    found = matched(new, old, base, factor, np.arange(50))
    for who in (np.arange(50), np.full(50, -1)):
        found = matched(new, old, base, factor, who)
        total = np.bincount(new.district, new_base * found.dense_factor)
        np.testing.assert_allclose(total, np.bincount(old.district, base * factor), rtol=1e-12)


def years(seed: int) -> tuple[Case, Case, np.ndarray]:
    """Two years of which the second has a fifth of new households and targets moved by 3 %."""
    everybody = make_case(seed, households=144)
    found = []
    for first, last, moved in ((0, 120, 0.0), (24, 144, 0.03)):
        inside = (everybody.household >= first) & (everybody.household < last)
        targets = everybody.targets.copy()
        targets["value"] *= 1 + moved * np.random.default_rng(seed).normal(size=len(targets))
        found.append(
            Case(
                everybody.matrix[:, inside], targets, everybody.design_weight[inside],
                everybody.household[inside] - first, everybody.state[inside],
                everybody.district[inside],
            )
        )  # fmt: skip
    return found[0], found[1], np.where(np.arange(120) < 96, np.arange(120) + 24, -1)


def begun(first, old: Case, new: Case, there: np.ndarray) -> Matched:
    places = [Located(case.household, case.state, case.district) for case in (new, old)]
    return match_columns(*places, first.trace.base, first.trace.dense_factor, there)


SETTINGS = {"harmonize": False, "max_sweeps": 3000, "penalty": 0.003}


def test_a_new_years_fit_needs_fewer_sweeps_to_the_same_optimum():
    old, new, there = years(1)
    prior = begun(old.fit(**SETTINGS), old, new, there)
    assert prior.columns["household_district"] == 960 and prior.columns["nothing"] == 0
    warm, cold = new.fit(prior=prior, **SETTINGS), new.fit(**SETTINGS)
    assert warm.report["sweeps"] < cold.report["sweeps"]
    assert warm.report["stopped_by"] == "tolerance"
    # What either may be above the optimum by.
    apart = abs(warm.report["objective"] - cold.report["objective"])
    assert apart <= max(warm.report["gap"], cold.report["gap"])
    exactly = SETTINGS | {"tolerance": 1e-7}
    warm, cold = new.fit(prior=prior, **exactly), new.fit(**exactly)
    np.testing.assert_allclose(warm.weights, cold.weights, rtol=1e-3)
    assert warm.report["prior"] == {"households": 96, "matched": prior.columns}
    assert "prior" not in cold.report


def test_records_are_drawn_anew_from_a_fit_that_begins_warm():
    old, new, there = years(2)
    first = old.fit(records=300, **SETTINGS)
    prior = begun(first, old, new, there)
    # What was not kept has a factor of the fit of all records.
    assert (prior.dense_factor > 0.05).all()
    warm, cold = (new.fit(records=250, prior=p, **SETTINGS) for p in (prior, None))
    assert np.count_nonzero(warm.weights) == 250
    sweeps = [fit.report["selection"]["prefit_sweeps"] for fit in (warm, cold)]
    assert sweeps == [10, 15]
    assert warm.trace.probability.sum() == pytest.approx(250)
    assert warm.report["loss"] < 2 * cold.report["loss"] + 1e-3
    again = new.fit(records=250, prior=prior, **SETTINGS)
    assert again.weights.tobytes() == warm.weights.tobytes()


def test_a_fit_of_nothing_in_common_is_the_one_without_a_prior():
    old, new, _ = years(3)
    new = replace(new, state=new.state + 30, district=new.district + 3000)
    prior = begun(old.fit(**SETTINGS), old, new, np.full(120, -1))
    levels = SETTINGS | {"levels": ("nation",)}
    assert new.fit(prior=prior, **levels).weights.tobytes() == new.fit(**levels).weights.tobytes()
