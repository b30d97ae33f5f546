"""The default workflow with the real model, on the emulator: half an hour."""

import pytest

from tests.modal.conftest import begin, finish
from tests.modal.test_localcal import connected, digests


@pytest.mark.slow
def test_the_default_run_has_the_bytes_of_a_local_one(checkout, emulator, finding, tmp_path):
    here = checkout.copy(tmp_path / "local")
    local = begin(here.command("--cores", "2"), here.folder, here.environment)
    result = finish(local, 3600)
    assert result.code == 0, result.output

    command = checkout.command(
        *("--profile", "modal", "--modal-max-containers", "3"),
        *("--modal-start-timeout", "900"),
    )
    result = finish(begin(command, checkout.folder, connected(checkout)), 3600)
    assert result.code == 0, result.output

    files = emulator.volumes.committed("localcal") / "runs/demo"
    assert digests(files) == digests(here.folder / "runs/demo")
    assert emulator.most_containers <= 3
    logs = [path.read_text() for path in (emulator.root / "logs").glob("*.log")]
    loaded = [log.count("starting a process that loads") for log in logs]
    assert max(loaded) == 1
    finding(f"{result.seconds:.0f} s, {len(loaded)} containers, model loaded {loaded} times")
