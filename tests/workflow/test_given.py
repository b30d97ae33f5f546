"""A run on weights that were made elsewhere."""

import numpy as np
import yaml

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
