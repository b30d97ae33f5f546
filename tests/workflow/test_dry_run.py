"""What a dry-run lists, with nothing built."""

import re
import subprocess
import time

import pytest

from localcal.database.agencies.sources import DEFAULT_SOURCES, SOURCES
from localcal.files.made import read_records

DEMO = {
    "freeze_run": 1,
    "build_population": 1,
    "build_database": 1,
    "validate_database": 1,
    "resolve_targets": 1,
    "write_preflight": 1,
    "assign_geography": 1,
    "copy_take_up": 1,
    "copy_tables": 1,
    "freeze_values": 1,
    "follow_values": 1,
    "plan_chunks": 1,
    "build_chunk": 2,
    "assemble_matrix": 1,
    "fit_weights": 2,
    "estimate_totals": 2,
    "write_area": 9,
    "simulate_area": 5 + 3,
    "validate_area": 9,
    "summarize_validation": 1,
    "write_report": 1,
    "all": 1,
}
# What a state's file needs: not the national fit, no other area, no simulation.
ONE_STATE = {
    rule: DEMO[rule]
    for rule in DEMO
    if rule
    not in (
        "validate_database",
        "write_preflight",
        "estimate_totals",
        "simulate_area",
        "validate_area",
        "summarize_validation",
        "write_report",
        "all",
    )
} | {"fit_weights": 1, "write_area": 1}


def test_the_default_run_is_listed_exactly_and_nothing_is_written(sources):
    assert sources.jobs() == DEMO
    # The Snakefile that the catalog of workflows asks for lists the same.
    assert sources.jobs("--snakefile", "workflow/Snakefile") == DEMO
    assert not (sources.folder / "runs").exists()


def test_the_production_run_is_listed_exactly(sources, record_property):
    start = time.monotonic()
    jobs = sources.jobs("--configfile", "config/production.yaml")
    seconds = time.monotonic() - start
    record_property("seconds", seconds)
    simulated = 1 + 51 + 1 + 3
    assert jobs == DEMO | {
        "build_chunk": 50,
        "write_area": 489,
        "validate_area": 489,
        "simulate_area": simulated,
    }
    # 4 to 5 s on a quiet machine; heavy imports while parsing would show even on a busy one.
    assert seconds < 60


def local_rules(snakefile):
    """Return the rules that run where Snakemake runs."""
    listed = re.search(r"localrules:\n((?: {8}\w+,\n)+)", snakefile.read_text())[1]
    return set(re.findall(r"\w+", listed))


def test_what_is_submitted_asks_for_twice_the_memory_the_second_time(sources):
    found = {}
    for attempt in ("1", "2"):
        result = sources.snakemake("-n", "--attempt", attempt)
        assert result.returncode == 0, result.stdout
        jobs = re.findall(r"(?ms)^(?:local)?rule (\w+):.*?mem_mb=(\d+)", result.stdout)
        found[attempt] = {rule: int(mb) for rule, mb in jobs}
    assert found["1"].keys() == found["2"].keys() == DEMO.keys() - {"all"}
    grown = {rule for rule, mb in found["1"].items() if found["2"][rule] == 2 * mb}
    assert grown == found["1"].keys() - local_rules(sources.folder / "Snakefile")


def test_the_held_out_run_is_the_default_one_beside_it(sources):
    assert sources.jobs("--configfile", "config/held_out.yaml") == DEMO


def test_one_area_needs_only_what_leads_to_it(sources):
    assert sources.jobs("runs/demo/areas/states/CA.h5") == ONE_STATE


def test_an_area_outside_the_config_can_be_asked_for(sources):
    assert sources.jobs("runs/demo/areas/districts/TX-07.h5") == ONE_STATE


def test_a_districts_validation_simulates_its_state_not_itself(sources):
    jobs = sources.jobs("runs/demo/validation/districts/TX-07.csv")
    assert (jobs["write_area"], jobs["simulate_area"], jobs["validate_area"]) == (2, 1, 1)


@pytest.mark.parametrize("run_id", ["2026_04_25", "1e5", "007"])
def test_a_run_id_is_text_even_where_it_looks_like_a_number(sources, run_id):
    result = sources.snakemake("-n", f"runs/{run_id}/run.json", "--config", f"run_id={run_id}")
    assert result.returncode == 0, result.stdout
    assert f"output: runs/{run_id}/run.json" in result.stdout


def test_numbers_in_braces_stay_numbers(sources):
    assert sources.jobs("--config", "matrix={chunk_columns: 500}")["build_chunk"] == 20


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("runs/other/areas/states/CA.h5", "belongs to run 'other'"),
        ("runs/demo/areas/states/XX.h5", "no area 'XX'"),
        ("runs/demo/areas/states/CA-12.h5", "no area 'CA-12'"),
        ("runs/demo/areas/districts/CA-53.h5", "no area 'CA-53'"),
        ("runs/demo/matrix/chunks/chunk_000002.h5", "has chunks 000000 to 000001"),
    ],
)
def test_a_target_that_cannot_be_made_gets_a_hint(sources, target, hint):
    result = sources.snakemake("-n", target)
    hints = [line for line in result.stdout.splitlines() if line.startswith("hint: ")]
    assert len(hints) == 1
    assert hint in hints[0]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("seeed=1", "error: --config: seeed: unknown key (did you mean 'seed'?)"),
        ("run_id=a/b", "error: --config: run_id: "),
        ("matrix={chunk_columns: 0}", "error: --config: matrix.chunk_columns: 0 is not allowed"),
        ("weights={local: {start: x.h5}}", "error: --config: weights.local.start: is called prior"),
        (
            "weights={local: {huber: .nan}}",
            "error: --config: weights.local.huber: NaN is not a fin",
        ),
        ("areas={states: [CAL]}", "error: --config: areas.states: no area 'CAL'"),
        ("engine=nowhere.model:Model", "error: nowhere"),
        ("run_id=a\nb", "error: --config: run_id: "),
        ("amend=flase", "error: --config: amend: 'flase' is not allowed; allowed: true or false"),
        ("matrix={chunk_columns: 1.0e3}", "error: --config: matrix.chunk_columns: "),
        ("areas={districts: [CA-53]}", "error: --config: areas.districts: no area 'CA-53'"),
        ('population={source: file, path: "a\\0b"}', "error: --config: population.path: 'a"),
        ("weights={local: {records: 20000}}", "error: --config: weights.local.records: 20,000 is"),
        ("areas={path: config}", "error: config: "),
        ("geography={places: config}", "error: config: is a folder; the config's geography.places"),
        (
            "areas={states: [], districts: [], national: [], cities: []}",
            "error: --config: areas: names no area",
        ),
        (
            f"areas={{districts: [{', '.join(['CA-12'] * 10_000)}]}}",
            "error: --config: ",
        ),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(sources, setting, message):
    result = sources.snakemake("-n", "--config", setting)
    assert result.returncode == 1
    *before, last = result.stdout.splitlines()
    assert last.startswith(message)
    assert not any("rror" in line for line in before)


def test_a_wrong_value_in_a_config_file_is_refused_with_the_file(checkout):
    (checkout.folder / "mine.yaml").write_text("run_id: 2026_04_25\nweights: {local: {}}\n")
    result = checkout.snakemake("-n", "--configfile", "mine.yaml")
    assert result.returncode == 1
    last = result.stdout.splitlines()[-1]
    assert last.startswith("error: mine.yaml: run_id: 20260425 is not allowed")
    assert "write it in quotes" in last


def test_what_the_config_leaves_out_takes_its_default(checkout):
    (checkout.folder / "config/config.yaml").write_text("weights: {national: {strict: false}}\n")
    assert checkout.jobs() == DEMO


def test_another_copy_of_the_package_is_refused(sources, checkout):
    result = subprocess.run(
        checkout.command("-n"),
        cwd=checkout.folder,
        env=sources.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: localcal is imported from ")
    assert "pip install -e ." in last


def test_the_linter_finds_nothing(sources):
    result = sources.snakemake("--lint")
    assert result.returncode == 0
    assert "Congratulations" in result.stdout


def test_whatever_the_run_made_is_missed_when_it_is_lost(finished):
    """Also what nothing needs any more, or what a job made beside the file that others need."""
    folder = finished.folder / "runs/small"
    made = {f"runs/small/{name}" for name in read_records(folder)}
    assert len(made) > 40
    dry = finished.snakemake("-n", "--configfile", "small.yaml", "--forcerun", "write_report")
    wanted = re.search(r"^(local)?rule all:\n +input: (.*)$", dry.stdout, re.MULTILINE)[2]
    assert made - set(wanted.split(", ")) == set()


@pytest.mark.parametrize("setting", ["build_database=true", "targets={source: agencies}"])
def test_a_database_of_the_agencies_files_is_a_job_for_each_of_them(sources, setting):
    """However Snakemake spells true on its command line."""
    jobs = sources.jobs("runs/demo/targets/policy_data.db", "--config", setting)
    wanted = [SOURCES[name] for name in DEFAULT_SOURCES]
    assert jobs == {
        "freeze_run": 1,
        "fetch_raw": len({file for source in wanted for file in source.files}),
        "parse_source": len(wanted),
        "build_database": 1,
    }
