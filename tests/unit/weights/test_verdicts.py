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
    found = settle_verdicts(state, dense, final, tolerance)
    assert found.tolist() == ["met", "missed", "contradicted", "met", "thin"]
    assert role_of(found).tolist() == ["fitted"] * 4 + ["left_out"]
    others = np.array([verdicts.MERGED, verdicts.HELD_OUT, verdicts.UNREACHABLE])
    assert role_of(others).tolist() == ["merged", "held_out", "left_out"]
