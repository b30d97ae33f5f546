"""Drawing places."""

import logging

import numpy as np
import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.geography import draw
from localcal.geography.geography import Geography
from tests.places_case import DISTRICTS, INCOME, POPULATION, assign, make_households, same

SHARE = np.array(list(POPULATION.values())) / sum(POPULATION.values())


def inclusion(geography: Geography) -> np.ndarray:
    """Return the fraction of households that have a clone in each district."""
    return np.array([(geography.district == code).sum() for code in DISTRICTS]) / (
        geography.n_households
    )


def test_no_household_has_a_district_twice(tables):
    geography = assign(make_households(3_000), tables, n_clones=7, state_exponent=-0.3)
    districts = np.sort(geography.district.reshape(-1, 7), axis=1)
    assert (np.diff(districts, axis=1) > 0).all()


def test_as_many_clones_as_districts_reach_every_district(tables):
    geography = assign(make_households(50), tables, n_clones=8)
    assert (np.sort(geography.district.reshape(-1, 8), axis=1) == DISTRICTS).all()
    household_sums = geography.design_weight.reshape(-1, 8).sum(axis=1)
    np.testing.assert_allclose(household_sums, make_households(50)["household_weight"])


@pytest.mark.parametrize(("n_clones", "exponent"), [(1, 0.0), (3, -0.3), (5, 0.0), (6, -0.5)])
def test_inclusion_probabilities_are_those_of_the_formula(tables, n_clones, exponent):
    state_population = {1: 1_100_000, 2: 730_000, 11: 680_000, 36: 2_590_000}
    tilt = np.array([state_population[code // 100] ** exponent for code in DISTRICTS])
    # Bisection on c in sum(min(1, c q)) = n: a second way to the same numbers.
    low, high = 0.0, 1e12
    for _ in range(200):
        middle = (low + high) / 2
        too_many = np.minimum(1, middle * SHARE * tilt).sum() > n_clones
        low, high = (low, middle) if too_many else (middle, high)
    expected = np.minimum(1, low * SHARE * tilt)

    households = make_households(20_000)
    geography = assign(households, tables, n_clones=n_clones, state_exponent=exponent)
    # A frequency over 20,000 households has a standard error of at most 0.0036; five of them.
    np.testing.assert_allclose(inclusion(geography), expected, atol=0.018)
    position = np.searchsorted(DISTRICTS, geography.district)
    weight = np.repeat(households["household_weight"].to_numpy(), n_clones)
    np.testing.assert_allclose(
        geography.design_weight, weight * (SHARE / expected)[position], rtol=1e-9
    )


def test_inclusion_probabilities_sum_exactly_to_the_clones():
    rng = np.random.default_rng(3)
    for n_clones in (1, 10, 300, 430, 436):
        units = draw._inclusion_units(rng.lognormal(0, 0.5, 436), n_clones)
        assert int(units.sum()) == n_clones * draw.SCALE
        assert 0 < units.min() <= units.max() <= draw.SCALE


def test_every_pair_of_districts_meets_in_some_household(tables):
    geography = assign(make_households(5_000), tables, n_clones=2)
    pairs = {tuple(sorted(pair)) for pair in geography.district.reshape(-1, 2).tolist()}
    assert len(pairs) == 8 * 7 // 2


def test_a_clones_number_says_nothing_about_its_district(tables):
    # One district that every household gets: a systematic pass tends to meet it in the middle.
    path = tables["district_population"]
    path.write_text(path.read_text().replace("102,400000", "102,400000000"))
    geography = assign(make_households(20_000), tables, n_clones=3)
    of_all = inclusion(geography) / 3
    for clone in range(3):
        of_clone = [(geography.district[clone::3] == code).mean() for code in DISTRICTS]
        # Standard error at most 0.0035.
        np.testing.assert_allclose(of_clone, of_all, atol=0.0175)


@pytest.mark.parametrize("exponent", [0.0, -0.3])
def test_design_weights_represent_the_population_of_every_district(tables, exponent):
    households = make_households(20_000)
    geography = assign(households, tables, n_clones=5, state_exponent=exponent)
    total = households["household_weight"].sum()
    shares = [
        geography.design_weight[geography.district == code].sum() / total for code in DISTRICTS
    ]
    # The smallest district (3 %) is drawn by one household in six: standard error below 2.5 %.
    np.testing.assert_allclose(shares, SHARE, rtol=0.1)
    np.testing.assert_allclose(geography.design_weight.sum(), total, rtol=0.01)


def test_a_negative_exponent_gives_small_states_more_clones(tables):
    households = make_households(5_000)
    plain = assign(households, tables, n_clones=3)
    tilted = assign(households, tables, n_clones=3, state_exponent=-0.5)
    assert inclusion(tilted)[2] > inclusion(plain)[2] + 0.1
    assert inclusion(tilted)[4] < inclusion(plain)[4] - 0.05


def test_high_incomes_are_drawn_by_income_and_others_by_population(tables):
    households = make_households(20_000)
    geography = assign(households, tables, n_clones=2, income_percentile=50, district_income=INCOME)
    income = households["adjusted_gross_income"]
    weight = households["household_weight"]
    ordered = households.sort_values("adjusted_gross_income")
    passed = ordered["household_weight"].cumsum() > weight.sum() / 2
    is_high = (income >= ordered["adjusted_gross_income"][passed].iloc[0]).to_numpy()
    income_share = np.array(list(INCOME.values())) / sum(INCOME.values())
    district = geography.district.reshape(-1, 2)
    drawn_by = {True: 2 * income_share, False: 2 * SHARE}
    for group, expected in drawn_by.items():
        found = [(district[is_high == group] == code).sum() for code in DISTRICTS]
        # Some 10,000 households in a group: standard error at most 0.005.
        np.testing.assert_allclose(np.array(found) / (is_high == group).sum(), expected, atol=0.025)
    by_district = [
        geography.design_weight.reshape(-1, 2)[is_high][district[is_high] == code].sum()
        for code in DISTRICTS
    ]
    np.testing.assert_allclose(by_district / weight[is_high].sum(), income_share, rtol=0.15)


def test_the_income_percentile_counts_households_by_weight(tables, caplog):
    households = pd.DataFrame(
        {
            "household_weight": [80.0, 5.0, 5.0, 5.0, 5.0],
            "adjusted_gross_income": [10.0, 20.0, 30.0, 40.0, 50.0],
        }
    )
    with caplog.at_level(logging.INFO):
        assign(households, tables, income_percentile=90, district_income=INCOME)
    assert "2 of 5 households have 40 dollars or more" in caplog.text


def test_state_income_is_spread_over_districts_by_population(tables):
    state_income = {1: 1e9, 2: 2e9, 11: 3e9, 36: 4e9}
    geography = assign(
        make_households(20_000),
        tables,
        n_clones=1,
        income_percentile=0,
        district_income={101: 5.0},
        state_income=state_income,
    )
    new_york = np.array([900, 760, 150, 780]) / 2590
    expected = np.array([0.1 * 7 / 11, 0.1 * 4 / 11, 0.2, 0.3, *(0.4 * new_york)])
    np.testing.assert_allclose(inclusion(geography), expected, atol=0.017)


@pytest.mark.parametrize("percentile", [None, 100])
def test_without_a_percentile_no_incomes_are_needed(tables, percentile):
    households = make_households(20).drop(columns="adjusted_gross_income")
    assert len(assign(households, tables, income_percentile=percentile)) == 80


def test_the_same_seed_gives_the_same_places_and_another_seed_others(tables):
    households = make_households(200)
    assert same(assign(households, tables), assign(households, tables))
    assert not np.array_equal(
        assign(households, tables).district, assign(households, tables, seed=2).district
    )


@pytest.mark.parametrize("cells", [1, 8 * 7, 8 * 64])
def test_places_do_not_depend_on_how_many_households_are_drawn_at_once(tables, cells, monkeypatch):
    households = make_households(150)
    settings = {"income_percentile": 80, "district_income": INCOME, "state_exponent": -0.3}
    whole = assign(households, tables, **settings)
    monkeypatch.setattr(draw, "CELLS_AT_ONCE", cells)
    assert same(assign(households, tables, **settings), whole)


def test_places_are_drawn_by_their_share_of_the_district(tables):
    geography = assign(make_households(10_000), tables, n_clones=6)
    counties = geography.county[geography.district == 101]
    # Some 9,000 draws: standard error 0.0046.
    assert (counties == b"01003").mean() == pytest.approx(0.75, abs=0.023)
    assert set(geography.county[geography.district == 3602]) == {b"36005", b"36061"}
    assert (geography.county[geography.district == 201] == b"02020").mean() == pytest.approx(
        0.75, abs=0.023
    )


@pytest.mark.parametrize("n_clones", [0, 9])
def test_more_clones_than_districts_are_refused(tables, n_clones):
    with pytest.raises(InputError, match=f"geography.clones: {n_clones} clones .* 8 districts"):
        assign(make_households(5), tables, n_clones=n_clones)


def test_an_exponent_that_excludes_a_district_is_refused(tables):
    with pytest.raises(InputError, match=r"geography\.state_exponent: so strong"):
        assign(make_households(5), tables, state_exponent=60)


def test_unknown_incomes_are_refused_unless_the_rule_is_off(tables):
    partly = {code: 1.0 for code in DISTRICTS if code != 3602}
    with pytest.raises(
        InputError, match=r"1 districts \(first 3602\) nor for 3 states \(first 2\)"
    ):
        assign(
            make_households(5),
            tables,
            income_percentile=90,
            district_income=partly,
            state_income={1: 1.0},
        )


def test_an_income_that_is_not_positive_is_refused(tables):
    with pytest.raises(InputError, match=r"district level: that of district 201 is -4\.0"):
        assign(
            make_households(5),
            tables,
            income_percentile=90,
            district_income=INCOME | {201: -4.0},
        )
