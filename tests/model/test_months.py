"""What the model says of a month is what it says of it where no other month is taken over."""

import contextlib

import numpy as np
import pytest

from localcal.clones.frozen import Frozen
from localcal.clones.locate import locate
from tests.model.test_ids import ADULTS, PLACES, places_in, same_bits
from tests.model.test_policyengine import TARGETED
from tests.unusual_households import unusual_households

# The model's own warnings are not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")

PERIOD = 2024


def stored(engine, clones, year):
    """Return (variable, period) to all that is known once the targets' variables are calculated."""
    with contextlib.closing(engine.simulate(clones)) as run:
        for name in TARGETED:
            if name in engine.variables():
                run.calculate(name, year)
        return {
            (name, period): values
            for name in run._reads.names()
            for period, values in run._known(name).items()
        }


@pytest.mark.parametrize("year", [PERIOD, pytest.param(PERIOD + 1, marks=pytest.mark.slow)])
def test_a_month_that_is_taken_over_has_the_bits_of_one_that_is_calculated(
    engine, monkeypatch, year
):
    people = unusual_households(ADULTS, PERIOD, engine.variables())
    places = places_in(list(PLACES))
    clones = locate(people, places, Frozen((), {}, {}, 1), np.ones(places.household.size))
    found = stored(engine, clones, year)
    monkeypatch.setattr(engine.months, "alike", lambda variable, one, other: False)
    expected = stored(engine, clones, year)
    assert not {key for key, values in found.items() if not same_bits(expected[key], values)}
    # A twelfth of a year's value is not asked for again.
    variables = engine._system.variables
    assert {variables[name].definition_period for name, _ in expected.keys() - found.keys()} == {
        "year"
    }
    # Some programmes do change within a year, which all of this is about.
    january = {name: values for (name, when), values in found.items() if when[1][1:] == (1, 1)}
    december = {name: values for (name, when), values in found.items() if when[1][1:] == (12, 1)}
    both = january.keys() & december.keys()
    changing = {name for name in both if not same_bits(january[name], december[name])}
    assert "snap_max_allotment" in changing
    assert len(changing) < len(both) / 2
