"""Replicates of a fit: rules that exist where they are asked for, and what a change remakes."""

import h5py
import pandas as pd
import yaml

from tests.formats.pages import differences_in
from tests.workflow.conftest import SMALL_CONFIG

ERRORS = "runs/small/weights/local/standard_errors.csv"
OF_STATE = "runs/small/areas/states/CA_replicates.h5"


def write_config(folder, **settings) -> None:
    """Add a config with replicates of the local fit to a small run."""
    content = SMALL_CONFIG | {"weights": SMALL_CONFIG["weights"] | {"local": settings}}
    (folder / "replicates.yaml").write_text(yaml.safe_dump(content))


def test_replicates_are_made_for_the_scope_that_asks_and_need_no_other_fit(finished, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    write_config(checkout.folder, replicates=4)
    config = ("--configfile", "replicates.yaml", "--config", "amend=true")
    # The national file has the weights of the other fit. The page shows the errors.
    added = {"fit_replicates": 1, "write_area_replicates": 5}
    assert checkout.jobs(*config) == added | {"write_report": 1, "all": 1}
    other = ERRORS.replace("local", "national")
    assert checkout.snakemake("-n", *config, "--", other).returncode != 0

    result = checkout.snakemake("--cores", "1", *config, "--", ERRORS, OF_STATE)
    assert result.returncode == 0, result.stdout
    table = pd.read_csv(checkout.folder / ERRORS)
    assert (table["standard_error"] >= 0).all() and (table["standard_error"] > 0).any()
    with h5py.File(checkout.folder / OF_STATE) as file:
        assert len(file) == 2 + 4
    assert differences_in(checkout.folder / "runs/small", "weights", "areas") == []
    write_config(checkout.folder, replicates=6, replicate_method="jackknife")
    more = checkout.jobs(*config, "--", ERRORS, OF_STATE)
    assert more == {"fit_replicates": 1, "write_area_replicates": 1}
