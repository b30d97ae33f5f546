"""The default workflow under the real model: disturbed, cut differently, with other cores.

Slow: an undisturbed run takes minutes, and there are six of them.
"""

import hashlib
import random
import signal
import subprocess
import time

import psutil
import pytest

from tests.workflow.conftest import copy_sources

pytestmark = pytest.mark.slow

KILLS = 10
# Long enough for jobs to be in the middle of things, short enough not to finish the run.
SECONDS_BEFORE_A_KILL = (10, 75)


def products(checkout, run_id="demo"):
    """Return the digest of every file that makes up the result."""
    folder = checkout.folder / "runs" / run_id
    chosen = [folder / "matrix" / "matrix.h5", *folder.glob("weights/*/weights.npy")]
    chosen += folder.glob("areas/*/*.h5")
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(chosen)
    }


def run(checkout, *arguments):
    result = checkout.snakemake(*arguments)
    assert result.returncode == 0, result.stdout[-5_000:]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    checkout = copy_sources(tmp_path_factory.mktemp("undisturbed") / "checkout")
    run(checkout, "--cores", "2")
    return checkout


def test_a_finished_run_has_nothing_to_do(undisturbed):
    assert undisturbed.jobs("--cores", "2") == {}


def test_ten_kills_at_random_moments_change_no_byte(undisturbed, tmp_path):
    checkout = copy_sources(tmp_path / "checkout")
    moments = random.Random(0)
    for _ in range(KILLS):
        process = checkout.start("--cores", "2")
        started = psutil.Process(process.pid)
        try:
            process.wait(timeout=moments.uniform(*SECONDS_BEFORE_A_KILL))
        except subprocess.TimeoutExpired:
            children = started.children(recursive=True)
            process.send_signal(signal.SIGKILL)
            process.wait()
            _, alive = psutil.wait_procs(children, timeout=10)
            assert not alive, "scripts outlived Snakemake"
    run(checkout, "--cores", "2")
    assert products(checkout) == products(undisturbed)
    assert checkout.jobs("--cores", "2") == {}
    leftovers = [p for p in checkout.folder.rglob("*") if p.name.endswith(".part")]
    assert leftovers == []


def test_one_core_and_two_give_the_same_bytes(undisturbed, tmp_path):
    checkout = copy_sources(tmp_path / "checkout")
    run(checkout, "--cores", "1")
    assert products(checkout) == products(undisturbed)


@pytest.mark.parametrize("columns", [500, 10_000])
def test_the_chunk_size_does_not_show_in_the_matrix(undisturbed, columns):
    name = f"chunks{columns}"
    matrix = f"runs/{name}/matrix/matrix.h5"
    arguments = ["--cores", "2", matrix, "--config", f"run_id={name}"]
    run(undisturbed, *arguments, f"matrix={{chunk_columns: {columns}}}")
    ours = products(undisturbed, name)["matrix/matrix.h5"]
    assert ours == products(undisturbed)["matrix/matrix.h5"]


def test_a_lost_shard_is_made_again_and_nothing_beside_it(undisturbed):
    time.sleep(1)
    (undisturbed.folder / "runs/demo/matrix/chunks/chunk_000003.h5").unlink()
    jobs = undisturbed.jobs("--cores", "2")
    assert jobs["build_chunk"] == 1
    before = {"build_population", "resolve_targets", "freeze_values", "plan_chunks"}
    assert not before & jobs.keys()
    assert {"assemble_matrix", "fit_weights", "write_area", "simulate_area"} <= jobs.keys()
