"""The default workflow, with policyengine-us, on a Slurm cluster."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.slurm.conftest import PROFILE, final_files
from tests.workflow.conftest import Checkout, copy_sources

RUN = Path("runs/demo")
HOUR = 3600


def run(checkout: Checkout, *arguments: str, seconds: float) -> str:
    """Run Snakemake to its end and return what it wrote; kill it when the time is over."""
    output = checkout.folder / "output.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            checkout.command(*arguments),
            cwd=checkout.folder,
            env=checkout.environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        process.wait(timeout=seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert process.returncode == 0, output.read_text()
    return output.read_text()


@pytest.mark.slow
def test_the_default_run_has_the_bytes_of_a_local_one(cluster, tmp_path, capsys):
    local = copy_sources(tmp_path / "local")
    run(local, "--cores", "2", seconds=HOUR)
    checkout = copy_sources(tmp_path / "checkout")
    output = run(checkout, *PROFILE, seconds=3 * HOUR)
    with capsys.disabled():
        print("", *output.splitlines()[-12:], sep="\n")  # noqa: T201 - what is worth a look
    expected = final_files(local.folder / RUN)
    assert len(expected) == 1 + 2 + 9
    assert final_files(checkout.folder / RUN) == expected
    assert "Nothing to be done" in checkout.snakemake("-n", *PROFILE).stdout
