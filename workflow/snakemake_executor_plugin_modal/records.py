"""What a coordinator leaves on the volume while it runs: which files it makes, by which calls.

A second coordinator that wants to make one of the same files is refused, and one that comes after
the first died takes up the calls that it left running. The same is kept in a local file, which is
there even if the coordinator died before the volume had it.
"""

import functools
import hashlib
import io
import json
import os
import socket
import time
import uuid
from pathlib import Path

import modal
from modal.types import FileEntryType

from snakemake_executor_plugin_modal.api import IN_CONTAINER, Patience
from snakemake_executor_plugin_modal.errors import ModalPluginError

FOLDER = ".smk-modal/coordinators"
CALLS = ".smk-modal/calls"
LOCAL_FOLDER = Path(".snakemake/modal")

BEAT = 30
"""Seconds after which the record is written again even if nothing changed."""

PAUSE = 10
"""Least seconds between two writings."""

IDENTITY = "SMK_MODAL_COORDINATOR"
"""Variable that is the same for a detached coordinator and for the one that replaces it."""

STALE = 180
"""A coordinator on another machine that has not written for so many seconds is dead."""


class Record:
    """The record of this coordinator; `inherited` are calls of dead ones, by the job's key.

    `archive` is the query of its jobs' sources.
    """

    def __init__(
        self, volume: modal.Volume, outputs: list[str], patience: Patience, archive: str = ""
    ) -> None:
        self._volume, self._patience = volume, patience
        self._archive, self._folder = archive, common_folder(outputs)
        self._id = uuid.uuid4().hex
        self._outputs = sorted({short_hash(path) for path in outputs})
        self._local = LOCAL_FOLDER / f"{self._id}.json"
        self._written = 0.0
        self._dirty = False
        self.held = False
        self.calls: dict[str, str] = {}
        self.inherited: dict[str, str] = {}

    async def acquire(self) -> set[str]:
        """Write the record, refuse if another coordinator is at work, inherit from dead ones.

        Gives the names of all files that the plugin keeps on the volume.

        Raises:
            ModalPluginError: another coordinator makes some of the same files.
        """
        await self._write()
        self.held = True
        names = await self._names()
        records = await self._others(names)
        for record in records.values():
            if self._overlaps(record) and not is_dead(record):
                await self.release()
                raise ModalPluginError(
                    f"another coordinator (process {record['pid']} on {record['host']}) makes "
                    "some of the same files on this volume: wait until it has ended. If it "
                    f"died on another machine, it counts as dead after {STALE} s"
                )
        left = [name for name, record in records.items() if self._overlaps(record)]
        for name in left:
            self.inherited |= records[name]["calls"]
        for path in LOCAL_FOLDER.glob("*.json"):
            record = json.loads(path.read_text())
            if path != self._local and self._overlaps(record) and is_dead(record):
                self.inherited |= record["calls"]
                path.unlink()
        if left:
            await self._write()
        claimed = {call for record in records.values() for call in record["calls"].values()}
        claimed |= set(self.inherited.values())
        await self._remove([*left, *marks(names, claimed)])
        return names

    async def _others(self, names: set[str]) -> dict[str, dict]:
        """The records of other coordinators, by the names of their files."""
        mine = f"{FOLDER}/{self._id}.json"
        # In folders below there is what detached coordinators keep.
        others = sorted(name for name in names - {mine} if str(Path(name).parent) == FOLDER)
        records = {name: await self._read(name) for name in others}
        return {name: record for name, record in records.items() if record is not None}

    def _overlaps(self, record: dict) -> bool:
        return not set(record["outputs"]).isdisjoint(self._outputs)

    def note(self, key: str, call_id: str) -> None:
        """Keep the call of a job that was sent."""
        self.calls[key] = call_id
        self.inherited.pop(key, None)
        self._changed()

    def forget(self, key: str) -> None:
        """Drop the call of a job that ended."""
        self.calls.pop(key, None)
        self._changed()

    def drop(self, calls: set[str]) -> None:
        """Do not wait for some calls of dead coordinators."""
        self.inherited = {key: one for key, one in self.inherited.items() if one not in calls}
        self._changed()

    async def beat(self) -> None:
        """Write the record to the volume if that is due."""
        age = time.monotonic() - self._written
        if self.held and (age > BEAT or (self._dirty and age > PAUSE)):
            await self._write()

    async def release(self) -> None:
        """Remove the record."""
        if self.held:
            self.held = False
            self._local.unlink(missing_ok=True)
            await self._remove([f"{FOLDER}/{self._id}.json"])

    def _changed(self) -> None:
        self._dirty = True
        self._write_local()

    def _text(self) -> str:
        return json.dumps(
            {
                "host": host(),
                "identity": os.environ.get(IDENTITY, ""),
                "pid": os.getpid(),
                "time": time.time(),
                # For those who look at the volume: whose work this is, and what must stay.
                "folder": self._folder,
                "archive": self._archive,
                "outputs": self._outputs,
                "calls": self.inherited | self.calls,
            }
        )

    def _write_local(self) -> None:
        LOCAL_FOLDER.mkdir(parents=True, exist_ok=True)
        temporary = self._local.with_suffix(".tmp")
        temporary.write_text(self._text())
        temporary.replace(self._local)

    async def mark(self, name: str) -> None:
        """Leave an empty file of this name on the volume."""
        await self._upload(name, b"")

    async def _write(self) -> None:
        self._written, self._dirty = time.monotonic(), False
        self._write_local()
        await self._upload(f"{FOLDER}/{self._id}.json", self._text().encode())

    async def _upload(self, name: str, content: bytes) -> None:
        async def upload() -> None:
            async with self._volume.batch_upload(force=True) as batch:
                batch.put_file(io.BytesIO(content), f"/{name}")

        await self._patience.ask(upload, "the coordinator's record")

    async def _names(self) -> set[str]:
        async def names() -> set[str]:
            entries = await self._volume.listdir.aio("/.smk-modal", recursive=True)
            return {entry.path.strip("/") for entry in entries if entry.type == FileEntryType.FILE}

        return await self._patience.ask(names, "a listing")

    async def _read(self, name: str) -> dict | None:
        async def read() -> bytes:
            return b"".join([block async for block in self._volume.read_file.aio(name)])

        try:
            return json.loads(await self._patience.ask(read, "a coordinator's record"))
        except (FileNotFoundError, modal.exception.NotFoundError):
            # Removed since it was listed: that coordinator has ended.
            return None
        except json.JSONDecodeError as error:
            raise ModalPluginError(
                f"{name} on the volume cannot be read ({error}): if no other coordinator is at "
                "work, remove it with `modal volume rm`"
            ) from error

    async def _remove(self, names: list[str]) -> None:
        for name in names:
            try:
                await self._patience.ask(
                    functools.partial(self._volume.remove_file.aio, f"/{name}", recursive=True),
                    "a removal",
                )
            except (FileNotFoundError, modal.exception.NotFoundError):
                continue


def is_dead(record: dict) -> bool:
    """Whether a coordinator has ended: certain on this machine, by its silence elsewhere.

    Certain, too, of the one that this one was started to replace.
    """
    if record.get("identity") and record["identity"] == os.environ.get(IDENTITY):
        return True
    if record["host"] != host():
        return time.time() - record["time"] > STALE
    try:
        os.kill(record["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return record["pid"] == os.getpid()


def common_folder(paths: list[str]) -> str:
    """The folder that all files are in, "" for the volume itself."""
    return os.path.commonpath([str(Path("/", path).parent) for path in paths or [""]])[1:]


def marks(names: set[str], claimed: set[str]) -> list[str]:
    """Start counters (snakemake_modal_worker.starts) of calls that nobody waits for."""
    calls = {name.split("/")[2] for name in names if name.startswith(CALLS)}
    return [f"{CALLS}/{call}" for call in sorted(calls - claimed)]


def host() -> str:
    """This machine, since it was started.

    Containers may bear the same name, and number their processes alike.
    """
    if container := os.environ.get(IN_CONTAINER):
        return container
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{socket.gethostname()}/{boot.read_text().strip() if boot.exists() else ''}"


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
