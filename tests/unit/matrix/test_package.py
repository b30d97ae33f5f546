"""The package for other tools, read by who only knows its layout, not localcal."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.files.csr import open_csr
from localcal.geography.geography import read_geography
from localcal.matrix.package import PackageInputs, export_package
from localcal.targets.table import read_targets
from tests.areas_case import make_run

SETTINGS = {"seed": 4, "chunk_columns": 40, "include": [], "exclude": []}

# What the layout promises, and what a total is, without a line of localcal.
READER = """
import json, pickle, sys
import numpy as np
assert "localcal" not in sys.modules
package, meta, weights = sys.argv[1:]
with open(package, "rb") as file:
    found = pickle.load(file)
assert "localcal" not in sys.modules
matrix, targets, about = found["X_sparse"], found["targets_df"], found["metadata"]
assert set(found) == {"X_sparse", "targets_df", "target_names", "metadata", "initial_weights",
                      "cd_geoid", "block_geoid"}
assert about == json.load(open(meta))
n, clones = about["base_n_records"], about["n_clones"]
assert matrix.format == "csr" and matrix.dtype == np.float32
assert matrix.shape == (len(targets), n * clones)
assert matrix.shape == (len(found["target_names"]), about["n_records"])
assert matrix.has_sorted_indices
assert found["initial_weights"].dtype == np.float64
assert found["cd_geoid"].dtype.kind == found["block_geoid"].dtype.kind == "U"
assert found["block_geoid"].dtype.itemsize == 15 * 4
assert set(targets["geo_level"]) <= {"national", "state", "district"}
# Whoever lives elsewhere adds nothing, in the order clone * n + household.
for row, level, area in zip(matrix, targets["geo_level"], targets["geographic_id"]):
    lives = found["cd_geoid"][row.indices]
    if level == "district":
        assert set(lives) <= {area}
    if level == "state":
        assert {int(district) // 100 for district in lives} <= {int(area)}
given = np.load(weights).reshape(clones, n)
json.dump((matrix @ given.reshape(-1)).tolist(), sys.stdout)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    files = make_run(folder)
    (folder / "run.json").write_text(json.dumps({"run_id": "x", "created": "2026-01-01T00:00:00Z"}))
    (folder / "policy_data.db").write_bytes(b"a database")
    return files | {"run": folder / "run.json", "database": folder / "policy_data.db"}


def exported(run, folder):
    inputs = PackageInputs(**{name: run[name] for name in PackageInputs.__annotations__})
    paths = (folder / "calibration_package.pkl", folder / "calibration_package_meta.json")
    export_package(inputs, SETTINGS, *paths)
    return paths


def test_a_script_that_only_knows_the_layout_reads_the_same_totals(run, tmp_path):
    package, meta = exported(run, tmp_path)
    places, matrix = read_geography(run["geography"]), open_csr(run["matrix"]).matrix()
    weight = np.random.default_rng(1).random(matrix.shape[1])
    theirs = np.empty_like(weight)
    theirs[places.clone * places.n_households + places.household] = weight
    np.save(tmp_path / "weights.npy", theirs)
    command = [sys.executable, "-c", READER, package, meta, tmp_path / "weights.npy"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert not found.returncode, found.stderr
    np.testing.assert_allclose(json.loads(found.stdout), matrix @ weight, rtol=1e-5)


def test_places_and_targets_are_the_run_s(run, tmp_path):
    with exported(run, tmp_path)[0].open("rb") as file:
        found = pickle.load(file)
    places, targets = read_geography(run["geography"]), read_targets(run["targets"])
    position = places.clone * places.n_households + places.household
    assert found["cd_geoid"][position].tolist() == [str(code) for code in places.district]
    assert found["block_geoid"][position].tolist() == [code.decode() for code in places.block]
    assert found["initial_weights"][position].tolist() == places.design_weight.tolist()
    assert found["target_names"] == targets["name"].tolist()
    for name in ("target_id", "value", "original_value", "uprating_factor"):
        pd.testing.assert_series_equal(found["targets_df"][name], targets[name])


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        found.append([path.read_bytes() for path in exported(run, tmp_path / name)])
    assert found[0] == found[1]


def test_a_matrix_of_other_places_is_refused(run, tmp_path):
    other = tmp_path / "geography.h5"
    other.write_bytes(run["geography"].read_bytes() + b" ")
    with pytest.raises(InputError, match=r"made from another geography"):
        exported(run | {"geography": other}, tmp_path)
    assert not (tmp_path / "calibration_package.pkl").exists()
