"""A scope fitted by l0-python, refitted, in the files of every other fit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.workflow.conftest import REPOSITORY, SMALL_CONFIG, SMALL_JOBS, give_inputs

LOCAL = "runs/small/weights/local"


def write_config(folder: Path, python: str | None, **settings) -> None:
    """Add a config with `method: l0` for the local scope to a small run's inputs."""
    section = {"method": "l0", "l0": {"python": python, **settings}}
    content = SMALL_CONFIG | {"weights": {"local": section}}
    (folder / "l0.yaml").write_text(yaml.safe_dump(content))


def find_python() -> str | None:
    """Return an interpreter with l0-python: LOCALCAL_L0_PYTHON, or that of .venv-l0."""
    path = os.environ.get("LOCALCAL_L0_PYTHON", str(REPOSITORY / ".venv-l0/bin/python"))
    if not Path(path).exists():
        return None
    tried = subprocess.run([path, "-c", "import l0.calibration"], capture_output=True, check=False)
    return path if tried.returncode == 0 else None


def test_the_rules_for_l0_exist_only_for_the_scope_that_uses_it(checkout):
    give_inputs(checkout.folder)
    assert checkout.jobs("--configfile", "small.yaml") == SMALL_JOBS
    write_config(checkout.folder, None)
    expected = SMALL_JOBS | {"prepare_l0": 1, "fit_l0": 1}
    assert checkout.jobs("--configfile", "l0.yaml") == expected
    file = "runs/small/weights/national/l0_weights.h5"
    assert checkout.snakemake("-n", "--configfile", "l0.yaml", "--", file).returncode != 0


def test_without_l0_python_the_one_error_says_what_to_install(finished, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    for path in (checkout.folder / LOCAL).iterdir():
        path.unlink()
    write_config(checkout.folder, sys.executable)
    file = f"{LOCAL}/weights.npy"
    config = ("--configfile", "l0.yaml", "--config", "amend=true")
    result = checkout.snakemake("--cores", "1", *config, "--", file)
    assert result.returncode != 0
    log = (checkout.folder / "runs/small/logs/fit_l0/local.log").read_text()
    assert "error:" in log and "weights.<scope>.l0.python" in log
    assert (checkout.folder / LOCAL / "l0_problem.h5").exists()
    assert not (checkout.folder / file).exists()


@pytest.mark.l0
def test_l0_python_chooses_and_its_records_are_refitted(checkout):
    python = find_python()
    if python is None:
        pytest.skip("no interpreter with l0-python: LOCALCAL_L0_PYTHON or .venv-l0/bin/python")
    give_inputs(checkout.folder)
    write_config(checkout.folder, python, epochs=300)
    outputs = [f"{LOCAL}/{name}" for name in ("weights.npy", "fit.json", "diagnostics.csv")]
    arguments = ("--cores", "1", "--configfile", "l0.yaml", "--", *outputs)
    result = checkout.snakemake(*arguments)
    assert result.returncode == 0, result.stdout
    weights = np.load(checkout.folder / outputs[0])
    report = json.loads((checkout.folder / outputs[1]).read_text())
    section = report["l0"]
    assert section["records"] == np.count_nonzero(weights) < len(weights)
    assert section["loss_after_refit"] == report["loss"] and section["loss_before_refit"] > 0
    # Not below l0's own here: with so few targets the pull to the districts' shares counts more.
    table = pd.read_csv(checkout.folder / outputs[2])
    start = table.loc[table["role"] == "fitted", "base_error"]
    assert report["loss"] < 0.2 * np.sum(start**2)
    assert section["epochs"] == 300 and section["l0_python"] and section["device"] == "cpu"

    # Where the interpreter lies decides nothing, and a second run chooses the same.
    write_config(checkout.folder, None, epochs=300)
    assert checkout.jobs("--configfile", "l0.yaml", "--", *outputs) == {}
    write_config(checkout.folder, python, epochs=300)
    (checkout.folder / LOCAL / "l0_weights.h5").unlink()
    assert checkout.snakemake(*arguments).returncode == 0
    assert np.load(checkout.folder / outputs[0]).tobytes() == weights.tobytes()
