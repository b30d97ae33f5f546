"""Take-up draws and rates."""

import numpy as np
import pytest

from localcal.clones.freeze import freeze_values
from localcal.clones.take_up import (
    STATE_CODES,
    TakeUpRate,
    anchored_rate,
    anchored_to,
    takes_up,
)
from localcal.errors import InputError
from localcal.geography.geography import take_columns
from localcal.population.population import ENTITIES, clone_households
from tests.households import RATES_HEADER, random_places, random_population
from tests.standin_engine import StandIn

REPORTED = "has_medicaid_health_coverage_at_interview"


def draw(population, places, rate, seed=0):
    clones = clone_households(population, places.household, dict.fromkeys(ENTITIES, 1))
    ids = population.ids["household"][places.household]
    first = population.starts[rate.entity][places.household]
    return takes_up(clones, rate, ids, places.clone, places.state, seed, first)


def test_a_draw_does_not_depend_on_who_else_is_asked():
    population = random_population(40, seed=1)
    places = random_places(population, 5, seed=1)
    rate = TakeUpRate("takes_up_snap", "spm_unit", np.full(STATE_CODES, 0.5))
    whole = draw(population, places, rate)
    pieces = [
        draw(population, take_columns(places, rows), rate)
        for rows in np.split(np.arange(200), [1, 57, 58, 140])
    ]
    assert np.array_equal(np.concatenate(pieces), whole)


def test_the_seed_and_the_clone_change_the_draw():
    population = random_population(200, seed=2)
    places = random_places(population, 2, seed=2)
    rate = TakeUpRate("takes_up_snap", "spm_unit", np.full(STATE_CODES, 0.5))
    assert (draw(population, places, rate, 0) != draw(population, places, rate, 1)).any()
    first = draw(population, take_columns(places, np.arange(0, 400, 2)), rate)
    second = draw(population, take_columns(places, np.arange(1, 400, 2)), rate)
    assert 0.3 < (first != second).mean() < 0.7


def test_the_share_taking_up_is_the_state_s_rate():
    population = random_population(3_000, seed=3)
    places = random_places(population, 4, seed=3)
    by_state = np.linspace(0.0, 1.0, STATE_CODES)
    rate = TakeUpRate("takes_up", "household", by_state)
    taking = draw(population, places, rate)
    for state in np.unique(places.state):
        here = taking[places.state == state]
        # Four standard errors.
        p = by_state[state]
        assert abs(here.mean() - p) <= 4 * np.sqrt(p * (1 - p) / here.size) + 1e-12


def test_anchoring_reaches_the_rate_with_reporters_always_in():
    population = random_population(4_000, seed=4)
    places = random_places(population, 1, seed=4)
    share = population.values[REPORTED].mean()
    rate = TakeUpRate("m", "person", anchored_rate(np.full(STATE_CODES, 0.6), share), REPORTED)
    taking = draw(population, places, rate)
    assert taking[population.values[REPORTED]].all()
    assert abs(taking.mean() - 0.6) < 4 * np.sqrt(0.24 / taking.size)


def test_more_reporters_than_the_rate_leave_nobody_else():
    assert anchored_rate(np.array([0.2]), 0.3)[0] == 0.0
    assert anchored_rate(np.array([0.2]), 1.0)[0] == 0.0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("takes_up_nothing,person,,0.5,,x", "no take-up variable 'takes_up_nothing'"),
        ("takes_up_snap_if_eligible,spm_unit,,1.5,,x", "1.5 is not between 0 and 1"),
        ("takes_up_snap_if_eligible,spm_unit,,many,,x", "'many' is not a number"),
        ("takes_up_snap_if_eligible,spm_unit,99,0.5,,x", "state '99'"),
        ("takes_up_snap_if_eligible,spm_unit,6,0.5,,x", "no rate for state 1"),
        (
            "takes_up_snap_if_eligible,spm_unit,7,0.5,,x",
            "state '7' is not a state's FIPS code, such as 6; correct",
        ),
        ("takes_up_snap_if_eligible,person,,0.5,,x", "belongs to a spm_unit, not person"),
        ("takes_up_snap_if_eligable,spm_unit,,0.5,,x", "did you mean takes_up_snap_if_eligible"),
        ("is_disabled,person,,0.5,,x", "no take-up variable 'is_disabled', only one of takes_up_"),
        ("employment_income,person,,0.5,,x", "no take-up variable 'employment_income'"),
        (
            "takes_up_snap_if_eligible,spm_unit,,0.5,reported_snap,x",
            r"no variable 'reported_snap' \(reported\)",
        ),
        (
            "takes_up_snap_if_eligible,spm_unit,,0.5,tenure_type,x",
            r"tenure_type \(reported\) is enum of a household, but has to be a person's variable",
        ),
        (
            "takes_up_snap_if_eligible,spm_unit,,0.5,household_weight,x",
            r"household_weight \(reported\) is float of a household, but has to be a person's",
        ),
        (
            "takes_up_snap_if_eligible,spm_unit,,0.5,,x\n"
            "takes_up_snap_if_eligible,spm_unit,,0.6,,x",
            r"csv: line 3: .* has a rate for every other state already \(.*csv: line 2\)",
        ),
        (
            "takes_up_snap_if_eligible,spm_unit,,0.5,,x\n"
            "takes_up_snap_if_eligible,spm_unit,6,0.6,,x\n"
            "takes_up_snap_if_eligible,spm_unit,06,0.6,,x",
            r"csv: line 4: .* has a rate for state 6 already \(.*csv: line 3\)",
        ),
        (
            f"takes_up_medicaid_if_eligible,person,,0.5,,x\n"
            f"takes_up_medicaid_if_eligible,person,6,0.6,{REPORTED},x",
            rf"rates\.csv: line 3: .* is anchored to '{REPORTED}', but to '' in another row",
        ),
    ],
)
def test_wrong_rates_are_refused_by_name(tmp_path, located, row, message):
    population, places = located
    (tmp_path / "rates.csv").write_text(RATES_HEADER + row + "\n")
    with pytest.raises(InputError, match=message):
        freeze_values(population, places, [], tmp_path / "rates.csv", 0, StandIn())


def test_a_table_of_rates_without_a_column_is_refused(tmp_path, located):
    (tmp_path / "rates.csv").write_text("variable,rate\nx,0.1\n")
    with pytest.raises(InputError, match=r"rates\.csv: has no column"):
        freeze_values(*located, [], tmp_path / "rates.csv", 0, StandIn())


@pytest.mark.parametrize("content", [RATES_HEADER, RATES_HEADER + "x,person,,0.5\n"])
def test_a_table_cut_short_is_refused_with_what_to_do(tmp_path, located, content):
    (tmp_path / "rates.csv").write_text(content)
    with pytest.raises(InputError, match=r"rates\.csv: .*; correct take_up.rates, or remove"):
        freeze_values(*located, [], tmp_path / "rates.csv", 0, StandIn())


def test_a_reported_benefit_anchors_the_rate_by_the_weights_of_its_units():
    """With reporters always in, all units together take up at the table's rate."""
    population = random_population(50, seed=6)
    rate = TakeUpRate("m", "spm_unit", np.full(STATE_CODES, 0.9), REPORTED)
    anchored = anchored_to(population, rate)
    unit = population.membership["spm_unit"]
    reporting = np.unique(unit[population.values[REPORTED]])
    weight = population.values["household_weight"][population.household_of["spm_unit"]]
    share = weight[reporting].sum() / weight.sum()
    assert 0.1 < share < 0.6 and anchored.reported == REPORTED
    np.testing.assert_allclose(share + (1 - share) * anchored.rate, 0.9, rtol=1e-6)


def test_a_rate_that_nobody_reports_is_left_as_it_is(caplog):
    population = random_population(5, seed=7)
    rate = TakeUpRate("m", "person", np.full(STATE_CODES, 0.4))
    assert anchored_to(population, rate) is rate
    assert not caplog.text
    unknown = anchored_to(population, TakeUpRate("m", "person", rate.rate, "no_such"))
    assert unknown.reported == "" and np.array_equal(unknown.rate, rate.rate)
    assert "m: nobody always takes up, since the population lacks no_such" in caplog.text


@pytest.mark.parametrize("share", ["0", "1", "1.0"])
def test_everybody_and_nobody_are_rates(tmp_path, located, share):
    row = f"takes_up_snap_if_eligible,spm_unit,,{share},,x\n"
    (tmp_path / "rates.csv").write_text(RATES_HEADER + row)
    frozen = freeze_values(*located, [], tmp_path / "rates.csv", 0, StandIn())
    assert (frozen.take_up[0].rate == float(share)).all()
