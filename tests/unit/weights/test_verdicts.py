"""What becomes of a target."""

import numpy as np

from localcal.weights import verdicts
from localcal.weights.verdicts import role_of, scaled_error, settle_verdicts


def test_errors_are_divided_by_their_scale():
    error = scaled_error(
        np.array([3.0, -9.0, 11.0, 3.0]),
        np.array([0.0, -10.0, 10.0, 0.0]),
        np.array([np.nan, 10.0, 10.0, 2.0]),
    )
    assert np.isnan(error[0])
    np.testing.assert_allclose(error[1:], [0.1, 0.1, 1.5])


def test_states_tell_a_missed_target_from_a_contradicted_one():
    state = np.array([verdicts.FITTED] * 4 + [verdicts.THIN])
    dense = np.array([0.2, 0.01, -0.2, -0.2, 0.9])
    final = np.array([0.01, -0.06, -0.06, -0.06, 0.9])
    tolerance = np.array([0.0, 0.0, 0.0, 0.07, 0.0])
    found = settle_verdicts(state, dense, final, final, tolerance)
    assert found.tolist() == ["met", "missed", "contradicted", "met", "thin"]
    assert role_of(found).tolist() == ["fitted"] * 4 + ["left_out"]
    others = np.array([verdicts.MERGED, verdicts.HELD_OUT, verdicts.UNREACHABLE])
    assert role_of(others).tolist() == ["merged", "held_out", "left_out"]


def test_what_harmonizing_moved_far_from_what_was_published_is_not_simply_met():
    state = np.full(4, verdicts.FITTED)
    close = np.full(4, 0.001)
    uprated = np.array([0.04, -0.138, -0.138, np.nan])
    found = settle_verdicts(state, close, close, uprated, np.array([0.0, 0.0, 0.15, 0.0]))
    # The third is known to no better than 15 %, the fourth was published as zero.
    assert found.tolist() == ["met", "met_moved", "met", "met"]
    assert role_of(found).tolist() == ["fitted"] * 4
    missed = settle_verdicts(state, close, np.full(4, 0.2), uprated, np.zeros(4))
    assert missed.tolist() == ["missed"] * 4
