"""What is said of runs that Snakemake really made, failed at, and was killed at."""

import json
import subprocess
import sys

from localcal.run import provenance
from tests.workflow.conftest import SMALL_JOBS, Checkout

RUN = "runs/small"
SMALL = ("--configfile", "small.yaml")


def status(checkout: Checkout) -> dict:
    """Return what `localcal status` says of the small run."""
    code = "import sys; from localcal.command import main; sys.exit(main())"
    found = subprocess.run(
        [sys.executable, "-c", code, "status", "small", "--json"],
        cwd=checkout.folder,
        env=checkout.environment,
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(found.stdout)["runs"][0]


def test_a_finished_run_has_what_is_expected_of_it_and_nothing_else(finished):
    found = status(finished)
    assert (found["state"], found["problems"]) == ("completed", [])
    made = list(provenance.products(finished.folder / RUN))
    # And the run's record.
    assert found["done"] == found["expected"] == len(made) + 1
    assert sum(stage["expected"] for stage in found["stages"]) == found["expected"]
    jobs = sum(SMALL_JOBS.values()) - SMALL_JOBS["all"]
    assert (found["cost"]["jobs"], found["cost"]["without_figures"]) == (jobs, 0)
    sessions = (finished.folder / RUN / "sessions.jsonl").read_text().splitlines()
    assert [json.loads(line)["what"] for line in sessions] == ["begun", "ended"]
    assert json.loads(sessions[0])["jobs"] == jobs
    assert (finished.folder / "artifacts").resolve() == (finished.folder / RUN).resolve()


def test_a_run_whose_job_failed_says_which_and_why(finished, tmp_path):
    run = finished.copy(tmp_path / "checkout")
    shard = run.folder / RUN / "matrix/chunks/chunk_000001.h5"
    shard.write_bytes(shard.read_bytes()[:-1])
    (run.folder / RUN / "matrix/matrix.h5").unlink()
    result = run.snakemake("--cores", "1", *SMALL)
    assert result.returncode == 1
    found = status(run)
    assert (found["state"], found["reason"]) == ("failed", "assemble_matrix")
    assert found["last_error"]["log"] == "logs/assemble_matrix/assemble_matrix.log"
    assert "chunk_000001.h5: damaged" in found["last_error"]["message"]
    # What the failed job took is known, too.
    assert found["cost"]["without_figures"] == 0
