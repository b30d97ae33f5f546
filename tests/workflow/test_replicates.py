"""Replicates of a fit: rules that exist where they are asked for, and what a change remakes."""

import h5py
import pandas as pd
import yaml

from tests.formats.pages import differences_in
from tests.workflow.conftest import SMALL_CONFIG, SMALL_JOBS, give_inputs

ERRORS = "runs/small/weights/local/standard_errors.csv"
OF_STATE = "runs/small/areas/states/CA_replicates.h5"


def write_config(folder, **settings) -> None:
    """Add a config with replicates of the local fit to a small run's inputs."""
    content = SMALL_CONFIG | {"weights": {"local": settings}}
    (folder / "replicates.yaml").write_text(yaml.safe_dump(content))


def test_replicates_are_made_for_the_scope_that_asks_and_more_of_them_need_no_other_fit(checkout):
    give_inputs(checkout.folder)
    write_config(checkout.folder, replicates=4)
    config = ("--configfile", "replicates.yaml")
    # The national file has the weights of the other fit.
    added = {"fit_replicates": 1, "write_area_replicates": 5}
    assert checkout.jobs(*config) == SMALL_JOBS | added
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
    amended = (*config, "--config", "amend=true", "--", ERRORS, OF_STATE)
    assert checkout.jobs(*amended) == {"fit_replicates": 1, "write_area_replicates": 1}
