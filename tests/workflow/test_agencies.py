"""A database built from the agencies' files, made up, by a run of the rules."""

import sqlite3
from contextlib import closing

import pytest

from tests.agency_files import write_raw_files

DATABASE = "runs/demo/targets/policy_data.db"
CHOSEN = "{cache: given, agencies: [irs_districts, cms_medicaid], figures: [given/own.csv]}"
ASKED = (DATABASE, "--config", "build_database=true", f"targets={CHOSEN}")
FIGURES = "geo_level,code,variable,period,constraints,value,source\nnation,US,rent,2024,,7,own\n"


def counts(path) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT source, count(*) FROM targets GROUP BY 1").fetchall()


@pytest.fixture
def built(checkout):
    """A checkout with a database of two sources and one table of figures."""
    write_raw_files(checkout.folder / "given")
    (checkout.folder / "given" / "own.csv").write_text(FIGURES)
    result = checkout.snakemake("--cores", "2", *ASKED)
    assert result.returncode == 0, result.stdout
    return checkout


def test_a_database_has_the_chosen_sources_and_figures(built):
    found = counts(built.folder / DATABASE)
    assert found == [("CMS Medicaid enrollment", 51), ("IRS SOI", 80 * 436), ("own", 1)]
    assert built.jobs(*ASKED) == {}
    # A source that is no longer wanted is not in the database, though its table is there.
    less = [word.replace("irs_districts, ", "") for word in ASKED]
    refused = built.snakemake("-n", *less)
    assert 'config.targets.agencies: ["irs_districts", "cms_medicaid"] -> ["cms' in refused.stdout
    result = built.snakemake("--cores", "2", *less, "amend=true")
    assert result.returncode == 0, result.stdout
    assert counts(built.folder / DATABASE) == [("CMS Medicaid enrollment", 51), ("own", 1)]
    # Other figures make another database of the same tables.
    (built.folder / "given" / "own.csv").write_text(FIGURES.replace("rent", "tip_income"))
    assert "inputs.targets.figures.1" in built.snakemake("-n", *less).stdout


def test_an_unknown_source_is_refused_before_anything_is_made(checkout):
    wrong = [word.replace("irs_districts", "irs_district") for word in ASKED]
    result = checkout.snakemake("-n", *wrong)
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1].startswith(
        'error: --config: targets.agencies.0: "irs_district" is not allowed (did you mean \'irs_d'
    )


def test_a_missing_file_is_said_in_one_line(checkout):
    (checkout.folder / "given").mkdir()
    (checkout.folder / "given" / "own.csv").write_text(FIGURES)
    result = checkout.snakemake("--cores", "1", *ASKED)
    assert result.returncode == 1
    assert "irs_districts: 22incd.csv is missing below given; put it there once" in result.stdout
