"""The target database as rules make and check it."""

import shutil
import sqlite3
from contextlib import closing

from tests.database_factory import change_database
from tests.standin_engine import StandIn
from tests.workflow.conftest import give_inputs

TARGETS = "runs/small/targets"
DATABASE, CHECKS = f"{TARGETS}/policy_data.db", f"{TARGETS}/database_checks.csv"


def test_a_built_database_lists_the_models_variables_and_is_checked(checkout):
    give_inputs(checkout.folder)
    # The others are about what the stand-in lacks.
    for name in ("census_age", "usda_snap"):
        shutil.copy(checkout.folder / f"config/published/{name}.csv", checkout.folder / "given")
    small = ("--cores", "2", CHECKS, "--configfile", "small.yaml")
    figures = "targets={source: demo, published: given}"
    (checkout.folder / "given/take_up.csv").rename(checkout.folder / "take_up.csv")
    result = checkout.snakemake(*small, "--config", figures, "take_up={rates: take_up.csv}")
    assert result.returncode == 0, result.stdout
    with closing(sqlite3.connect(checkout.folder / DATABASE)) as connection:
        known = "SELECT valid_value FROM field_valid_values WHERE field_name = ?"
        variables = {name for (name,) in connection.execute(known, ("constraint_variable",))}
    assert variables == StandIn().variables().keys() | {"ucgid_str"}
    lines = (checkout.folder / CHECKS).read_text().splitlines()
    assert "areas,district,,areas of the strata,436,436,,ok,0," in lines


def test_a_database_that_ends_the_run_leaves_its_table_beside_the_log(checkout):
    give_inputs(checkout.folder)
    change_database(
        checkout.folder / "given/policy_data.db", "UPDATE strata SET parent_stratum_id = 99"
    )
    result = checkout.snakemake("--cores", "1", CHECKS, "--configfile", "small.yaml")
    assert result.returncode == 1
    table = "runs/small/logs/validate_database/validate_database.csv"
    (line,) = {line for line in result.stdout.splitlines() if line.startswith("error: runs")}
    assert line.startswith(f"error: {DATABASE}: parents exist: stratum 1: found 99: its parent is")
    assert f"; see {table}, correct" in line
    assert not (checkout.folder / CHECKS).exists()
    assert "parents exist,,,stratum 1,99,,,failed,1,its parent is missing" in (
        (checkout.folder / table).read_text().splitlines()
    )
