"""Runs commands in forks of the zygote, and watches their memory and time."""

import json
import os
import select
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from snakemake_modal_worker import processes
from snakemake_modal_worker.code import FOLDER

WATCH_INTERVAL = 0.2
"""Seconds between two looks at a job's memory."""

SNAKEMAKE_MB = 100
"""What Snakemake itself may take in a job's processes, besides the job's memory."""

MARGIN_MB = 200
"""How far below the container's hard limit a job is ended, so that it is we who end it."""


class CannotStart(Exception):
    """The zygote could not import what it should; the text says what."""


@dataclass
class Limits:
    """What a job may use: its memory, that of the whole container, and time.

    What earlier jobs left behind (`left_mb`) is not the job's own.
    """

    memory_mb: int
    hard_limit_mb: int
    deadline: float
    left_mb: float = 0.0
    peak_mb: float = 0.0
    exceeded: str | None = None

    def begin(self) -> None:
        """Look at what is there before the job."""
        self.left_mb = processes.memory_mb(processes.of_jobs(None))

    def look(self, pid: int) -> bool:
        """Whether the processes of `pid` may go on."""
        used = processes.memory_mb(processes.of_jobs(pid)) - self.left_mb
        self.peak_mb = max(self.peak_mb, used)
        in_all = processes.memory_mb(processes.everything())
        if used > self.memory_mb + SNAKEMAKE_MB or in_all > self.hard_limit_mb - MARGIN_MB:
            self.exceeded = "memory"
        elif time.monotonic() > self.deadline:
            self.exceeded = "time"
        return self.exceeded is None


class Zygote:
    """The zygote of this container; `imports` counts how often its modules were imported."""

    def __init__(self, modules: list[str]):
        self._modules = modules
        self._process: subprocess.Popen | None = None
        self.running: int | None = None
        self.imports = 0

    def start(self) -> None:
        """Import everything, if that has not been done in this container.

        Raises:
            CannotStart: a module could not be imported.
        """
        if self._process is not None and self._process.poll() is None:
            return
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "snakemake_modal_worker.zygote", str(theirs.fileno())]
            + self._modules,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=python_environment(),
            start_new_session=True,
        )
        theirs.close()
        self._connection = ours
        self._channel = ours.makefile("rw")
        self.imports += 1
        answer = self._hear()
        if answer is None or answer["error"]:
            ended = f"its process ended with {self._process.wait()}"
            raise CannotStart(answer["error"] if answer else ended)

    def run(
        self, command: list[str], cwd: str, env: dict[str, str], log: Path, limits: Limits
    ) -> int:
        """Exit code of a command; it is killed at a limit.

        Raises:
            CannotStart: see `start`.
        """
        self.start()
        request = {"command": command, "cwd": cwd, "env": env, "log": str(log)}
        self._channel.write(json.dumps(request) + "\n")
        self._channel.flush()
        started = self._hear()
        if started is None:
            return 1
        self.running = started["pid"]
        echo = Echo(log)
        limits.begin()
        while not select.select([self._connection], [], [], WATCH_INTERVAL)[0]:
            echo.copy()
            if not limits.look(self.running):
                processes.kill(processes.of_jobs(self.running))
        ended = self._hear()
        self.running = None
        echo.copy()
        return 1 if ended is None else ended["exit"]

    def kill(self) -> None:
        """End what is running now; the next command starts a new zygote."""
        if self._process is not None:
            processes.kill(processes.of_jobs(self._process.pid))
            self._process.wait()
        self.running = None

    def _hear(self) -> dict | None:
        line = self._channel.readline()
        return json.loads(line) if line else None


class Echo:
    """Copies what is appended to a file to the container's own output, where Modal shows it."""

    def __init__(self, path: Path):
        self._path, self._done = path, path.stat().st_size if path.exists() else 0

    def copy(self) -> None:
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._done)
                text = file.read()
            self._done += len(text)
            sys.stdout.write(text.decode(errors="replace"))
            sys.stdout.flush()


def python_environment() -> dict[str, str]:
    """The environment of this process, in which the local packages are found too."""
    paths = [str(FOLDER), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
