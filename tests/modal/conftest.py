"""The emulator of Modal's server as a fixture, and small workflows that are run on it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import modal
import pytest
from modal.client import _Client

from tests.modal_emulator import Emulator
from tests.workflow.conftest import checkout, finished  # noqa: F401  (fixtures, used here too)

REPOSITORY = Path(__file__).parents[2]
VOLUME = "data"
FINDINGS = pytest.StashKey[list[str]]()


def pytest_collection_modifyitems(items):
    """Keep these out of `make test`: together they take minutes, and some an account."""
    for item in items:
        here = item.path.is_relative_to(Path(__file__).parent)
        if here and item.get_closest_marker("modal_live") is None:
            item.add_marker("modal")


@pytest.fixture
def emulator(tmp_path, monkeypatch):
    """A running emulator that this process and its children are pointed at."""
    with Emulator(tmp_path / "modal") as running:
        monkeypatch.setenv("MODAL_SERVER_URL", running.url)
        monkeypatch.setenv("MODAL_TOKEN_ID", "ak-emulated")
        monkeypatch.setenv("MODAL_TOKEN_SECRET", "as-emulated")
        # Never a developer's own token.
        monkeypatch.setenv("MODAL_CONFIG_PATH", "/nonexistent")
        _Client._set_env_client(None)
        yield running
        # Not where a test asked nothing: that would only open a connection to drop it.
        if _Client._client_from_env is not None:
            modal.Client.from_env().close()
        _Client._set_env_client(None)
    assert not running.tasks.errors
    assert not running.unknown, f"not in the emulator: {running.unknown}"


@dataclass
class Result:
    code: int
    output: str
    seconds: float

    @property
    def steps_done(self) -> str:
        """The last "n of m" of Snakemake's progress lines."""
        return re.findall(r"(\d+ of \d+) steps", self.output)[-1]


@dataclass
class Project:
    """A workflow in a folder of its own, run by Snakemake with the executor on the emulator."""

    folder: Path
    emulator: Emulator
    options: dict[str, str | None] = field(default_factory=dict)
    started: list[subprocess.Popen] = field(default_factory=list)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def command(self, *arguments: str) -> list[str]:
        options = {
            "--executor": "modal",
            "--jobs": "8",
            "--default-storage-provider": "modal",
            "--default-storage-prefix": f"modal://{VOLUME}",
            "--modal-volume": VOLUME,
            "--modal-max-containers": "2",
            "--modal-memory-classes": "500",
            "--modal-scaledown-window": "5",
            "--latency-wait": "2",
            **self.options,
        }
        given = {name: text for name, text in options.items() if text is not None}
        words = [word for name, text in given.items() for word in (name, *text.split())]
        return [sys.executable, "-m", "snakemake", *arguments, *words]

    def start(self, *arguments: str) -> subprocess.Popen:
        paths = [str(REPOSITORY / "workflow"), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        process = begin(self.command(*arguments), self.folder, environment)
        self.started.append(process)
        return process

    def run(self, *arguments: str, seconds: float = 120) -> Result:
        return finish(self.start(*arguments), seconds)

    @property
    def files(self) -> Path:
        """What is committed on the volume."""
        return self.emulator.volumes.committed(VOLUME)

    def content(self, pattern: str = "out/*") -> dict[str, str]:
        return {path.name: path.read_text() for path in sorted(self.files.glob(pattern))}

    def sent(self) -> Counter[str]:
        """How often each job's first file was asked for by a call."""
        return Counter(name for name, _ in self._calls())

    def deliveries(self) -> Counter[str]:
        """How often a container began each job, by its first file."""
        found: Counter[str] = Counter()
        for name, count in self._calls():
            found[name] += count
        return found

    def _calls(self) -> list[tuple[str, int]]:
        calls = list(self.emulator.inputs.by_id.values())
        sent = [(payload(call), call.deliveries) for call in calls]
        return [(one["files"][0], count) for one, count in sent if one["kind"] == "job"]


def payloads(emulator) -> list[dict]:
    """What was sent to run jobs, in order."""
    sent = [payload(call) for call in list(emulator.inputs.by_id.values())]
    return [one for one in sent if one["kind"] == "job"]


def payload(call) -> dict:
    """What a call was made with."""
    from modal._serialization import deserialize

    ((found,), _) = deserialize(call.input.args, None)
    return found


def begin(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen:
    """Start a command whose output `finish` gives."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen, seconds: float = 120) -> Result:
    """The result of a running Snakemake; it and what it started are killed after `seconds`."""
    began = time.monotonic()
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise AssertionError(f"still running after {seconds} s:\n{output}") from None
    return Result(process.returncode, output, time.monotonic() - began)


def wait_until(true, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


@pytest.fixture
def project(tmp_path, emulator):
    """An empty project, with the volume it uses."""
    modal.Volume.objects.create(VOLUME, version=2)
    folder = tmp_path / "project"
    folder.mkdir()
    project = Project(folder, emulator)
    yield project
    for process in project.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture
def finding(request):
    """Tell what was seen; it is printed in a table at the end."""

    def tell(text: str) -> None:
        request.config.stash.setdefault(FINDINGS, []).append(f"{request.node.name}: {text}")

    return tell


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(FINDINGS, []):
        terminalreporter.write_line(line)
