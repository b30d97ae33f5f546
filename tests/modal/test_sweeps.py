"""A policy sweep on Modal: the bytes of a local one, and nothing that is finished is made again."""

import shutil

import pytest
import yaml

from tests.modal.test_localcal import Modal
from tests.workflow.test_sweeps import SETTINGS

SWEEP = "runs/small/sweeps/snap"
SMALL = ("--configfile", "small.yaml")
# Ends the process that simulates, like a machine without memory, at its third simulation; as long
# as there is a file on the volume that says so.
OUTCOME = """
import os
import signal
from pathlib import Path

from localcal.sweeps.context import Row
from localcal.sweeps.outcomes import requires

calls = []


@requires("snap")
def fragile(context):
    calls.append(context)
    links = Path(".snakemake/storage").rglob("baseline/*.h5")
    if len(calls) == 3 and any((link.resolve().parents[5] / "lethal").exists() for link in links):
        os.kill(os.getpid(), signal.SIGKILL)
    yield Row("", *(context.total(values, "snap") for values in context.sides))
"""


def write_sweep(folder, **settings):
    own = {
        "outcomes": ["cost", "config/sweeps/own.py:fragile"],
        "on_out_of_memory": "fail",
        "pilot": 0,
        "memory_mb": 3000,
    }
    content = SETTINGS | own | settings
    (folder / "config/sweeps/snap.yaml").write_text(yaml.safe_dump(content))
    (folder / "config/sweeps/snap.csv").write_text("snap.maximum\n2000\n3000\n4000\n5000\n")
    (folder / "config/sweeps/own.py").write_text(OUTCOME)


def collected(folder):
    """The bytes of everything that is collected."""
    paths = [*folder.glob("outcomes/*"), folder / "failures.parquet", folder / "manifest.json"]
    return {path.name: path.read_bytes() for path in sorted(paths)}


@pytest.fixture
def local(finished, tmp_path):
    """A finished small run with a sweep that was made on this machine."""
    checkout = finished.copy(tmp_path / "local")
    write_sweep(checkout.folder)
    result = checkout.snakemake("--cores", "2", *SMALL, "--", f"{SWEEP}/manifest.json")
    assert result.returncode == 0, result.stdout
    return checkout


def test_a_sweep_on_modal_has_the_bytes_of_a_local_one_and_keeps_what_is_finished(
    local, finished, emulator, tmp_path, finding
):
    remote = Modal(finished.copy(tmp_path / "remote"), emulator)
    write_sweep(remote.checkout.folder)
    # Makes the volume.
    assert remote.run("-n").code == 0
    shutil.copytree(remote.checkout.folder / "runs", remote.files / "runs")
    (remote.files / "lethal").touch()
    wanted = ("--retries", "0", f"{SWEEP}/manifest.json")

    broken = remote.run(*wanted)

    assert broken.code == 1
    sets = remote.files / SWEEP / "sets"
    kept = {path.name: path.stat().st_mtime_ns for path in sets.rglob("*.parquet")}
    # Two batches of eight simulations, of which each was killed in its third.
    assert len(kept) == 4
    assert (
        "out of memory: run_batch/snap/0000: the process that did this job's work was killed"
        in (broken.output)
    )
    assert not (remote.files / SWEEP / "batches").exists()

    (remote.files / "lethal").unlink()
    result = remote.run(*wanted)

    assert result.code == 0, result.output
    assert collected(remote.files / SWEEP) == collected(local.folder / SWEEP)
    now = {path.name: path.stat().st_mtime_ns for path in sets.rglob("*.parquet")}
    assert len(now) == 16 and kept.items() <= now.items()
    for batch in ("0000", "0001"):
        log = (remote.files / f"runs/small/logs/run_batch/snap/{batch}.log").read_text()
        assert f"batch {int(batch)}: simulations: 2 of 8 were done before" in log

    # The variable reaches the containers, and another size discards nothing.
    again = remote.run(*wanted, LOCALCAL_SWEEP_BATCH_SIZE="3")
    assert again.code == 0, again.output
    log = (remote.files / "runs/small/logs/run_batch/snap/0001.log").read_text()
    assert "batch 1: simulations: 4 of 4 were done before" in log
    assert {path.name: path.stat().st_mtime_ns for path in sets.rglob("*.parquet")} == now
    assert collected(remote.files / SWEEP) == collected(local.folder / SWEEP)
    finding(
        f"killed in both batches after 2 of 8 simulations each: 4 kept, then 12 made in "
        f"{result.seconds:.0f} s; cut anew: 0 made in {again.seconds:.0f} s"
    )
