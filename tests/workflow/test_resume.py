"""What is made again, what is refused, and what a death leaves behind."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from localcal.run import identity
from localcal.run.expected import ONCE
from localcal.status.folder import LocalRuns
from localcal.status.look import Looker, RunStatus
from localcal.status.tables import LocalTables
from tests.workflow.conftest import (
    SMALL_JOBS,
    Checkout,
    copy_sources,
    give_inputs,
    jobs_because,
    listed_jobs,
)

SMALL = ("--configfile", "small.yaml")
RUN = Path("runs/small")
NOTHING = "Nothing to be done"
REPORT_FILES = ONCE["write_report"]
AFTER_THE_MATRIX = {
    rule: SMALL_JOBS[rule]
    for rule in (
        "fit_weights",
        "estimate_totals",
        "write_area",
        "simulate_area",
        "validate_area",
        "summarize_validation",
        "write_report",
        "all",
    )
}


@pytest.fixture
def run(finished, tmp_path) -> Checkout:
    """A finished small run to do harm to."""
    return finished.copy(tmp_path / "checkout")


def products(folder: Path) -> dict[str, str]:
    """Return the digests of everything a run has made, but for times and logs.

    The report's page shows when jobs worked and what they took, and nothing is made from it.
    """
    skipped = ("logs", "benchmarks", "run.json", ".lock", "sessions.jsonl")
    page = ("report/index.html", "made/report/index.html.json")
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / RUN).rglob("*"))
        if path.is_file()
        and path.relative_to(folder / RUN).parts[0] not in skipped
        and path.relative_to(folder / RUN).as_posix() not in page
    }


def test_a_finished_run_has_nothing_to_do(finished):
    result = finished.snakemake("-n", *SMALL)
    assert NOTHING in result.stdout


def test_a_finished_run_is_what_artifacts_leads_to(finished):
    link = finished.folder / "artifacts"
    assert str(link.readlink()) == str(RUN)
    assert (link / "weights/local/weights.npy").exists()


def test_a_run_without_a_git_checkout_is_of_no_commit(finished):
    record = json.loads((finished.folder / RUN / "run.json").read_text())
    assert [record[name] for name in ("commit", "clean", "branch")] == [None, None, None]


def test_touching_every_source_changes_nothing(run):
    later = time.time() + 60
    for path in run.folder.rglob("*"):
        if path.is_file() and not path.is_relative_to(run.folder / "runs"):
            os.utime(path, (later, later))
    assert NOTHING in run.snakemake("-n", *SMALL).stdout


def test_a_fresh_copy_of_the_sources_changes_nothing(run, tmp_path):
    fresh = copy_sources(tmp_path / "fresh")
    give_inputs(fresh.folder)
    for name in ("runs", ".snakemake"):
        shutil.copytree(run.folder / name, fresh.folder / name)
    for path in sorted((run.folder / "runs").rglob("*")):
        shutil.copystat(path, fresh.folder / path.relative_to(run.folder))
    assert NOTHING in fresh.snakemake("-n", *SMALL).stdout


def test_a_coordinator_of_another_machine_is_none_here(run, monkeypatch):
    # What a scheduler's job finds in its environment, and no process here.
    monkeypatch.setattr(
        type(run), "environment", run.environment | {"LOCALCAL_COORDINATOR": str(2**22 + 1)}
    )
    (run.folder / RUN / "report/index.html").unlink()
    result = run.snakemake("--cores", "1", *SMALL)
    assert result.returncode == 0, result.stdout


def test_a_lost_shard_is_listed_with_what_depends_on_it(run):
    (run.folder / RUN / "matrix/chunks/chunk_000001.h5").unlink()
    assert run.jobs(*SMALL) == {"build_chunk": 1, "assemble_matrix": 1, **AFTER_THE_MATRIX}


def test_a_lost_shard_shows_although_the_freezing_script_was_touched(run):
    (run.folder / RUN / "matrix/chunks/chunk_000001.h5").unlink()
    (run.folder / "scripts/freeze_run.py").touch()
    jobs = run.jobs(*SMALL)
    assert jobs["build_chunk"] == 1
    assert "freeze_run" not in jobs


def test_an_edited_kernel_shows_for_exactly_the_rules_that_import_it(run):
    with (run.folder / "workflow/localcal/report/page.py").open("a") as file:
        file.write("edited = 1\n")
    result = run.snakemake("-n", *SMALL)
    assert listed_jobs(result.stdout) == {"write_report": 1, "all": 1}
    with (run.folder / "workflow/localcal/weights/fit.py").open("a") as file:
        file.write("edited = 1\n")
    result = run.snakemake("-n", *SMALL)
    # The report's own reason does not show any more: its inputs are remade anyway.
    assert jobs_because(result.stdout, "Forced execution") == {"fit_weights": 2}
    assert listed_jobs(result.stdout) == AFTER_THE_MATRIX


def test_an_edited_script_shows_for_its_rule(run):
    with (run.folder / "scripts/summarize_validation.py").open("a") as file:
        file.write("edited = 1\n")
    result = run.snakemake("-n", *SMALL)
    assert jobs_because(result.stdout, "Forced execution") == {"summarize_validation": 1}


def test_code_may_change_within_a_run_and_is_recorded(run, monkeypatch):
    monkeypatch.chdir(run.folder)
    git = ("git", "-c", "user.name=n", "-c", "user.email=e@example.org")
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "Snakefile", "workflow", "scripts", "profiles", "envs", ".gitignore"),
        ("commit", "--quiet", "--message=all"),
    ):
        subprocess.run([*git, *arguments], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, check=True, text=True)
    with (run.folder / "workflow/localcal/report/page.py").open("a") as file:
        file.write("edited = 1\n")
    Path("artifacts").unlink()
    Path("artifacts").symlink_to("runs/another")
    assert run.snakemake("--cores", "1", *SMALL).returncode == 0
    assert str(Path("artifacts").readlink()) == str(RUN)
    entries = (run.folder / RUN / "history.jsonl").read_text().splitlines()
    *checkout, code = json.loads(entries[0])["changes"]
    assert (len(entries), code["what"]) == (1, "code.write_report")
    assert {change["what"]: (change["old"], change["new"]) for change in checkout} == {
        "commit": (None, head.stdout.strip()),
        "clean": (None, False),
        "branch": (None, "main"),
    }
    assert identity.provenance(RUN) == ([None, head.stdout.strip()], False)


def test_another_config_is_listed_then_refused_then_amended(run):
    before = (run.folder / RUN / "run.json").read_bytes()
    change = ("--config", "matrix={chunk_columns: 120}")
    dry = run.snakemake("-n", *SMALL, *change)
    assert "warning: runs/small/run.json: config.matrix.chunk_columns: 80 -> 120" in dry.stdout
    assert listed_jobs(dry.stdout)["build_chunk"] == 2
    refused = run.snakemake("--cores", "2", *SMALL, *change)
    assert refused.returncode == 1
    last = refused.stdout.splitlines()[-1]
    assert last.startswith("error: runs/small/run.json: ")
    assert "config.matrix.chunk_columns: 80 -> 120" in last
    assert "amend=true" in last
    assert not (run.folder / RUN / "history.jsonl").exists()

    target = str(RUN / "matrix/matrix.h5")
    matrix = products(run.folder)[target]
    (run.folder / "artifacts").unlink()
    (run.folder / "artifacts").symlink_to("runs/another")
    amended = run.snakemake("--cores", "2", target, *SMALL, *change, "amend=true")
    assert amended.returncode == 0, amended.stdout
    # All files are there, but only one was asked for, and what depends on it is not made anew.
    assert str((run.folder / "artifacts").readlink()) == "runs/another"
    (entry,) = (run.folder / RUN / "history.jsonl").read_text().splitlines()
    (recorded,) = json.loads(entry)["changes"]
    assert recorded == {"what": "config.matrix.chunk_columns", "old": 80, "new": 120}
    assert (run.folder / RUN / "run.json").read_bytes() == before
    assert "warning" not in run.snakemake("-n", target, *SMALL, *change).stdout
    # The cut into chunks does not show in the matrix.
    assert products(run.folder)[target] == matrix


def test_a_changed_input_file_is_refused_and_its_reader_listed(run):
    table = run.folder / "given/take_up.csv"
    table.write_text(table.read_text().replace("0.8", "0.7"))
    dry = run.snakemake("-n", *SMALL)
    assert "warning: runs/small/run.json: inputs.take_up.rates: " in dry.stdout
    assert jobs_because(dry.stdout, "Forced execution") == {"copy_take_up": 1}
    assert run.snakemake("--cores", "1", *SMALL).returncode == 1


def test_products_without_their_record_are_refused_even_in_a_dry_run(run):
    (run.folder / RUN / "run.json").unlink()
    result = run.snakemake("-n", *SMALL)
    assert result.returncode == 1
    last = result.stdout.splitlines()[-1]
    assert last.startswith("error: runs/small/run.json is missing")
    assert "restore it or choose a new run id" in last


def test_a_second_coordinator_is_refused_in_one_line_and_looking_is_not(run):
    (run.folder / RUN / "report/index.html").unlink()
    script = run.folder / "scripts/write_report.py"
    opening = "    with job(snakemake):\n"
    assert opening in script.read_text()
    waiting = f"{opening}        import time; time.sleep(60)\n"
    script.write_text(script.read_text().replace(opening, waiting))
    first = run.start("--cores", "1", *SMALL)
    try:
        wait_for(run.folder / RUN / "logs/write_report/write_report.log", newer_than=script)
        second = run.snakemake("--cores", "1", *SMALL)
        assert second.returncode == 1
        assert second.stdout.splitlines()[-1].startswith("error: runs/small: process ")
        assert run.snakemake("-n", *SMALL).returncode == 0
        found = status_of(run)
        assert (found.state, found.expected - found.done) == ("active", len(REPORT_FILES))
        assert [stage.name for stage in found.stages if stage.at_work] == ["report"]
    finally:
        first.kill()
        first.wait()
    assert wait_until(lambda: not scripts_of(run.folder))
    assert status_of(run).state == "stalled"


def status_of(run: Checkout) -> RunStatus:
    looker = Looker(LocalRuns(run.folder / "runs"), LocalTables(run.folder))
    return looker.look("small", time.time(), with_logs=True)


def wait_for(path: Path, newer_than: Path, seconds: float = 120) -> None:
    def is_there() -> bool:
        return path.exists() and path.stat().st_mtime > newer_than.stat().st_mtime

    assert wait_until(is_there, seconds), f"{path} never came"


def wait_until(condition, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def scripts_of(folder: Path) -> list[str]:
    """Return the command lines of scripts that still run for a checkout."""
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in lines.stdout.splitlines() if str(folder / ".snakemake") in line]


def test_killed_runs_resume_with_the_same_command_to_the_same_bytes(finished, tmp_path):
    checkout = copy_sources(tmp_path / "checkout")
    give_inputs(checkout.folder)
    delay = random.Random(0)
    for _ in range(4):
        process = checkout.start("--cores", "2", *SMALL)
        time.sleep(delay.uniform(4, 12))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert wait_until(lambda: not scripts_of(checkout.folder))
    result = checkout.snakemake("--cores", "2", *SMALL)
    assert result.returncode == 0, result.stdout
    assert products(checkout.folder) == products(finished.folder)
    assert NOTHING in checkout.snakemake("-n", *SMALL).stdout
    assert not list((checkout.folder / "runs").rglob("*.part"))


@pytest.mark.slow
def test_one_core_gives_the_bytes_of_two(finished, tmp_path):
    checkout = copy_sources(tmp_path / "checkout")
    give_inputs(checkout.folder)
    result = checkout.snakemake("--cores", "1", *SMALL)
    assert result.returncode == 0, result.stdout
    assert products(checkout.folder) == products(finished.folder)


def test_a_damaged_shard_is_named_and_nothing_finished_is_lost(run):
    shard = RUN / "matrix/chunks/chunk_000001.h5"
    content = (run.folder / shard).read_bytes()
    (run.folder / shard).write_bytes(content[: len(content) // 2])
    result = run.snakemake("--cores", "1", str(RUN / "matrix/matrix.h5"), *SMALL)
    assert result.returncode == 1
    errors = {line for line in result.stdout.splitlines() if line.startswith("error: ")}
    assert len(errors) == 1
    assert str(shard) in errors.pop()


def test_the_report_page_holds_fit_and_validation(finished, tmp_path):
    page = tmp_path / "page.html"
    result = finished.snakemake(*SMALL, "--report", str(page))
    assert result.returncode == 0, result.stdout
    text = page.read_text()
    for name in ("errors.png", "worst.csv", "simulated.png", "areas.csv", "index.html"):
        assert name in text, name
