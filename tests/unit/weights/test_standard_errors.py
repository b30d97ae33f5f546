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
from localcal.files.replicates import read_replicates
from localcal.weights.fit import FitInputs, FitOutputs, fit_from_files
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
    inputs |= {name: outputs[name] for name in ("trace", "diagnostics", "fit")}
    made = ReplicateOutputs(folder / "standard_errors.csv", folder / "replicates.h5")
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
    replicates, attributes = read_replicates(made.replicates, kept)
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
    again = ReplicateOutputs(tmp_path / "standard_errors.csv", tmp_path / "replicates.h5")
    replicate_from_files(ReplicateInputs(**inputs), again, SETTINGS, 0)
    for name in ("errors", "replicates"):
        assert getattr(again, name).read_bytes() == getattr(made, name).read_bytes()


def test_files_of_another_fit_are_refused(fitted, tmp_path):
    _, inputs, _, _ = fitted
    outputs = ReplicateOutputs(tmp_path / "errors.csv", tmp_path / "replicates.h5")
    other = tmp_path / "diagnostics.csv"
    other.write_text(Path(inputs["diagnostics"]).read_text() + "\n")
    with pytest.raises(InputError, match="diagnostics"):
        replicate_from_files(
            ReplicateInputs(**inputs | {"diagnostics": other}), outputs, SETTINGS, 0
        )
    assert not any(tmp_path.glob("*.h5"))


def test_fit_json_says_nothing_of_replicates(fitted):
    _, inputs, _, _ = fitted
    assert "replicates" not in json.loads(Path(inputs["fit"]).read_text())["settings"]
