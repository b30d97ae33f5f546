"""The seam to l0-python: files there and back, the other interpreter, and the refit."""

import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest

from localcal.errors import InputError
from localcal.weights.fit import fit_weights
from localcal.weights.l0 import run as l0
from localcal.weights.l0.exchange import (
    L0Weights,
    read_l0_weights,
    write_l0_problem,
)
from localcal.weights.l0.refit import describe_refit
from localcal.weights.l0.run import check_interpreter, run_l0
from localcal.weights.pose import pose_problem
from localcal.weights.selection import district_shares
from localcal.weights.settings import Settings
from tests.fit_case import Case, make_case

# Stands in for l0_runner.py: keeps every third record, at thrice its start.
RUNNER = """
import json, sys, h5py
problem, settings, weights = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
with h5py.File(problem) as file:
    start, columns = file["start"][:], file["columns"][:]
start[1::3] = start[2::3] = 0.0
print("epoch 0:", settings["device"])
with h5py.File(weights, "w") as file:
    file["weights"], file["columns"] = (3 * start).astype("f4"), columns
    file.attrs.update(seed=settings["seed"], epochs=settings["epochs"])
"""
SETTINGS = {"lambda_l0": 1e-2, "epochs": 7}


@pytest.fixture
def runner(tmp_path, monkeypatch):
    """Return the path of a stand-in that this interpreter can run."""
    path = tmp_path / "runner.py"
    path.write_text(RUNNER)
    monkeypatch.setattr(l0, "RUNNER", path)
    monkeypatch.setattr(l0, "NEEDED", "h5py")
    return path


def pose(case: Case, path) -> np.ndarray:
    """Write a case's problem; return its columns."""
    problem, columns = pose_problem(**vars(case), settings=Settings())
    write_l0_problem(path, problem, columns)
    return columns


def test_the_problem_file_holds_the_scaled_rows_the_goal_and_the_start(tmp_path):
    case = make_case(1)
    weight = case.design_weight.copy()
    weight[::4] = 0.0
    case.design_weight = weight
    columns = pose(case, tmp_path / "problem.h5")
    assert sorted(columns) == np.flatnonzero(weight).tolist()
    report = fit_weights(**vars(case), settings=Settings(), seed=0)
    with h5py.File(tmp_path / "problem.h5") as file:
        arrays = {name: file[name][:] for name in file}
    np.testing.assert_allclose(arrays["start"], weight[columns] * report.report["start_factor"])
    # The relative errors at the start, weighted by the size of the targets' groups.
    entry = arrays["data"] * np.repeat(arrays["start"], np.diff(arrays["indptr"]))
    product = np.bincount(arrays["indices"], entry, len(arrays["goal"]))
    table = report.diagnostics
    start_error = table["start_estimate"] / table["harmonized_value"] - 1.0
    expected = np.sqrt(table["rho"]) * -start_error
    np.testing.assert_allclose(arrays["goal"] - product, expected, atol=1e-5)


def test_weights_come_back_to_their_columns_and_the_refit_keeps_their_support(tmp_path, runner):
    case = make_case(2)
    columns = pose(case, tmp_path / "problem.h5")
    run_l0(tmp_path / "problem.h5", tmp_path / "weights.h5", SETTINGS, 5, "cpu")
    raw = read_l0_weights(tmp_path / "weights.h5", 600)
    assert np.flatnonzero(raw.weights).tolist() == sorted(columns[::3])
    assert raw.origin == {"seed": 5, "epochs": 7}
    result = fit_weights(
        **vars(case), settings=Settings(method="l0", l0=SETTINGS), seed=0, support=raw.support
    )
    result = describe_refit(result, case.matrix, raw)
    assert ((result.weights > 0) == raw.support).all()
    section = result.report["l0"]
    value = result.diagnostics["harmonized_value"]
    estimate = case.matrix.toarray().astype(np.float64) @ raw.weights
    assert section["loss_before_refit"] == pytest.approx(((estimate / value - 1) ** 2).sum())
    assert section["loss_after_refit"] == result.report["loss"] < section["loss_before_refit"] / 10
    assert section["records"] == 200 and section["epochs"] == 7
    assert result.report["settings"]["l0"].items() >= SETTINGS.items()


@pytest.mark.parametrize(
    ("weights", "columns", "message"),
    [
        ([1.0, np.nan], [0, 1], "not finite"),
        ([1.0, -1.0], [0, 1], "not finite"),
        ([0.0, 0.0], [0, 1], "keeps no record; lower weights.<scope>.l0.lambda_l0"),
        ([1.0, 1.0], [0, 600], "another matrix"),
    ],
)
def test_useless_weights_are_refused(tmp_path, weights, columns, message):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["weights"], file["columns"] = np.array(weights, dtype=np.float32), columns
    with pytest.raises(InputError, match=message):
        read_l0_weights(tmp_path / "weights.h5", 600)


def test_a_loss_counts_fitted_targets_only():
    case = make_case(3)
    result = fit_weights(**vars(case), settings=Settings(levels=("national",)), seed=0)
    same = describe_refit(result, case.matrix, L0Weights(result.weights, {})).report["l0"]
    assert same["loss_before_refit"] == pytest.approx(same["loss_after_refit"], rel=1e-9)


def test_an_interpreter_without_l0_python_is_named_with_what_to_do(tmp_path):
    with pytest.raises(InputError, match="No such file.*install.*weights.<scope>.l0.python"):
        check_interpreter(str(tmp_path / "nobody"))
    with pytest.raises(
        InputError, match=r"cannot import .*l0.calibration.*No module named.*README"
    ):
        check_interpreter(sys.executable)


def test_a_failing_run_leaves_no_file_and_says_its_last_word(tmp_path, runner):
    runner.write_text("import sys; print('all well'); sys.exit('torch finds no GPU')")
    with pytest.raises(InputError, match=r"l0-python failed \(1\) in .*: torch finds no GPU"):
        run_l0(tmp_path / "problem.h5", tmp_path / "weights.h5", SETTINGS, 0, "cuda")
    assert not list(tmp_path.glob("weights*"))


def test_a_given_support_is_kept_whether_flags_or_numbers_and_fitted_well():
    case = make_case(14)
    support = np.random.default_rng(0).random(600) < 0.5
    first, second = (
        fit_weights(**vars(case), settings=Settings(), seed=0, support=given)
        for given in (support, np.flatnonzero(support))
    )
    assert ((first.weights > 0) == support).all()
    assert first.weights.tobytes() == second.weights.tobytes()
    assert first.report["selection"]["swaps_accepted"] == 0
    assert first.report["weights"]["records"] == support.sum()
    assert (first.diagnostics["state"] == "met").mean() > 0.95
    # Bounds hold for what a record and those it stands for had.
    assert first.report["weights"]["factor_min"] >= 0.1 * (1 - 1e-6)
    everything = fit_weights(
        **vars(case), settings=Settings(), seed=0, support=np.ones(600, dtype=bool)
    )
    assert everything.weights.tobytes() == case.fit().weights.tobytes()


def test_given_records_stand_for_their_district():
    weights = np.array([1.0, 3.0, 2.0, 2.0, 5.0])
    district = np.array([101, 101, 102, 102, 201], dtype=np.int32)
    chosen = np.array([True, False, True, True, False])
    np.testing.assert_allclose(
        district_shares(weights, district, chosen), [0.25, 1.0, 1.0, 1.0, 1.0]
    )


@pytest.mark.parametrize(
    ("support", "settings", "message"),
    [
        (np.zeros(600, dtype=bool), {}, "at least one column"),
        (np.ones(599, dtype=bool), {}, r"shape \(599,\)"),
        (np.array([0, 600]), {}, "within 0..599"),
        (np.array([-1]), {}, "within 0..599"),
        (np.arange(6), {}, "none without design weight"),
        (np.arange(10, 20), {"records": 9}, "9 asked for, but the support holds 10"),
    ],
)
def test_an_impossible_support_is_refused(support, settings, message):
    case = make_case(15)
    weight = case.design_weight.copy()
    weight[5] = 0.0
    case = replace(case, design_weight=weight)
    with pytest.raises(InputError, match=message):
        fit_weights(**vars(case), settings=Settings(**settings), seed=0, support=support)


def test_a_number_of_records_cannot_be_asked_of_l0():
    with pytest.raises(InputError, match="weights.records: 100 is not allowed with method: l0"):
        Settings(method="l0", records=100)
    with pytest.raises(InputError, match='weights.method: "l1" is not allowed'):
        Settings(method="l1")


def test_settings_of_l0_are_only_reported_where_it_is_used():
    section = {"method": "descent", "l0": {"epochs": 3, "python": "x"}}
    assert Settings.from_config(section).for_json()["l0"] is None
    reported = Settings.from_config(section | {"method": "l0"}).for_json()["l0"]
    assert reported["epochs"] == 3 and "python" not in reported
