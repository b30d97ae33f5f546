"""The smoke test: on the real Modal with `pytest -m modal_live`, else on the emulator.

Costs cents. It makes a volume and an app of its own, whose names begin with localcal-smoke, and
removes both in the end, whatever happened.
"""

import os
import subprocess
import sys
import uuid

import modal
import pytest
from modal.config import config

from tests.modal import smoke
from tests.modal.conftest import REPOSITORY


def snakemake_in(folder, **environment):
    """Return a function that starts Snakemake in a folder."""
    paths = [str(folder / "workflow"), str(folder), str(REPOSITORY / "workflow")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | environment

    def start(*arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def test_out_of_memory_and_a_stop_on_the_emulator(emulator, tmp_path):
    smoke.check_faults(snakemake_in(tmp_path), tmp_path, "localcal-smoke")
    assert smoke.remove("localcal-smoke") == []


@pytest.fixture
def volume():
    """The name of a volume and an app that are gone in the end."""
    if not (config.get("token_id") and config.get("token_secret")):
        pytest.skip(
            "needs a Modal account: `modal setup`, or MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"
        )
    name = f"localcal-smoke-{uuid.uuid4().hex[:8]}"
    yield name
    assert smoke.remove(name) == [], "something is left that costs"


@pytest.mark.modal_live
def test_out_of_memory_and_a_stop(volume, tmp_path):
    smoke.check_faults(snakemake_in(tmp_path), tmp_path, volume)


@pytest.mark.modal_live
def test_one_chunk(volume, checkout):
    chunk = "runs/smoke/matrix/chunks/chunk_000000.h5"
    remote = snakemake_in(checkout.folder)(
        chunk,
        *("--profile", "modal", "--default-storage-prefix", f"modal://{volume}"),
        *("--storage-modal-create", volume, "--modal-app", f"app-{volume}"),
        *("--modal-max-containers", "2", "--modal-scaledown-window", "2"),
        *("--config", "run_id=smoke", "population={households: 50}"),
    )
    output, _ = remote.communicate(timeout=1800)
    assert remote.returncode == 0, output
    local = checkout.snakemake(
        chunk, "--cores", "2", "--config", "run_id=smoke", "population={households: 50}"
    )
    assert local.returncode == 0, local.stdout
    stored = smoke.read(modal.Volume.from_name(volume, version=2), chunk)
    assert stored == (checkout.folder / chunk).read_bytes()
