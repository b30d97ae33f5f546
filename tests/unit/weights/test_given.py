"""Weights of other tools, in their order, become a fit's files."""

import json
import pickle
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.geography.geography import read_geography
from localcal.matrix.package import PackageInputs, export_package
from localcal.weights.diagnostics import design_effect
from localcal.weights.fit import FitInputs, FitOutputs, fit_from_files
from localcal.weights.given import read_given_weights
from localcal.weights.pose import check_input
from localcal.weights.preparation import prepare
from localcal.weights.report import describe_given
from localcal.weights.settings import Settings
from localcal.weights.trace import read_trace
from tests.areas_case import make_run
from tests.fit_case import make_case

NAMES = ("fit.json", "diagnostics.csv", "areas.csv", "trace.h5", "weights.npy")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    files = make_run(folder)
    (folder / "run.json").write_text(json.dumps({"run_id": "x", "created": "2026-01-01T00:00:00Z"}))
    (folder / "policy_data.db").write_bytes(b"a database")
    return files | {"run": folder / "run.json", "database": folder / "policy_data.db"}


def fitted(run, folder: Path, given: Path | None = None, **settings) -> dict[str, Path]:
    """Fit, or take the given weights, and return the files by name."""
    folder.mkdir()
    outputs = {name: folder / name for name in NAMES}
    fields = dict(zip(FitOutputs.__annotations__, outputs.values(), strict=True))
    inputs = {name: run[name] for name in ("matrix", "targets", "geography")}
    fit_from_files(
        FitInputs(**inputs, given=given), FitOutputs(**fields), Settings(**settings), 0, "test"
    )
    return outputs


def theirs(run, weights: np.ndarray) -> np.ndarray:
    """Return weights of our columns in their order, as the layout says: clone after clone."""
    places = read_geography(run["geography"])
    found = np.full(len(weights), np.nan)
    for column, (household, clone) in enumerate(zip(places.household, places.clone, strict=True)):
        found[clone * places.n_households + household] = weights[column]
    return found


@pytest.mark.parametrize("dtype", ["<f8", "<f4", ">f8"])
def test_the_weights_of_a_fit_come_back_with_the_same_bytes(run, tmp_path, dtype):
    ours = fitted(run, tmp_path / "fit")
    given = tmp_path / "calibration_weights.npy"
    np.save(given, theirs(run, np.load(ours["weights.npy"])).astype(dtype))
    found = fitted(run, tmp_path / "given", given, method="given")
    assert found["weights.npy"].read_bytes() == ours["weights.npy"].read_bytes()
    # Everything that follows from the weights is as it was.
    assert found["areas.csv"].read_bytes() == ours["areas.csv"].read_bytes()
    tables = [pd.read_csv(files["diagnostics.csv"]) for files in (ours, found)]
    same = ["name", "harmonized_value", "base_estimate", "final_estimate", "rel_error", "columns"]
    same += ["kept_columns", "effective_n", "largest_share", "rho"]
    pd.testing.assert_frame_equal(tables[0][same], tables[1][same])
    assert tables[1]["dense_estimate"].isna().all()
    reports = [json.loads(files["fit.json"].read_text()) for files in (ours, found)]
    assert reports[0]["loss"] == reports[1]["loss"]
    assert reports[0]["weights"] == reports[1]["weights"]
    assert (reports[1]["stopped_by"], reports[1]["rms_gap"]) == ("given", None)
    assert reports[1]["findings"][0] == "the weights were given, nothing was fitted"
    assert reports[1]["settings"]["method"] == "given" and "path" not in reports[1]["settings"]


def test_the_package_and_the_weights_have_one_order(run, tmp_path):
    """Their own product of matrix and weights is what our diagnostics say of these weights."""
    inputs = PackageInputs(**{name: run[name] for name in PackageInputs.__annotations__})
    settings = {"seed": 4, "chunk_columns": 40, "include": [], "exclude": []}
    package = tmp_path / "calibration_package.pkl"
    export_package(inputs, settings, package, tmp_path / "meta.json")
    with package.open("rb") as file:
        content = pickle.load(file)
    weights = np.random.default_rng(5).gamma(0.5, 2_000, content["X_sparse"].shape[1])
    np.save(tmp_path / "calibration_weights.npy", weights)
    found = fitted(run, tmp_path / "given", tmp_path / "calibration_weights.npy", method="given")
    table = pd.read_csv(found["diagnostics.csv"])
    assert table["name"].tolist() == content["target_names"]
    single = weights.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(
        table["final_estimate"], content["X_sparse"].astype(np.float64) @ single, rtol=1e-10
    )


def test_the_trace_holds_to_the_last_bit(run, tmp_path):
    given = tmp_path / "w.npy"
    weights = np.random.default_rng(6).gamma(0.3, 1_000, 240)
    np.save(given, weights)
    found = fitted(run, tmp_path / "given", given, method="given")
    trace, origins = read_trace(found["trace.h5"])
    written = np.load(found["weights.npy"])
    assert written.dtype == np.float32
    assert trace.weights().tobytes() == written.tobytes()
    assert (trace.base * trace.factor).astype(np.float32).tobytes() == written.tobytes()
    assert set(trace.probability) == {1.0}
    with h5py.File(run["matrix"]) as file:
        assert origins["geography"] == file.attrs["geography"]
    places = read_geography(run["geography"])
    position = places.clone * places.n_households + places.household
    assert written.tolist() == weights.astype(np.float32)[position].tolist()


def test_a_household_without_design_weight_may_have_a_given_one():
    case = make_case()
    case.design_weight[case.household < 5] = 0.0
    arguments, settings = case.arguments(), Settings(method="given")
    check_input(**arguments, settings=settings)
    prepared = prepare(**arguments, settings=settings, seed=0)
    # Most of them beyond any bound of a fit.
    weights = 100 * np.arange(len(case.household), dtype=np.float32)
    result = describe_given(
        **arguments, settings=settings, seed=0, prepared=prepared, weights=weights
    )
    assert result.weights.tobytes() == weights.tobytes()
    assert result.trace.weights().tobytes() == weights.tobytes()
    without = (case.design_weight == 0.0) & (weights > 0)
    assert without.any()
    assert result.trace.base[without].tolist() == weights[without].tolist()
    assert set(result.trace.factor[without]) == {1.0}
    assert not result.trace.factor[weights == 0].any()
    quality = result.report["weights"]
    assert quality["design_effect_base"] == pytest.approx(design_effect(case.design_weight))
    assert quality["design_effect"] == pytest.approx(design_effect(weights))
    np.testing.assert_allclose(
        result.diagnostics["final_estimate"], case.matrix.astype(float) @ weights.astype(float)
    )
    # Nothing was fitted that could contradict anything.
    assert set(result.diagnostics["verdict"]) <= {"met", "missed"}
    assert not any("bound" in line for line in result.report["findings"])


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        (np.ones(239), "has 239 weights, but the run has 40 households x 6 clones = 240 columns"),
        (np.ones(0), "has 0 weights"),
        (np.where(np.arange(240) == 85, np.nan, 1.0), r"weight 85 \(record 5, clone 2\) is nan"),
        (np.where(np.arange(240) == 85, np.inf, 1.0), "is inf, no number of households"),
        (np.where(np.arange(240) > 237, -1.0, 1.0), r"weight 238 .* is -1\.0, .* \(2 such\)"),
        (np.full(240, 1e300), "is 1e.300, no number of households"),
        (np.full(240, 1e-300), "is 1e-300, no number of households"),
        (np.zeros(240), "every weight is zero"),
        (np.ones((6, 40)), r"is float64 of shape \(6, 40\), not a list of numbers"),
        (np.float64(1.0), r"is float64 of shape \(\), not a list of numbers"),
        (np.ones(240, dtype=bool), "is bool of shape"),
        (np.full(240, "1"), "is <U1 of shape"),
        (np.full(240, 1j), "is complex128 of shape"),
        (np.full(240, None), "Object arrays cannot be loaded"),
    ],
    ids=str,
)
def test_what_is_no_weights_of_these_columns_is_refused(run, tmp_path, weights, complaint):
    path = tmp_path / "w.npy"
    np.save(path, weights)
    with pytest.raises(InputError, match=complaint) as caught:
        read_given_weights(path, read_geography(run["geography"]))
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    assert "give weights.<scope>.path a calibration_weights.npy of this run's" in message


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "no such file"),
        (b"", "damaged, no NumPy array"),
        (b"<!doctype html>", "damaged, no NumPy array"),
        (pickle.dumps([1.0] * 240), "damaged, no NumPy array"),
    ],
    ids=["missing", "empty", "page", "pickle"],
)
def test_what_is_no_npy_file_is_refused(run, tmp_path, content, complaint):
    path = tmp_path / "w.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"w.npy: {complaint}.*; give weights.<scope>.path a"):
        read_given_weights(path, read_geography(run["geography"]))


def test_an_archive_of_places_is_refused(run, tmp_path):
    np.savez(tmp_path / "geography_assignment.npz", block_geoid=np.zeros(240))
    with pytest.raises(InputError, match="damaged, an archive and not one NumPy array; give wei"):
        read_given_weights(tmp_path / "geography_assignment.npz", read_geography(run["geography"]))


def test_without_a_file_nothing_can_be_taken(run, tmp_path):
    with pytest.raises(InputError, match="names no file, but method: given needs one"):
        fitted(run, tmp_path / "given", method="given")
