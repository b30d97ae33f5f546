"""Weights taken apart, and fits that begin from another one."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from localcal.errors import InputError
from localcal.weights.trace import read_trace, write_trace
from tests.fit_case import make_case


@pytest.mark.parametrize("records", [None, 250, 60])
def test_a_weight_is_start_over_probability_times_factor_to_the_last_bit(records):
    case = make_case(2)
    weight = case.design_weight.copy()
    weight[::7] = 0.0
    result = replace(case, design_weight=weight).fit(records=records)
    trace = result.trace
    product = np.float32(trace.base / trace.probability * trace.factor)
    assert product.tobytes() == result.weights.tobytes()
    np.testing.assert_array_equal(trace.base, weight * result.report["base_factor"])
    assert ((trace.factor > 0) == (result.weights > 0)).all()
    factor = trace.factor[trace.factor > 0]
    assert factor.min() >= 0.1 * (1 - 1e-9) and factor.max() <= 10 * (1 + 1e-9)
    assert (trace.probability > 0).all() and (trace.probability <= 1).all()
    if records is None:
        assert (trace.probability == 1).all()
        np.testing.assert_array_equal(trace.dense_factor, trace.factor)
    else:
        assert trace.probability[weight > 0].sum() == pytest.approx(records)
        assert (trace.dense_factor[weight > 0] > 0).all()


def test_a_written_trace_is_read_back_and_has_the_same_bytes_twice(tmp_path):
    trace = make_case(2).fit(records=100).trace
    for name in ("a.h5", "b.h5"):
        write_trace(trace, {"geography": "abc"}, tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    again, origins = read_trace(tmp_path / "a.h5")
    assert origins == {"geography": "abc"}
    for name, array in vars(trace).items():
        np.testing.assert_array_equal(getattr(again, name), array)


def test_a_file_that_is_no_trace_is_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["base"] = np.ones(3)
    with pytest.raises(InputError, match="not the trace.h5 of a fit, it lacks probability"):
        read_trace(tmp_path / "other.h5")
    with h5py.File(tmp_path / "other.h5", "a") as file:
        for name in ("probability", "dense_factor", "factor"):
            file[name] = np.ones(4)
    with pytest.raises(InputError, match="its arrays differ in length; remove it"):
        read_trace(tmp_path / "other.h5")


@pytest.mark.parametrize("records", [None, 300])
def test_a_warm_start_needs_fewer_sweeps_to_the_same_optimum(records):
    case = make_case(3)
    first = case.fit(records=records, max_sweeps=3000, tolerance=1e-5)
    targets = case.targets.copy()
    targets["value"] *= np.random.default_rng(0).normal(1.0, 0.01, len(targets))
    changed = replace(case, targets=targets)
    settings = {"records": records, "max_sweeps": 3000, "tolerance": 1e-5, "harmonize": False}
    warm, cold = changed.fit(prior=first.trace, **settings), changed.fit(**settings)
    assert warm.report["sweeps"] < cold.report["sweeps"]
    assert warm.report["stopped_by"] == "tolerance"
    if records is None:
        np.testing.assert_allclose(warm.weights, cold.weights, rtol=0.01)
    else:
        # Selection and probabilities are the other fit's.
        assert ((warm.weights > 0) == (first.weights > 0)).all()
        np.testing.assert_array_equal(warm.trace.probability, first.trace.probability)
        assert warm.report["loss"] < 2 * cold.report["loss"] + 1e-3


def test_beginning_from_its_own_result_changes_nothing_to_speak_of():
    case = make_case(3)
    for records in (None, 300):
        first = case.fit(records=records, max_sweeps=3000, tolerance=1e-4)
        again = case.fit(records=records, max_sweeps=3000, tolerance=1e-4, prior=first.trace)
        assert again.report["sweeps"] == 10
        np.testing.assert_allclose(again.weights, first.weights, rtol=1e-2)
        assert again.report["objective"] <= first.report["objective"] * (1 + 1e-9)


@pytest.mark.parametrize(("first", "second"), [(300, None), (None, 300), (300, 299)])
def test_a_start_with_another_number_of_records_is_refused(first, second):
    case = make_case(3)
    trace = case.fit(records=first).trace
    with pytest.raises(InputError, match="weights.prior: that fit keeps (300|600) columns"):
        case.fit(records=second, prior=trace)


def test_bounds_hold_after_a_warm_start_from_a_wider_fit():
    case = make_case(8)
    for records in (None, 300):
        wide = case.fit(records=records, bounds=(0.1, 10.0), penalty=0.01)
        narrow = case.fit(records=records, bounds=(0.9, 1.1), prior=wide.trace)
        factor = narrow.trace.factor[narrow.trace.factor > 0]
        assert factor.min() >= 0.9 * (1 - 1e-9) and factor.max() <= 1.1 * (1 + 1e-9)
