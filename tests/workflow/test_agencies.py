"""A database built from the agencies' files, made up, by a run of the rules."""

import sqlite3
from contextlib import closing

import pytest

from tests.agency_files import write_raw_files

TARGETS = "runs/x/targets"
DATABASE, CHECKS = f"{TARGETS}/policy_data.db", f"{TARGETS}/database_checks.csv"
CHOSEN = "agencies: [census_snap_districts, census_districts, cms_medicaid]"
ASKED = (
    CHECKS,
    "--config",
    "run_id=x",
    "engine=tests.standin_engine:StandIn",
    "build_database=true",
    f"targets={{cache: given, {CHOSEN}, figures: [own.csv]}}",
)
FIGURES = (
    "geo_level,code,variable,period,constraints,value,source,reform_id\n"
    "nation,US,salt_deduction,2024,,7,own,1\n"
)


def counts(path) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT source, count(*) FROM targets GROUP BY 1").fetchall()


@pytest.fixture
def given(checkout):
    """A checkout with raw files and a table of figures."""
    write_raw_files(checkout.folder / "given")
    (checkout.folder / "own.csv").write_text(FIGURES)
    return checkout


def test_a_database_has_the_chosen_sources_and_figures_and_is_checked(given):
    result = given.snakemake("--cores", "2", *ASKED)
    assert result.returncode == 0, result.stdout
    medicaid, snap = ("CMS Medicaid enrollment", 51), ("Census ACS S2201", 436)
    assert counts(given.folder / DATABASE) == [medicaid, snap, ("own", 1)]
    checks = (given.folder / CHECKS).read_text().splitlines()
    assert 'tables,,,Census ACS S2201,436,436,,ok,0,"targets, and rows of tables"' in checks
    assert given.jobs(*ASKED) == {}
    # A source that is no longer wanted is not in the database, though its table is there.
    less = [word.replace("census_snap_districts, ", "") for word in ASKED]
    refused = given.snakemake("-n", *less).stdout
    assert 'config.targets.agencies: ["census_snap_districts", "cens' in refused
    (given.folder / "own.csv").write_text(FIGURES.replace("own", "other"))
    assert "inputs.targets.figures.1" in given.snakemake("-n", *ASKED).stdout
    result = given.snakemake("--cores", "2", *less, "amend=true")
    assert result.returncode == 0, result.stdout
    assert counts(given.folder / DATABASE) == [medicaid, ("other", 1)]


def test_an_unknown_source_is_refused_before_anything_is_made(given):
    wrong = [word.replace("cms_medicaid", "cms_medicare") for word in ASKED]
    result = given.snakemake("-n", *wrong)
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1].startswith(
        'error: --config: targets.agencies.2: "cms_medicare" is not allowed (did you mean \'cms_m'
    )
