"""What the jobs of a run say that they took."""

import csv
import re
import socket
import time
from pathlib import Path

import pytest

from localcal.evidence.figures import away_from_data, by_phase
from localcal.evidence.lines import read_run
from localcal.files.made import read_records
from localcal.jobs.usage import Usage, read_usage
from localcal.report.jobs import read_jobs
from localcal.status.folder import LocalRuns
from localcal.timing import PHASES, WRITE
from tests.workflow.conftest import SMALL_JOBS

# Bytes in a MB as Snakemake writes them, and as logs do.
MIB, MB = 2**20, 10**6


@pytest.fixture(scope="module")
def run(finished) -> Path:
    return finished.folder / "runs/small"


@pytest.fixture(scope="module")
def usages(run) -> dict[str, Usage]:
    """What every job took, by its name."""
    logs = sorted((run / "logs").rglob("*.log"))
    names = [path.relative_to(run / "logs").with_suffix("").as_posix() for path in logs]
    return dict(zip(names, map(read_usage, logs), strict=True))


def test_every_job_says_where_its_time_went_and_what_it_was_given(run, usages):
    assert len(usages) == sum(SMALL_JOBS.values()) - 1
    records = read_records(run)
    made = {path: record.size for path, record in records.items()}
    for name, usage in usages.items():
        assert set(usage.phases) <= set(PHASES), name
        assert 0 < sum(usage.phases.values()) <= usage.wall_seconds + 0.02, name
        assert usage.phases[WRITE] > 0, name
        assert usage.attempt == 1 and usage.asked_mb >= 500 and usage.worker, name
        assert usage.made_bytes > 0, name
        needs_model = usage.start is not None
        assert needs_model == ("simulate" in usage.phases or "load" in usage.phases), name
    (matrix,) = (usage for name, usage in usages.items() if name.startswith("assemble_matrix/"))
    assert matrix.made_bytes == made["matrix/matrix.h5"] + made["matrix/summary.json"]
    assert matrix.read_bytes == sum(made[path] for path in records["matrix/matrix.h5"].inputs)


def test_benchmark_files_hold_what_jobs_took_and_not_their_scripts_alone(run, usages):
    for name, usage in usages.items():
        with (run / "benchmarks" / f"{name}.tsv").open() as file:
            (row,) = csv.DictReader(file, delimiter="\t")
        assert float(row["max_rss"]) == pytest.approx(usage.peak_mb * MB / MIB, abs=0.01), name
        assert float(row["cpu_time"]) == pytest.approx(usage.cpu_seconds, abs=0.01), name
        assert float(row["s"]) >= usage.wall_seconds - 0.5, name
        if usage.handed_bytes is not None:
            assert [row[key] for key in ("max_vms", "max_uss", "max_pss", "io_in")] == ["-"] * 4


def test_chunks_say_what_simulating_and_putting_together_took(run):
    text = (run / "logs/build_chunk/000001.log").read_text()
    assert re.search(
        r"SIM_TIMING: param_id=columns_80_159 seed=- duration_ms=[\d.]+ worker=\S+\n", text
    )
    assert re.search(
        r"AGG_TIMING: run_id=small target=shard n_sim_returns=\d+ n_outputs=\d+ "
        r"total_inline_mb=[\d.]+ max_single_kb=[\d.]+ duration_ms=[\d.]+ worker=\S+\n",
        text,
    )
    assert (
        "AGG_TIMING: run_id=small target=matrix n_sim_returns=3 "
        in (run / "logs/assemble_matrix/assemble_matrix.log").read_text()
    )


def test_the_figures_of_a_run_are_of_all_its_jobs(run, usages):
    found = read_run(LocalRuns(run.parent), run.name)
    assert {one.job: one.usage for one in found.attempts} == {
        "/".join(dict.fromkeys(name.split("/"))): usage for name, usage in usages.items()
    }
    assert not found.silent and not found.failed and not found.damaged
    assert by_phase(found.attempts)[WRITE].jobs == len(usages)
    # All of them were on this machine.
    away = away_from_data(found.attempts)
    assert away.jobs > len(usages) / 2 and away.away == 0 == away.bytes_share


def test_the_report_shows_memory_against_what_was_asked_and_a_line_per_worker(run, usages):
    found = {job.name: job for job in read_jobs(run)}
    assert found.keys() == {"/".join(dict.fromkeys(name.split("/"))) for name in usages}
    # As the rules say.
    assert found["write_preflight"].asked_mb == 3000 and found["freeze_run"].asked_mb == 500
    assert {job.worker for job in found.values()} == {socket.gethostname()}
    begun = [job.begun for job in sorted(found.values(), key=lambda job: job.begun)]
    assert (run / "run.json").stat().st_mtime - 60 < begun[0] < begun[-1] < time.time()
    page = (run / "report/index.html").read_text()
    work = page.partition('id="work"')[2].partition("<section")[0]
    # The report's own job is not over when it is written.
    rules = len(SMALL_JOBS) - len({"all", "write_report"})
    assert work.count("<tr>") - 1 == rules and "not known" not in work
    for asked in ("3,000", "500"):
        assert f">{asked}\u00a0MB<" in work or f">{asked} MB<" in work
    assert "a line per worker" in work and f">{socket.gethostname()}</text>" in work
