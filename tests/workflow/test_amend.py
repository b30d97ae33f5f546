"""What an amended run remakes where Snakemake remembers nothing: in a copy, or after a cleaning."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import h5py
import pandas as pd
import pytest

from tests.dataset_case import as_tables
from tests.households import random_dataset
from tests.workflow.conftest import (
    SMALL_JOBS,
    Checkout,
    copy_sources,
    give_inputs,
    jobs_because,
    listed_jobs,
    started_jobs,
)

SMALL = ("--configfile", "small.yaml")
RUN = Path("runs/small")
NOTHING = "Nothing to be done"
AMEND = "amend=true"
WEIGHTS = tuple(str(RUN / f"weights/{scope}/weights.npy") for scope in ("local", "national"))
COMPARED = (*WEIGHTS, str(RUN / "matrix/matrix.h5"))

OF_FITS = ("build_chunk", "assemble_matrix", "fit_weights")
WITHOUT_FITS = {
    rule: SMALL_JOBS[rule]
    for rule in ("write_area", "simulate_area", "validate_area", "summarize_validation")
} | {"write_report": 1, "all": 1}
# The local fit, and the areas and the nation's parts that come from it.
AFTER_THE_LOCAL_FIT = WITHOUT_FITS | {
    "fit_weights": 1,
    "estimate_totals": 1,
    "write_area": 5,
    "simulate_area": 5,
    "validate_area": 5,
}
AFTER_CHUNKS = WITHOUT_FITS | {
    "fit_weights": 2,
    "estimate_totals": 2,
    "assemble_matrix": 1,
    "build_chunk": 3,
}
AFTER_POPULATION = AFTER_CHUNKS | {
    "write_preflight": 1,
    "build_population": 1,
    "assign_geography": 1,
    "freeze_values": 1,
    "follow_values": 1,
    "plan_chunks": 1,
}


def edit_kernel(folder: Path) -> None:
    with (folder / "workflow/localcal/matrix/chunk.py").open("a") as file:
        file.write("edited = 1\n")


def change_population(folder: Path) -> None:
    with h5py.File(folder / "given/population.h5", "r+") as file:
        file["household_weight/2024"][:20] *= 3


def nothing(folder: Path) -> None:
    del folder


# What is changed: the command line, the files, what is remade, and what the history then says.
CHANGES = {
    "seed": (("seed=7",), nothing, AFTER_POPULATION, {"config.seed"}),
    "penalty": (
        ("weights={local: {penalty: 3.5}}",),
        nothing,
        AFTER_THE_LOCAL_FIT,
        {"config.weights.local.penalty"},
    ),
    "population": ((), change_population, AFTER_POPULATION, {"inputs.population.path"}),
    "kernel": ((), edit_kernel, AFTER_CHUNKS, {"code.build_chunk"}),
}


@pytest.fixture
def run(finished, tmp_path) -> Checkout:
    """A finished small run of which Snakemake remembers nothing."""
    copy = finished.copy(tmp_path / "checkout")
    shutil.rmtree(copy.folder / ".snakemake")
    return copy


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return time and content of every file of the run."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted((folder / RUN).rglob("*"))
        if path.is_file()
    }


def history(run: Checkout) -> list[set[str]]:
    """Return what changed, start by start."""
    path = run.folder / RUN / "history.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [{change["what"] for change in json.loads(line)["changes"]} for line in lines]


def fresh_bytes(folder: Path, change, arguments: tuple[str, ...]) -> dict[str, bytes]:
    """Return what a new run with the changed config makes."""
    fresh = copy_sources(folder)
    give_inputs(fresh.folder)
    change(fresh.folder)
    config = ("--config", *arguments) if arguments else ()
    result = fresh.snakemake("--cores", "2", *WEIGHTS, *SMALL, *config)
    assert result.returncode == 0, result.stdout
    return {name: (fresh.folder / name).read_bytes() for name in COMPARED}


@pytest.mark.parametrize(
    "what",
    [
        "seed",
        pytest.param("penalty", marks=pytest.mark.slow),
        pytest.param("population", marks=pytest.mark.slow),
        pytest.param("kernel", marks=pytest.mark.slow),
    ],
)
def test_a_copy_is_amended_to_the_bytes_of_a_fresh_run(run, tmp_path, what):
    arguments, change, remade, recorded = CHANGES[what]
    assert NOTHING in run.snakemake("-n", *SMALL).stdout
    change(run.folder)
    config = ("--config", *arguments, AMEND)

    dry = run.snakemake("-n", *SMALL, *config)
    assert dry.returncode == 0, dry.stdout
    assert listed_jobs(dry.stdout) == remade
    assert f"warning: {RUN}" in dry.stdout
    assert history(run) == []

    before = contents(run.folder)
    if what != "kernel":
        refused = run.snakemake("--cores", "2", *SMALL, "--config", *arguments, "amend=false")
        assert refused.returncode == 1
        assert "amend=true" in refused.stdout.splitlines()[-1]
        assert contents(run.folder) == before

    amended = run.snakemake("--cores", "2", *WEIGHTS, *SMALL, *config)
    assert amended.returncode == 0, amended.stdout
    done = ("build_population", "assign_geography", "freeze_values", "plan_chunks", *OF_FITS)
    assert started_jobs(run.folder) == {rule: remade[rule] for rule in done if rule in remade}
    assert history(run) == [recorded]
    found = {name: (run.folder / name).read_bytes() for name in COMPARED}
    if what == "kernel":
        # The edit says nothing.
        fresh = {name: before[name][1] for name in COMPARED}
    else:
        fresh = fresh_bytes(tmp_path / "fresh", change, arguments)
        assert fresh != {name: before[name][1] for name in COMPARED}
    assert found == fresh
    shutil.rmtree(run.folder / ".snakemake")
    assert NOTHING in run.snakemake("-n", *WEIGHTS, *SMALL, *config).stdout


def test_cleaning_what_snakemake_remembers_hides_no_change(finished, tmp_path):
    run = finished.copy(tmp_path / "checkout")
    made = [str(path.relative_to(run.folder)) for path in (run.folder / RUN).rglob("*.npy")]
    made += [str(RUN / "matrix/matrix.h5"), str(RUN / "population/frozen.h5")]
    cleaned = run.snakemake("--cleanup-metadata", *made, "--cores", "1", *SMALL)
    assert cleaned.returncode == 0, cleaned.stdout
    arguments, _, remade, _ = CHANGES["penalty"]
    assert run.jobs(*SMALL, "--config", *arguments) == remade


def test_a_changed_cell_of_a_population_s_tables_makes_it_again(tmp_path):
    checkout = copy_sources(tmp_path / "checkout")
    give_inputs(checkout.folder)
    tables = checkout.folder / "given/tables"
    tables.mkdir()
    for entity, table in as_tables(random_dataset(60, seed=3)).items():
        table.to_csv(tables / f"{entity}.csv", index=False)
    target = str(RUN / "population/population.h5")
    config = ("--config", "population={source: tables, path: given/tables, households: 60}")
    made = checkout.snakemake("--cores", "1", target, *SMALL, *config)
    assert made.returncode == 0, made.stdout
    assert NOTHING in checkout.snakemake("-n", target, *SMALL, *config).stdout

    persons = pd.read_csv(tables / "person.csv")
    persons.loc[0, "age"] += 1
    persons.to_csv(tables / "person.csv", index=False)
    assert checkout.jobs(target, *SMALL, *config) == {"build_population": 1}
    refused = checkout.snakemake("--cores", "1", target, *SMALL, *config)
    assert refused.returncode == 1
    assert "inputs.population.path.person.csv" in refused.stdout.splitlines()[-1]
    amended = checkout.snakemake("--cores", "1", target, *SMALL, *config, AMEND)
    assert amended.returncode == 0, amended.stdout
    assert history(checkout) == [{"inputs.population.path.person.csv"}]


@pytest.mark.slow
def test_an_interrupted_amended_run_goes_on(run, tmp_path):
    arguments, *_ = CHANGES["penalty"]
    arguments += ("weights={national: {penalty: 0.7}, local: {penalty: 3.5}}",)
    config = ("--config", arguments[1])
    first = run.snakemake("--cores", "1", WEIGHTS[1], *SMALL, *config, AMEND)
    assert first.returncode == 0, first.stdout
    assert started_jobs(run.folder) == {"fit_weights": 1}
    process = run.start("--cores", "1", WEIGHTS[0], *SMALL, *config)
    time.sleep(6)
    process.send_signal(signal.SIGKILL)
    process.wait()
    shutil.rmtree(run.folder / ".snakemake")
    left = run.snakemake("-n", *SMALL, *config)
    # The national fit was finished; the other one is listed until it is, its files ever since.
    assert listed_jobs(left.stdout).get("fit_weights", 0) <= 1
    assert listed_jobs(left.stdout)["write_report"] == 1
    last = run.snakemake("--cores", "2", *WEIGHTS, *SMALL, *config)
    assert last.returncode == 0, last.stdout
    assert len(history(run)) == 1
    found = {name: (run.folder / name).read_bytes() for name in COMPARED}
    assert found == fresh_bytes(tmp_path / "fresh", nothing, arguments[1:])
    shutil.rmtree(run.folder / ".snakemake")
    assert NOTHING in run.snakemake("-n", *WEIGHTS, *SMALL, *config).stdout


def test_going_back_before_anything_was_remade_keeps_what_there_is(run):
    target = str(RUN / "population/take_up.csv")
    table = run.folder / "given/take_up.csv"
    before = table.read_text()
    with table.open("a") as file:
        file.write("takes_up_eitc,tax_unit,,0.9,,test\n")
    amended = run.snakemake("--cores", "1", target, *SMALL, "--config", AMEND)
    assert amended.returncode == 0, amended.stdout
    table.write_text(before)
    back = run.snakemake("-n", *SMALL, "--config", AMEND)
    # Only the table was remade since; everything after it, because of it.
    assert set(jobs_because(back.stdout, "Forced")) == {"copy_take_up"}


def test_a_changed_config_is_refused_where_there_is_nothing_to_do(run):
    # Nothing of this target depends on the seed.
    target = str(RUN / "targets/policy_data.db")
    before = contents(run.folder)
    result = run.snakemake("--cores", "1", target, *SMALL, "--config", "seed=7")
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1].startswith("error: runs/small/run.json: the run was made")
    assert contents(run.folder) == before
    assert run.snakemake("-n", target, *SMALL, "--config", "seed=7").returncode == 0


def amend_up_to(run: Checkout, target: Path) -> tuple[tuple[str, ...], dict[str, int]]:
    """Change the seed, make one file, forget it; return the config and what all of it remakes."""
    arguments, _, remade, _ = CHANGES["seed"]
    config = ("--config", *arguments)
    first = run.snakemake("--cores", "1", str(target), *SMALL, *config, AMEND)
    assert first.returncode == 0, first.stdout
    assert "fit_weights" not in started_jobs(run.folder)
    shutil.rmtree(run.folder / ".snakemake")
    return config, remade


def test_a_target_amends_itself_and_the_rest_later(run):
    config, remade = amend_up_to(run, RUN / "matrix/plan.json")
    rest = run.jobs(*SMALL, *config)
    done = ("build_population", "assign_geography", "freeze_values", "plan_chunks")
    assert rest == {rule: count for rule, count in remade.items() if rule not in done}


def test_what_an_amended_run_left_undone_is_known_whatever_its_files_times_say(run):
    """A copy may have the times of the copying."""
    config, remade = amend_up_to(run, RUN / "population/geography.h5")
    for path in (run.folder / RUN).rglob("*"):
        os.utime(path, (2e9, 2e9))
    rest = run.jobs(*SMALL, *config)
    done = ("build_population", "assign_geography")
    assert rest == {rule: count for rule, count in remade.items() if rule not in done}


def test_a_product_of_another_run_is_made_again_though_its_rule_has_the_same_parameters(
    run, tmp_path
):
    other = run.copy(tmp_path / "other")
    arguments, *_ = CHANGES["seed"]
    name = "matrix/chunks/chunk_000001.h5"
    made = other.snakemake("--cores", "1", str(RUN / name), *SMALL, "--config", *arguments, AMEND)
    assert made.returncode == 0, made.stdout
    for file in (name, f"made/{name}.json"):
        path = run.folder / RUN / file
        times = (path.stat().st_atime, path.stat().st_mtime)
        shutil.copy(other.folder / RUN / file, path)
        os.utime(path, times)
    assert run.jobs(*SMALL) == AFTER_CHUNKS | {"build_chunk": 1}


def test_a_run_without_its_records_is_remade_as_a_whole(run):
    shutil.rmtree(run.folder / RUN / "made")
    everything = {rule: n for rule, n in SMALL_JOBS.items() if rule != "freeze_run"}
    assert run.jobs(*SMALL) == everything
