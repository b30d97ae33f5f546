"""The file of what is frozen."""

import numpy as np
import pytest

from localcal.clones.follow import follow_values
from localcal.clones.freeze import freeze_values
from localcal.clones.frozen import read_frozen, write_frozen, write_later
from localcal.errors import InputError
from tests.households import RATES_HEADER
from tests.standin_engine import StandIn


def test_frozen_values_survive_their_file(tmp_path, located):
    population, places = located
    (tmp_path / "rates.csv").write_text(
        RATES_HEADER + "takes_up_snap_if_eligible,spm_unit,,0.7,,x\n"
        "takes_up_medicaid_if_eligible,person,36,0.9,,x\n"
        "takes_up_medicaid_if_eligible,person,,0.4,,x\n"
    )
    frozen = freeze_values(population, places, [], tmp_path / "rates.csv", 5, StandIn())
    write_frozen(tmp_path / "frozen.h5", frozen)
    again = read_frozen(tmp_path / "frozen.h5")
    assert again.seed == 5
    rates = {rate.variable: rate.rate for rate in again.take_up}
    assert rates["takes_up_medicaid_if_eligible"][36] == 0.9
    assert rates["takes_up_medicaid_if_eligible"][35] == 0.4
    assert again.entity == {"medicaid_denominator": "person"}
    assert np.array_equal(
        again.variables["medicaid_denominator"], frozen.variables["medicaid_denominator"]
    )
    assert again.later == {}


def test_later_years_survive_their_file(tmp_path, located):
    population, places = located
    frozen = freeze_values(population, places, [], None, 5, StandIn())
    write_frozen(tmp_path / "frozen.h5", frozen)
    later = follow_values(population, places, frozen, StandIn())
    write_later(tmp_path / "later.h5", later)
    again = read_frozen(tmp_path / "frozen.h5", tmp_path / "later.h5").later
    assert list(again) == ["medicaid_denominator"]
    assert list(again["medicaid_denominator"]) == list(range(2025, 2035))
    for year, by_state in later["medicaid_denominator"].items():
        assert np.array_equal(again["medicaid_denominator"][year], by_state)


def test_something_else_is_not_taken_for_frozen_values(tmp_path):
    (tmp_path / "frozen.h5").write_text("x")
    with pytest.raises(InputError, match=r"frozen\.h5"):
        read_frozen(tmp_path / "frozen.h5")
