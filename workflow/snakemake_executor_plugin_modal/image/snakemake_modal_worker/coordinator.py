"""The function of a detached coordinator: runs Snakemake itself in a small container.

Modal starts it again, with the same input, whenever its container dies or is taken away. The new
one unpacks the same sources and calls Snakemake with the same arguments; the plugin's records on
the volume tell it which calls are on their way. So nothing but the volume has to outlive a
container.
"""

import functools
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import modal
from grpclib.exceptions import StreamTerminatedError
from snakemake_modal_worker import processes
from snakemake_modal_worker.desk import (
    FOLDER,
    REQUEST,
    SOURCES,
    STATE,
    STOP,
    Desk,
    log_name,
)
from snakemake_modal_worker.main import versions
from snakemake_modal_worker.runner import Echo, python_environment

FUNCTION = "coordinate"
"""What the function is called in its app."""

PLACE = Path("/tmp/snakemake-coordinator")
"""Where the sources are unpacked: always the same, and never on the volume."""

LOOK = 0.5
"""Seconds between two looks at Snakemake."""

BEAT = 5
"""Seconds between two looks at the volume; the log is written to it as often."""

SIGN_OF_LIFE = 30
"""Seconds after which the state is written again even if nothing changed."""

STOP_PATIENCE = 90
"""Seconds that Snakemake has to cancel its calls and end."""

MOST_DEATHS, WITHIN = 5, 3600
"""A coordinator whose container died so often within so many seconds is given up."""

PATIENCE = 900
"""Seconds without an answer of Modal after which this call gives up."""

PASSING = (
    ConnectionError,
    TimeoutError,
    modal.exception.ConnectionError,
    modal.exception.InternalError,
    modal.exception.ResourceExhaustedError,
    modal.exception.ServiceError,
    modal.exception.VolumeUploadTimeoutError,
    StreamTerminatedError,
)
"""Errors after which the same question may be answered."""


class Replaced(Exception):
    """Another container does this coordinator's work by now."""


class Refused(Exception):
    """What is asked cannot be done here; the text says why."""


def coordinate(payload: dict) -> str:
    """Run Snakemake until it ends, is stopped, or has to go on in another call; what it came to.

    `payload`: name, id (the same for all calls of a coordinator), volume, environment, sha256 (of
    the sources), paths (folders in them that Python imports from), arguments (of Snakemake),
    versions (that have to be the same here), app, seconds (after which to go on in another call).
    """
    volume = modal.Volume.from_name(payload["volume"], environment_name=payload["environment"])
    attempt = Attempt(payload, Desk(volume, payload["name"]))
    try:
        attempt.begin()
        return attempt.run()
    except Replaced:
        return "replaced"
    except Refused as reason:
        attempt.say("failed", error=str(reason))
        return "failed"
    except BaseException as error:
        # Taken away, or without an answer for long: Modal starts it again, and that one takes up
        # the calls. This Snakemake must not go on beside it.
        attempt.kill()
        if isinstance(error, Exception) and not isinstance(error, PASSING):
            attempt.last_words("failed", error=f"{type(error).__name__}: {error}")
        else:
            attempt.last_words("interrupted")
        raise


@dataclass
class Attempt:
    """What one container does for a coordinator."""

    payload: dict
    desk: Desk
    number: int = 1
    state: dict[str, Any] = field(default_factory=dict)
    snakemake: subprocess.Popen | None = None
    log: Path = PLACE / "log"
    sent: int = 0
    said: float = 0.0

    def begin(self) -> None:
        """Read what there is to do, and count this container.

        Raises:
            Replaced: this coordinator was started anew since, or has ended.
            Refused: its containers die again and again, or are not what it was started from.
        """
        before, wanted = ask(self._read)
        if wanted.get("id") != self.payload["id"]:
            raise Replaced
        if before.get("id") != self.payload["id"]:
            before = {}
        if before.get("state") in ("completed", "failed", "stopped"):
            raise Replaced
        deaths = [one for one in before.get("deaths", []) if one > time.time() - WITHIN]
        if before.get("state") == "running":
            deaths.append(time.time())
        self.number = before.get("attempt", 0) + 1
        self.state = {
            "name": self.payload["name"],
            "id": self.payload["id"],
            "arguments": self.payload["arguments"],
            "attempt": self.number,
            "deaths": deaths,
            "started": before.get("started", time.time()),
            "call": modal.current_function_call_id(),
            "container": os.environ.get("MODAL_TASK_ID", ""),
        }
        self.say("running")
        ask(lambda: self.desk.write(log_name(self.number), b""))
        if len(deaths) >= MOST_DEATHS:
            raise Refused(
                f"its container died {len(deaths)} times within an hour: it lacks memory, or a "
                "rule that runs in it crashes; the last of its logs may tell which"
            )
        here = versions()
        differing = [
            f"{name} is {here[name] or 'missing'} in its container, {version} where it was started"
            for name, version in self.payload["versions"].items()
            if here[name] != version
        ]
        if differing:
            raise Refused("; ".join(differing))

    def _read(self) -> tuple[dict, dict]:
        return self.desk.read_json(STATE), self.desk.read_json(REQUEST)

    def run(self) -> str:
        """Call Snakemake and stay with it."""
        if STOP in ask(self.desk.names):
            cancel_left(self.desk, self.payload["id"])
            return self.end("stopped")
        folder = unpack(ask(lambda: self.desk.read(SOURCES)), self.payload["sha256"])
        echo = Echo(self.log)
        self.snakemake = self._start(folder)
        beaten = time.monotonic()
        deadline = beaten + self.payload["seconds"]
        while self.snakemake.poll() is None:
            time.sleep(LOOK)
            if time.monotonic() > deadline:
                return self._go_on_in_another_call()
            if time.monotonic() - beaten > BEAT:
                echo.copy()
                if self._beat():
                    self._stop()
                    return self.end("stopped")
                beaten = time.monotonic()
        echo.copy()
        code = self.snakemake.returncode
        return self.end("failed" if code else "completed", exit=code)

    def _start(self, folder: Path) -> subprocess.Popen:
        paths = [str(folder / path) for path in self.payload["paths"]]
        environment = python_environment()
        paths.append(environment["PYTHONPATH"])
        environment |= {
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
            "SMK_MODAL_COORDINATOR": self.payload["id"],
        }
        if self.payload["environment"]:
            environment["MODAL_ENVIRONMENT"] = self.payload["environment"]
        with self.log.open("wb") as log:
            # A session of its own: a signal that announces the end of this container is ours.
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", *self.payload["arguments"]],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _beat(self) -> bool:
        """Show that this container is at work; whether it shall stop.

        Raises:
            Replaced: another container has begun.
        """
        try:
            names = self.desk.names()
            if log_name(self.number + 1) in names:
                self.kill()
                raise Replaced
            self.send_log()
            if time.monotonic() - self.said > SIGN_OF_LIFE:
                self.say("running")
        except PASSING as error:
            # Snakemake waits for Modal with a patience of its own.
            sys.stdout.write(f"Modal does not answer the coordinator: {error}\n")
            return False
        return STOP in names

    def _stop(self) -> None:
        """Let Snakemake cancel its calls and end."""
        assert self.snakemake is not None
        self.snakemake.send_signal(signal.SIGINT)
        try:
            self.snakemake.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        cancel_left(self.desk, self.payload["id"])

    def _go_on_in_another_call(self) -> str:
        """End Snakemake, not its calls, and have Modal start the same anew."""
        self.kill()
        self.last_words("continued")
        function = modal.Function.from_name(
            self.payload["app"],
            FUNCTION,
            environment_name=self.payload["environment"],
        )
        call = ask(lambda: function.spawn(self.payload))
        self.say("continued", call=call.object_id)
        return "continued"

    def kill(self) -> None:
        """End Snakemake and what it has started, at once."""
        if self.snakemake is not None:
            processes.kill(processes.descendants([self.snakemake.pid]))
            self.snakemake.wait()

    def end(self, state: str, **facts: object) -> str:
        """Write what it came to."""
        ask(self.send_log)
        self.say(state, **facts)
        return state

    def last_words(self, state: str, **facts: object) -> None:
        """Write the log and the state while there is time for it, without insisting."""
        try:
            self.send_log()
            self._write(state, **facts)
        except (modal.exception.Error, *PASSING) as error:
            sys.stdout.write(f"the coordinator's state could not be written: {error}\n")

    def say(self, state: str, **facts: object) -> None:
        """Write the state, insisting."""
        ask(lambda: self._write(state, **facts))

    def _write(self, state: str, **facts: object) -> None:
        self.said = time.monotonic()
        self.state |= {"state": state, "time": time.time(), **facts}
        self.desk.write_json(STATE, self.state)

    def send_log(self) -> None:
        """Write the log if there is more of it."""
        size = self.log.stat().st_size if self.snakemake is not None else 0
        if size > self.sent:
            self.desk.write(log_name(self.number), self.log.read_bytes()[:size])
            self.sent = size


def unpack(archive: bytes | None, digest: str) -> Path:
    """Unpack the sources into the container's own disk; the folder they are in.

    Raises:
        Refused: they are not those that this coordinator was started with.
    """
    if archive is None or sha256(archive).hexdigest() != digest:
        raise Refused(f"{SOURCES} on the volume is not what this coordinator was started with")
    shutil.rmtree(PLACE, ignore_errors=True)
    folder = PLACE / "work"
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(folder, filter="data")
    return folder


def cancel_left(desk: Desk, identity: str) -> None:
    """Cancel calls that a coordinator of this identity has left, and remove its records."""
    volume = desk.volume
    for path in [entry.path.strip("/") for entry in ask(lambda: volume.listdir(f"/{FOLDER}"))]:
        if not path.endswith(".json"):
            continue
        record = json.loads(ask(functools.partial(read, volume, path)))
        if record.get("identity") != identity:
            continue
        for call_id in sorted(set(record["calls"].values())):
            call = modal.FunctionCall.from_id(call_id)
            ask(functools.partial(call.cancel, terminate_containers=True))
        ask(functools.partial(volume.remove_file, f"/{path}"))


def read(volume: modal.Volume, path: str) -> bytes:
    """The content of a file on a volume."""
    return b"".join(volume.read_file(path))


def ask[T](question: Callable[[], T]) -> T:
    """What Modal answers, asked again for a while if it does not."""
    since, pause = time.monotonic(), 1.0
    while True:
        try:
            return question()
        except PASSING as error:
            if time.monotonic() - since > PATIENCE:
                raise
            sys.stdout.write(f"Modal does not answer the coordinator: {error}\n")
            time.sleep(pause)
            pause = min(2 * pause, 15.0)
