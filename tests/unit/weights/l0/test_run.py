"""The run of l0-python in the other interpreter."""

import sys

import h5py
import numpy as np
import pytest

from localcal.errors import InputError
from localcal.weights.fit import fit_weights
from localcal.weights.l0 import run as l0
from localcal.weights.l0.exchange import ABOUT, read_l0_weights
from localcal.weights.l0.refit import describe_refit
from localcal.weights.l0.run import check_interpreter, run_l0
from localcal.weights.settings import Settings
from tests.fit_case import MATRIX, make_case, pose

# Stands in for runner.py: keeps every third record, at thrice its start.
RUNNER = """
import json, sys, h5py
problem, settings, weights = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
with h5py.File(problem) as file:
    start, columns = file["base"][:], file["columns"][:]
    origins = dict(file.attrs)
start[1::3] = start[2::3] = 0.0
print("epoch 0:", settings["device"])
with h5py.File(weights, "w") as file:
    file["weights"], file["columns"] = (3 * start).astype("f4"), columns
    file.attrs.update(origins | {"seed": settings["seed"], "epochs": settings["epochs"]})
    file.attrs.update({"device": "cpu", "seconds": 0.5, "l0_python": "0", "torch": "0"})
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


def test_weights_come_back_to_their_columns_and_the_refit_keeps_their_support(tmp_path, runner):
    case = make_case(2)
    columns = pose(case, tmp_path / "problem.h5")
    run_l0(tmp_path / "problem.h5", tmp_path / "weights.h5", SETTINGS, 5, "cpu")
    raw = read_l0_weights(tmp_path / "weights.h5", 600, MATRIX)
    assert np.flatnonzero(raw.weights).tolist() == sorted(columns[::3])
    assert raw.origin.keys() == set(ABOUT)
    assert raw.origin["seed"] == 5 and raw.origin["epochs"] == 7
    result = fit_weights(
        **case.arguments(), settings=Settings(method="l0", l0=SETTINGS), seed=0, support=raw.support
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


def test_an_interpreter_without_l0_python_is_named_with_what_to_do(tmp_path):
    with pytest.raises(InputError, match="No such file.*install.*weights.<scope>.l0.python"):
        check_interpreter(str(tmp_path / "nobody"))
    with pytest.raises(
        InputError, match=r"cannot import .*l0.calibration.*No module named.*README"
    ):
        check_interpreter(sys.executable)


def test_a_failing_run_leaves_no_file_and_says_its_last_word(tmp_path, runner):
    pose(make_case(2), tmp_path / "problem.h5")
    runner.write_text("import sys; print('all well'); sys.exit('torch finds no GPU')")
    with pytest.raises(InputError, match=r"l0-python failed \(1\) in .*: torch finds no GPU"):
        run_l0(tmp_path / "problem.h5", tmp_path / "weights.h5", SETTINGS, 0, "cuda")
    assert not list(tmp_path.glob("weights*"))


def test_a_damaged_problem_is_refused_before_the_other_interpreter_sees_it(tmp_path, runner):
    path = tmp_path / "problem.h5"
    pose(make_case(2), path)
    with h5py.File(path, "a") as file:
        columns = file["columns"][:-1]
        del file["columns"]
        file["columns"] = columns
    with pytest.raises(InputError, match=r"problem\.h5: damaged, its arrays do not fit together"):
        run_l0(path, tmp_path / "weights.h5", SETTINGS, 0, "cpu")
    with h5py.File(path, "a") as file:
        del file.attrs["matrix"]
    with pytest.raises(InputError, match=r"problem\.h5: does not say which matrix"):
        run_l0(path, tmp_path / "weights.h5", SETTINGS, 0, "cpu")
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"problem\.h5: truncated"):
        run_l0(path, tmp_path / "weights.h5", SETTINGS, 0, "cpu")
