"""Jobs that take more memory than they may."""

import pytest

from tests.workflow.conftest import Checkout

SMALL = ("--configfile", "small.yaml")
CHUNK = "runs/small/matrix/chunks/chunk_000001.h5"
TOTALS = "runs/small/validation/totals/CA.h5"


@pytest.fixture
def run(finished, tmp_path) -> Checkout:
    """A finished run."""
    return finished.copy(tmp_path / "checkout")


def error_of(run: Checkout, file: str, rule: str) -> str:
    """Return what is said where a file is made with too little memory."""
    (run.folder / file).unlink()
    limits = ("--set-resources", f"{rule}:mem_mb=20")
    result = run.snakemake("--cores", "1", *SMALL, *limits, "--", file)
    assert result.returncode == 1
    (error,) = {line for line in result.stdout.splitlines() if line.startswith("error: ")}
    return error


def test_a_job_above_its_memory_is_ended_and_says_what_was_seen_and_what_to_change(run):
    area = error_of(run, TOTALS, "simulate_area")
    assert area.startswith(
        "error: out of memory: simulate_area/CA: the process that did this job's"
    )
    assert "was ended since it took" in area and "MB of the 20 MB it may have; ask for" in area
    assert area.endswith("; ask for more: --set-resources simulate_area:mem_mb=40 (now 20)")
    chunk = error_of(run, CHUNK, "build_chunk")
    assert chunk.startswith("error: out of memory: build_chunk/000001: the process that did this ")
    assert "was ended since it took" in chunk and "MB of the 20 MB it may have, also with" in chunk
    assert chunk.endswith(
        "; make chunks smaller (matrix.chunk_columns, now 80); ask for more: --set-resources "
        "build_chunk:mem_mb=40 (now 20)"
    )
    assert not list(run.folder.glob("runs/small/matrix/chunks/*.parts"))
