"""The files of replicates and standard errors."""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.stats

from localcal.errors import InputError
from localcal.files.atomic import sha256_file
from localcal.files.replicates import read_about, read_replicates
from localcal.targets.table import read_targets
from localcal.weights import solver
from localcal.weights.columns import Columns
from localcal.weights.fit import FitInputs, FitOutputs, fit_from_files, fit_weights
from localcal.weights.pose import open_matrix
from localcal.weights.replicates import FullFit, pose_replication, replicate_weights
from localcal.weights.settings import Settings
from localcal.weights.standard_errors import (
    MARGIN_90,
    TABLE,
    ReplicateInputs,
    ReplicateOutputs,
    replicate_from_files,
)

SETTINGS = Settings(
    levels=("nation", "state"), replicates=4, minimum_columns=1, minimum_households=1
)


def outputs_in(folder: Path) -> ReplicateOutputs:
    folder.mkdir()
    names = ("standard_errors.csv", "diagnostics.csv", "areas.csv", "replicates.h5")
    return ReplicateOutputs(*(folder / name for name in names))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The files of a small run's fit, and of its replicates."""
    from tests.areas_case import make_run

    folder = tmp_path_factory.mktemp("replicates")
    run = make_run(folder)
    names = {"fit": "fit.json", "diagnostics": "diagnostics.csv", "areas": "areas.csv"}
    names |= {"trace": "trace.h5", "weights": "fitted.npy"}
    outputs = {name: folder / file for name, file in names.items()}
    inputs = {name: run[name] for name in ("matrix", "targets", "geography")}
    fit_from_files(FitInputs(**inputs), FitOutputs(**outputs), SETTINGS, 0, {})
    inputs |= {name: outputs[name] for name in ("trace", "diagnostics", "areas", "fit")}
    made = outputs_in(folder / "replicates")
    replicate_from_files(ReplicateInputs(**inputs), made, SETTINGS, 0)
    return run, inputs, outputs, made


def test_the_table_follows_from_the_replicates_in_the_file(fitted):
    run, inputs, outputs, made = fitted
    weights = np.load(outputs["weights"])
    kept = np.flatnonzero(weights)
    with h5py.File(made.replicates) as file:
        assert file["columns"][:].tolist() == kept.tolist()
        assert file["weights"].dtype == np.float32 and file["weights"].shape == (4, len(kept))
        assert file["weights"].chunks[0] == 1
        assert (file.attrs["method"], file.attrs["variance_factor"]) == ("bootstrap", 0.25)
        assert file.attrs["n_columns"] == len(weights)
        assert file.attrs["trace"] == sha256_file(inputs["trace"])
        assert len(file["sweeps"]) == 4 and (file["rms_gap"][:] <= SETTINGS.tolerance).all()
    replicates = read_replicates(made.replicates, kept)
    attributes = read_about(made.replicates, ["variance_factor"])
    table = pd.read_csv(made.errors)
    assert tuple(table.columns) == TABLE
    nation = table[(table["kind"] == "households") & (table["geo_level"] == "nation")].iloc[0]
    assert nation["estimate"] == pytest.approx(weights.sum(dtype=np.float64))
    away = replicates.sum(axis=1, dtype=np.float64) - weights.sum(dtype=np.float64)
    error = np.sqrt(attributes["variance_factor"] * np.sum(away**2))
    assert nation["standard_error"] == pytest.approx(error)
    assert nation["margin_90"] == pytest.approx(MARGIN_90 * error)
    # Nine in ten of a normal distribution's draws are no farther away, as the Census rounds it.
    assert pytest.approx(scipy.stats.norm.ppf(0.95), abs=5e-4) == MARGIN_90
    assert nation["relative_error"] == pytest.approx(error / nation["estimate"])
    targets = table[table["kind"] == "target"]
    diagnostics = pd.read_csv(outputs["diagnostics"])
    assert targets["name"].tolist() == diagnostics["name"].tolist()
    np.testing.assert_allclose(targets["estimate"], diagnostics["final_estimate"])
    areas = pd.read_csv(outputs["areas"], dtype={"area": str})
    households = table[table["kind"] == "households"]
    assert households["geographic_id"].tolist() == areas["area"].tolist()
    np.testing.assert_allclose(households["estimate"], areas["sum_of_weights"])


def test_the_same_files_again_give_the_same_bytes(fitted, tmp_path):
    _, inputs, _, made = fitted
    again = outputs_in(tmp_path / "again")
    replicate_from_files(ReplicateInputs(**inputs), again, SETTINGS, 0)
    for name, path in vars(again).items():
        assert path.read_bytes() == getattr(made, name).read_bytes(), name


@pytest.mark.parametrize(("name", "kind"), [("diagnostics", "target"), ("areas", "households")])
def test_the_fits_tables_come_again_with_the_errors(fitted, name, kind):
    _, _, outputs, made = fitted
    prefix = "households_" if name == "areas" else ""
    lines = outputs[name].read_text().splitlines()
    longer = getattr(made, name).read_text().splitlines()
    # Nothing else is written in another way.
    assert [line.rsplit(",", 3)[0] for line in longer] == lines
    errors = pd.read_csv(made.errors)
    errors = errors[errors["kind"] == kind]
    table = pd.read_csv(getattr(made, name))
    for column in ("standard_error", "margin_90", "relative_error"):
        np.testing.assert_array_equal(table[prefix + column], errors[column])
    estimate = table["final_estimate" if name == "diagnostics" else "sum_of_weights"]
    margin = 1.645 * (table[f"{prefix}relative_error"] * estimate).fillna(0.0)
    np.testing.assert_allclose(table[f"{prefix}margin_90"], margin)


@pytest.mark.parametrize("name", ["diagnostics", "areas"])
def test_files_of_another_fit_are_refused(fitted, tmp_path, name):
    _, inputs, _, _ = fitted
    other = tmp_path / f"{name}.csv"
    other.write_text(Path(inputs[name]).read_text() + "\n")
    outputs = outputs_in(tmp_path / "replicates")
    with pytest.raises(InputError, match=name):
        replicate_from_files(ReplicateInputs(**inputs | {name: other}), outputs, SETTINGS, 0)
    assert not any((tmp_path / "replicates").iterdir())


def test_files_tell_which_records_were_drawn_and_which_targets_softened(fitted, tmp_path):
    run, inputs, _, _ = fitted
    settings = SETTINGS.model_copy(
        update={"records": 150, "huber": 1e-3, "replicates": 2, "penalty": 0.01}
    )
    names = {"fit": "fit.json", "diagnostics": "diagnostics.csv", "areas": "areas.csv"}
    names |= {"trace": "trace.h5", "weights": "weights.npy"}
    outputs = {name: tmp_path / file for name, file in names.items()}
    fit_from_files(
        FitInputs(**{name: run[name] for name in ("matrix", "targets", "geography")}),
        FitOutputs(**outputs), settings, 0, {},
    )  # fmt: skip
    made = outputs_in(tmp_path / "replicates")
    of_fit = {name: outputs[name] for name in ("trace", "diagnostics", "areas", "fit")}
    replicate_from_files(ReplicateInputs(**inputs | of_fit), made, settings, 0)

    matrix, places = open_matrix(*(run[name] for name in ("matrix", "targets", "geography")))
    given = {"matrix": matrix, "targets": read_targets(run["targets"])}
    given |= {"columns": Columns.at(places), "settings": settings, "seed": 0}
    result = fit_weights(**given)
    assert result.report["selection"] and result.report["huber"]["softened"]
    full = FullFit(
        trace=result.trace,
        huber_weight=result.diagnostics["huber_weight"].dropna().to_numpy(),
        penalty=result.report["mu"],
        is_selected=True,
    )
    replication = pose_replication(**given, full=full)
    order = np.argsort(replication.columns)
    found = read_replicates(made.replicates, replication.columns[order])
    for row, replicate in zip(found, replicate_weights(replication), strict=True):
        np.testing.assert_array_equal(row, replicate.weights[order])


def test_replicates_that_end_by_the_cap_are_counted(fitted, tmp_path, monkeypatch, caplog):
    _, inputs, _, _ = fitted
    monkeypatch.setattr(solver, "FINISHED_BY_NEWTON", 0)
    settings = SETTINGS.model_copy(update={"max_sweeps": 1, "tolerance": 1e-9})
    made = outputs_in(tmp_path / "replicates")
    with caplog.at_level("WARNING"):
        replicate_from_files(ReplicateInputs(**inputs), made, settings, 0)
    with h5py.File(made.replicates) as file:
        largest = max(file["rms_gap"][:])
        assert file["sweeps"][:].tolist() == [1, 1, 1, 1]
    (line,) = [record.getMessage() for record in caplog.records if "cap" in record.getMessage()]
    assert line.startswith("4 of 4 replicates ended by the cap on sweeps")
    assert f"up to {largest:.2g}, above the tolerance of 1e-09" in line


def test_fit_json_says_nothing_of_replicates(fitted):
    _, inputs, _, _ = fitted
    assert "replicates" not in json.loads(Path(inputs["fit"]).read_text())["settings"]
