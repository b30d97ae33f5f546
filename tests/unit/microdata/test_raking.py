"""Weights add up, and change no more than they must."""

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.microdata.raking import raked


def test_counts_add_up_to_the_totals():
    random = np.random.default_rng(1)
    counts = np.column_stack([random.integers(0, 4, (300, 3)), np.ones(300)])
    weight = random.uniform(50, 500, 300)
    totals = (weight @ counts) * [1.1, 0.8, 1.4, 1.05]
    found = raked("test", weight, counts, totals)
    assert found @ counts == pytest.approx(totals, rel=1e-8)
    assert (found > 0).all()
    # The factors' logarithms are linear in the counts: what makes these weights the nearest.
    _, left, _, _ = np.linalg.lstsq(counts, np.log(found / weight))
    assert left == pytest.approx(0, abs=1e-12)


def test_totals_that_hold_already_change_nothing():
    counts, weight = np.array([[1.0, 1.0], [3.0, 1.0]]), np.array([5.0, 7.0])
    assert raked("test", weight, counts, weight @ counts) == pytest.approx(weight)


def test_totals_that_nothing_reaches_are_refused():
    counts = np.array([[1.0, 1.0], [2.0, 1.0]])
    with pytest.raises(InputError, match="test: no weights give 50, 10; correct"):
        raked("test", np.ones(2), counts, np.array([50.0, 10.0]))
    with pytest.raises(InputError, match="no weights give"):
        raked("test", np.ones(2), counts, np.array([-1.0, 10.0]))
