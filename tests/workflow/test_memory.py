"""Jobs that take more memory than they may."""

import pytest

from tests.workflow.conftest import Checkout

SMALL = ("--configfile", "small.yaml")
CHUNK = "runs/small/matrix/chunks/chunk_000001.h5"
TOTALS = "runs/small/validation/totals/CA.h5"
TOO_LITTLE = [f"{rule}:mem_mb=20" for rule in ("build_chunk", "simulate_area")]


@pytest.fixture
def run(finished, tmp_path) -> Checkout:
    """A finished run that lacks the shard of a chunk and what an area comes to."""
    checkout = finished.copy(tmp_path / "checkout")
    for file in (CHUNK, TOTALS):
        (checkout.folder / file).unlink()
    return checkout


def test_a_job_above_its_memory_is_ended_and_says_what_was_seen_and_what_to_change(run):
    wanted = ("--cores", "1", "--keep-going", *SMALL, "--set-resources", *TOO_LITTLE)
    result = run.snakemake(*wanted, "--", CHUNK, TOTALS)
    assert result.returncode == 1
    errors = {
        line for line in result.stdout.splitlines() if line.startswith("error: out of memory: ")
    }
    chunk, area = sorted(errors)
    assert chunk.startswith("error: out of memory: build_chunk/000001: the process that did this ")
    assert "was ended since it took" in chunk and "MB of the 20 MB it may have, also with" in chunk
    assert chunk.endswith(
        "; make chunks smaller (matrix.chunk_columns, now 80); ask for more: --set-resources "
        "build_chunk:mem_mb=40 (now 20)"
    )
    assert area.startswith(
        "error: out of memory: simulate_area/CA: the process that did this job's"
    )
    assert area.endswith("; ask for more: --set-resources simulate_area:mem_mb=40 (now 20)")
    assert not list(run.folder.glob("runs/small/matrix/chunks/*.parts"))
