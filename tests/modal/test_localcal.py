"""localcal's own workflow with its profile for Modal, on the emulator."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.modal.conftest import Result, begin, finish, payloads, wait_until
from tests.workflow.conftest import SMALL_JOBS, Checkout, copy_sources, give_inputs, listed_jobs

VOLUME = "localcal"
# The stand-in model is not part of localcal; everything else is as in the profile.
STANDIN = [
    *("--modal-packages", "localcal", "tests"),
    *("--modal-check", "python -m localcal.load_model tests.standin_engine:StandIn"),
]


def connected(checkout: Checkout) -> dict[str, str]:
    """Its environment without the proxies that keep local runs from asking the emulator."""
    own = checkout.environment
    return {name: text for name, text in own.items() if not name.endswith("_proxy")}


AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@b")


class Modal:
    """A checkout whose Snakemake is called with `--profile modal`."""

    def __init__(self, checkout: Checkout, emulator):
        self.checkout, self.emulator = checkout, emulator

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        words = ["--profile", "modal", "--configfile", "small.yaml", "--modal-max-containers", "3"]
        command = self.checkout.command(*arguments, *words, *STANDIN)
        return begin(command, self.checkout.folder, connected(self.checkout) | environment)

    def run(self, *arguments: str, seconds: float = 300, **environment: str) -> Result:
        return finish(self.start(*arguments, **environment), seconds)

    @property
    def files(self) -> Path:
        return self.emulator.volumes.committed(VOLUME)

    def calls(self, start: str) -> list[list[str]]:
        """The files of each call whose first file's path starts so."""
        found = [payload["files"] for payload in payloads(self.emulator)]
        return [files for files in found if files[0].startswith(start)]

    def container_logs(self) -> list[str]:
        return [path.read_text() for path in (self.emulator.root / "logs").glob("*.log")]


@pytest.fixture
def remote(checkout, emulator) -> Modal:
    """The small run, nothing made yet."""
    give_inputs(checkout.folder)
    return Modal(checkout, emulator)


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every final file of a run."""
    names = ["matrix/matrix.h5", "weights/*/weights.npy", "areas/*/*.h5", "validation/*/*.csv"]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in names
        for path in sorted(folder.glob(name))
    }


def test_a_run_on_modal_has_the_bytes_of_a_local_one(remote, finished, finding):
    result = remote.run()

    assert result.code == 0, result.output
    local = digests(finished.folder / "runs/small")
    assert len(local) == 15
    assert digests(remote.files / "runs/small") == local
    assert remote.emulator.most_containers <= 3
    # All in one call but the nation's, which has a fit of its own.
    assert len(remote.calls("runs/small/areas/")) <= 2
    loaded = [log.count("starting a process that loads") for log in remote.container_logs()]
    assert max(loaded) == 1
    finding(f"{result.seconds:.0f} s, {len(loaded)} containers, model loaded {loaded} times")

    again = remote.run("-n")
    assert "Nothing to be done" in again.output, again.output


def test_a_killed_run_goes_on_and_its_record_is_kept_by_the_volume(
    remote, finished, finding, tmp_path
):
    # Makes the volume.
    assert listed_jobs(remote.run("-n").output) == SMALL_JOBS
    process = remote.start()
    chunks = remote.files / "runs/small/matrix/chunks"
    wait_until(lambda: chunks.is_dir() and list(chunks.glob("*.h5")), 200)
    os.killpg(process.pid, 9)
    process.communicate()

    result = remote.run()

    assert result.code == 0, result.output
    assert digests(remote.files / "runs/small") == digests(finished.folder / "runs/small")
    built = [log.count("rule build_chunk:") for log in remote.container_logs()]
    assert sum(built) == SMALL_JOBS["build_chunk"]
    finding("kill -9 among the chunks, the same command: same bytes, 0 chunks built again")

    # Another machine has the sources and the given files, nothing else.
    elsewhere = Modal(copy_sources(tmp_path / "elsewhere"), remote.emulator)
    give_inputs(elsewhere.checkout.folder)
    assert "Nothing to be done" in elsewhere.run("-n").output
    chunk = remote.files / "runs/small/matrix/chunks/chunk_000001.h5"
    chunk.unlink()
    jobs = listed_jobs(elsewhere.run("-n").output)
    assert jobs["build_chunk"] == 1 and "build_population" not in jobs

    config = elsewhere.checkout.folder / "small.yaml"
    config.write_text(config.read_text() + "seed: 1\n")
    dry = elsewhere.run("-n")
    assert "warning: runs/small/run.json: config.seed: 0 -> 1" in dry.output
    refused = elsewhere.run()
    assert refused.code == 1
    assert "config.seed: 0 -> 1; choose a new run id" in refused.output

    (remote.files / "runs/small/run.json").unlink()
    refused = elsewhere.run("-n")
    assert refused.code == 1
    assert re.search(r"run.json is missing, but there is runs/small/\w+/", refused.output)


def test_a_detached_run_needs_no_machine_and_is_seen_from_anywhere(
    remote, finished, finding, tmp_path
):
    folder, environment = remote.checkout.folder, connected(remote.checkout)
    for words in (["init", "-q"], ["add", "."], [*AUTHOR, "commit", "-qm", "all"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    command = [sys.executable, "-m", "localcal.command"]
    profile = ["--profile", "modal", "--configfile", "small.yaml", "--modal-max-containers", "2"]
    run = [*command, "run", "--detach", *profile, *STANDIN]

    started = finish(begin([*run, "--config", "run_id=small"], folder, environment))
    assert started.code == 0, started.output
    assert "small runs on Modal" in started.output
    status = [*command, "status", "small", "--runs", "modal://localcal"]
    watched = finish(begin([*status, "--watch"], folder, environment), 400)

    assert watched.code == 0, watched.output
    local, files = finished.folder / "runs/small", remote.files / "runs/small"
    assert digests(files) == digests(local)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=folder, text=True).strip()
    record = json.loads((files / "run.json").read_text())
    assert remote.emulator.apps.deployments == 2
    # The coordinator there had the sources of a commit, and knew which.
    assert (record["commit"], record["clean"]) == (head, True)
    said = json.loads(finish(begin([*status, "--json"], folder, environment)).output)["runs"][0]
    assert said["state"] == "completed" and said["cost"]["cpu_hours"] > 0
    # What else the documentation tells to type from anywhere.
    coordinator = [sys.executable, "-m", "snakemake_executor_plugin_modal.coordinator"]
    desk = ["small", "--volume", "localcal"]
    for words, says in (
        ([*command, "status", "--runs", "modal://localcal"], "small"),
        ([*command, "perf", "small", "--runs", "modal://localcal"], "work away from its data"),
        ([*command, "clean", "--runs", "modal://localcal"], ""),
        ([*coordinator, "logs", *desk, "--follow"], "small: completed"),
        ([*coordinator, "stop", *desk], "small: completed"),
    ):
        typed = finish(begin(words, folder, environment))
        assert typed.code == 0 and says in typed.output, typed.output
    for path in remote.files.rglob("*"):
        assert not path.is_file() or b"as-emulated" not in path.read_bytes(), path
    finding(f"started in {started.seconds:.0f} s, complete after {watched.seconds:.0f} s more")
