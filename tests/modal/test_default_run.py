"""The default workflow with the real model, on the emulator: half an hour."""

import subprocess

import pytest

from tests.modal.conftest import finish
from tests.modal.test_localcal import digests


@pytest.mark.slow
def test_the_default_run_has_the_bytes_of_a_local_one(checkout, emulator, finding, tmp_path):
    here = checkout.copy(tmp_path / "local")
    local = subprocess.Popen(
        here.command("--cores", "2"),
        cwd=here.folder,
        env=here.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    result = finish(local, 3600)
    assert result.code == 0, result.output

    own = checkout.environment
    remote = subprocess.Popen(
        checkout.command(
            *("--profile", "modal", "--modal-max-containers", "3"),
            *("--modal-start-timeout", "900"),
        ),
        cwd=checkout.folder,
        env={name: text for name, text in own.items() if not name.endswith("_proxy")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    result = finish(remote, 3600)
    assert result.code == 0, result.output

    files = emulator.volumes.committed("localcal") / "runs/demo"
    assert digests(files) == digests(here.folder / "runs/demo")
    assert emulator.most_containers <= 3
    logs = [path.read_text() for path in (emulator.root / "logs").glob("*.log")]
    loaded = [log.count("starting a process that loads") for log in logs]
    assert max(loaded) == 1
    finding(f"{result.seconds:.0f} s, {len(loaded)} containers, model loaded {loaded} times")
