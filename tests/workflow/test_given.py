"""A run on weights, or on the start of a fit, that were made elsewhere."""

import json
import shutil

import h5py
import numpy as np
import yaml

from localcal.files.atomic import sha256_file
from tests.workflow.conftest import SMALL_CONFIG

RUN = "runs/small"
WEIGHTS = f"{RUN}/weights/local/weights.npy"
CONFIG = ("--configfile", "small.yaml", "--config", "amend=true")


def test_given_weights_take_the_place_of_a_fit_and_count_by_their_content(finished, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    ours = np.load(checkout.folder / WEIGHTS)
    households = SMALL_CONFIG["population"]["households"]
    given = checkout.folder / "given/calibration_weights.npy"
    np.save(given, ours.reshape(households, -1).T.reshape(-1).astype(np.float64))
    section = {"local": {"method": "given", "path": "given/calibration_weights.npy"}}
    (checkout.folder / "small.yaml").write_text(
        yaml.safe_dump({**SMALL_CONFIG, "weights": SMALL_CONFIG["weights"] | section})
    )
    assert checkout.jobs(*CONFIG)["fit_weights"] == 1
    # Of what follows, one file of each kind.
    wanted = [WEIGHTS, *(f"{RUN}/areas/{area}.h5" for area in ("states/CA", "cities/NYC"))]
    result = checkout.snakemake("--cores", "2", *CONFIG, "--", *wanted)
    assert result.returncode == 0, result.stdout
    assert (checkout.folder / WEIGHTS).read_bytes() == (finished.folder / WEIGHTS).read_bytes()
    assert all((checkout.folder / path).exists() for path in wanted)
    assert checkout.jobs(*CONFIG, "--", *wanted) == {}
    np.save(given, np.load(given) * 2)
    assert checkout.jobs(*CONFIG)["fit_weights"] == 1
    np.save(given, np.load(given)[:-1])
    result = checkout.snakemake("--cores", "1", *CONFIG, "--", WEIGHTS)
    assert result.returncode == 1
    assert "calibration_weights.npy: has 239 weights, but the run has 60 " in result.stdout


def test_a_fit_begins_from_that_of_another_years_columns_which_count_by_their_content(
    finished, tmp_path
):
    checkout = finished.copy(tmp_path / "checkout")
    earlier = checkout.folder / "earlier"
    for name in ("population/geography.h5", "population/population.h5", "weights/local/trace.h5"):
        (earlier / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkout.folder / RUN / name, earlier / name)
    geography = earlier / "population/geography.h5"
    # As good as another year's: whatever differs in the file, its columns might be others.
    with h5py.File(geography, "a") as file:
        file.attrs["seed"] = 7
    with h5py.File(earlier / "weights/local/trace.h5", "a") as file:
        file.attrs["geography"] = sha256_file(geography)
    section = {"local": {"prior": "earlier/weights/local/trace.h5"}}
    (checkout.folder / "small.yaml").write_text(
        yaml.safe_dump({**SMALL_CONFIG, "weights": SMALL_CONFIG["weights"] | section})
    )
    result = checkout.snakemake("--cores", "1", *CONFIG, "--", WEIGHTS)
    assert result.returncode == 0, result.stdout
    report = json.loads((checkout.folder / RUN / "weights/local/fit.json").read_text())
    # Every household is its own, wherever it lives.
    assert report["prior"]["households"] == SMALL_CONFIG["population"]["households"]
    columns = report["prior"]["matched"]
    assert columns["household_district"] == sum(columns.values()) == report["n_columns"]
    inputs = json.loads((checkout.folder / RUN / "history.jsonl").read_text().splitlines()[-1])
    changed = {change["what"] for change in inputs["changes"]}
    assert {f"inputs.weights.local.prior{end}" for end in ("", ".geography")} <= changed
    geography.write_bytes(geography.read_bytes()[:-1])
    result = checkout.snakemake("--cores", "1", *CONFIG, "--", WEIGHTS)
    assert result.returncode == 1
    assert "geography.h5: is not the geography that earlier/weights/local/trace" in result.stdout
