"""What counts as the model's work."""

import time

import pytest

from localcal import timing
from localcal.engine.timed import timed
from localcal.timing import SIMULATE


class Slow:
    """An engine whose every answer takes a second, and its simulation at once."""

    version = "slow 1"

    def __init__(self, clock):
        self._clock = clock

    def _answer(self, *_):
        self._clock[0] += 1
        return self

    simulate = load = calculate = neutralize = share = unreached = variables = close = _answer


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    yield now
    monkeypatch.undo()
    timing.begin()


@pytest.mark.parametrize(
    ("work", "counted", "passed"),
    [
        (lambda engine: engine.variables(), 0, 1),
        (lambda engine: engine.simulate(), 1, 1),
        (lambda engine: engine.load("a.h5", 2024).calculate("snap"), 2, 2),
        (lambda engine: engine.simulate().neutralize("snap").calculate("tax"), 3, 3),
        (lambda engine: engine.simulate().share((), ()), 2, 2),
        (lambda engine: engine.simulate().unreached(()), 2, 2),
        (lambda engine: engine.simulate().close(), 1, 2),
    ],
)
def test_simulations_count_and_nothing_else(clock, work, counted, passed):
    figures = timing.begin()
    work(timed(Slow(clock)))
    assert clock[0] == passed
    assert figures.seconds.get(SIMULATE, 0) == counted


def test_everything_else_is_the_engines_own(clock):
    assert timed(Slow(clock)).version == "slow 1"
