"""A volume seen from outside of Modal, through its API."""

import asyncio
import contextlib
import os
import posixpath
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from snakemake_interface_common.exceptions import WorkflowError

from snakemake_storage_plugin_modal.entry import Entry, is_temporary, temporary_name
from snakemake_storage_plugin_modal.errors import VolumeError
from snakemake_storage_plugin_modal.mounted import remove

if TYPE_CHECKING:
    import modal

T = TypeVar("T")

ABSENT_SECONDS = 2.0
"""How long a listing is trusted that a file is absent.

Less than Snakemake's shortest usual wait for outputs (--latency-wait), or a file that another
machine has just stored would be given up.
"""

SIDE_BY_SIDE = 32
"""How many small files are read at a time."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
"""Seconds between tries of a call that failed; the pause doubles each time."""

# Snakemake calls from within its own event loop, where modal's blocking functions warn.
_outside_the_loop = ThreadPoolExecutor(max_workers=1, thread_name_prefix="modal-volume")


class RemoteVolume:
    """Files of the volume `name`, answered from one listing of all of them.

    Args:
        environment: of Modal; None is the client's own choice.
        create: whether it is made if it does not exist.
        snapshot_seconds: how long the listing is trusted.
        patience: how many seconds a call may go on failing for reasons that pass.
    """

    def __init__(
        self,
        name: str,
        environment: str | None,
        create: bool,
        snapshot_seconds: float,
        patience: float,
        logger: Logger,
    ):
        self.name = name
        self.environment = environment
        self.create = create
        self.snapshot_seconds = snapshot_seconds
        self.patience = patience
        self.logger = logger
        self._volume: modal.Volume | None = None
        self._files: dict[str, Entry] | None = None
        self._folders: dict[str, Entry] = {}
        self._known_at = float("-inf")
        self._lock = threading.RLock()

    # What is known

    def entry(self, path: str) -> Entry | None:
        with self._lock:
            entry = self._find(path, self.snapshot_seconds)
            return entry or self._find(path, ABSENT_SECONDS)

    def _find(self, path: str, seconds: float) -> Entry | None:
        files = self._listing(seconds)
        if path in files or path not in self._folders:
            return files.get(path)
        inside = [entry.mtime for name, entry in files.items() if name.startswith(path + "/")]
        return Entry(0, max(inside, default=self._folders[path].mtime), is_directory=True)

    def paths(self) -> list[str]:
        """All files, relative to the volume's root."""
        with self._lock:
            return list(self._listing(ABSENT_SECONDS))

    def note(self, entries: Iterable[tuple[str, int, int]] | None) -> None:
        """Add what was stored from elsewhere as (path, size, mtime); None forgets everything.

        The one who tells is taken to know all that happened, so the listing counts as new.
        """
        with self._lock:
            if entries is None:
                self._files = None
            elif self._files is not None:
                for path, size, mtime in entries:
                    self._put(path, Entry(size, mtime))
                self._known_at = time.monotonic()

    def _listing(self, seconds: float) -> dict[str, Entry]:
        if self._files is None or time.monotonic() - self._known_at > seconds:
            entries = self._list("/", recursive=True)
            self._files, self._folders = {}, {}
            for path, entry in entries.items():
                self._put(path, entry)
            self._known_at = time.monotonic()
        return self._files

    def _put(self, path: str, entry: Entry) -> None:
        if entry.is_directory:
            self._folders[path] = entry
        elif not is_temporary(path):
            assert self._files is not None  # the caller has a listing
            self._files[path] = entry
        folder = posixpath.dirname(path)
        while folder and folder not in self._folders:
            self._folders[folder] = Entry(0, entry.mtime, is_directory=True)
            folder = posixpath.dirname(folder)

    def _list(self, path: str, recursive: bool) -> dict[str, Entry]:
        from modal.types import FileEntryType

        found = self._ask("list", lambda volume: volume.listdir(path, recursive=recursive))
        return {
            one.path.strip("/"): Entry(
                0 if one.type == FileEntryType.DIRECTORY else one.size,
                int(one.mtime),
                one.type == FileEntryType.DIRECTORY,
            )
            for one in found
        }

    def files(self) -> dict[str, Entry]:
        """All files by their paths, executors' own among them."""
        with self._lock:
            return dict(self._listing(ABSENT_SECONDS))

    # What is done

    def contents(self, paths: Iterable[str]) -> dict[str, bytes]:
        """What is in small files, read side by side; those that are gone are left out."""

        async def one(volume: "modal.Volume", path: str, turn: asyncio.Semaphore) -> bytes | None:
            async with turn:
                try:
                    return b"".join([block async for block in volume.read_file.aio(path)])
                except FileNotFoundError:
                    return None

        async def all_of(volume: "modal.Volume", names: list[str]) -> list[bytes | None]:
            turn = asyncio.Semaphore(SIDE_BY_SIDE)
            return await asyncio.gather(*(one(volume, name, turn) for name in names))

        names = list(dict.fromkeys(paths))
        found = self._ask("read", lambda volume: asyncio.run(all_of(volume, names)))
        return {name: text for name, text in zip(names, found, strict=True) if text is not None}

    def retrieve(self, path: str, local: Path) -> None:
        """Download; the copy gets its final name when it is complete, and the volume's time."""
        entry = self.entry(path)
        if entry is None:
            raise WorkflowError(f"modal://{self.name}/{path} does not exist")
        part = local.with_name(temporary_name(local.name))
        remove(part)
        try:
            if entry.is_directory:
                part.mkdir()
                for inside in [name for name in self.paths() if name.startswith(path + "/")]:
                    self._download(inside, part / inside.removeprefix(path + "/"))
            else:
                self._download(path, part)
            os.utime(part, (entry.mtime, entry.mtime))
            remove(local)
            part.rename(local)
        except BaseException:
            remove(part)
            raise

    def _download(self, path: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)

        def download(volume: "modal.Volume") -> None:
            with target.open("wb") as file:
                for block in volume.read_file(path):
                    file.write(block)

        self._ask(f"read {path} from", download)

    def store(self, local: Path, path: str) -> None:
        """Upload, replacing what is there."""
        is_directory = local.is_dir()
        if is_directory and self.entry(path) is not None:
            self.remove(path)

        def upload(volume: "modal.Volume") -> None:
            with volume.batch_upload(force=True) as batch:
                put = batch.put_directory if is_directory else batch.put_file
                put(local, f"/{path}")

        self._ask(f"store {path} on", upload)
        with self._lock:
            if self._files is not None:
                # The time is the server's, so it has to be asked for.
                for name, entry in self._list(path, recursive=True).items():
                    self._put(name, entry)

    def remove(self, path: str) -> None:
        entry = self.entry(path)
        if entry is None:
            return
        # A call whose answer got lost may have removed it already.
        with contextlib.suppress(FileNotFoundError):
            self._ask(
                f"remove {path} from",
                lambda volume: volume.remove_file(path, recursive=entry.is_directory),
            )
        with self._lock:
            for known in (self._files or {}, self._folders):
                for name in [n for n in known if n == path or n.startswith(path + "/")]:
                    del known[name]

    # Asking Modal

    def _ask(self, doing: str, action: Callable[..., T]) -> T:
        """The result of action(volume).

        Raises:
            VolumeError: no token, no such volume, an error that lasted, or one that will last.
        """
        import modal

        what = f"Modal could not {doing} volume {self.name}"
        deadline = time.monotonic() + self.patience
        failures, pause = 0, FIRST_PAUSE
        while True:
            try:
                return _outside_the_loop.submit(lambda: action(self._connected())).result()
            except _passing_errors() as error:
                failures += 1
                reason = f"{type(error).__name__}: {error}"
                if time.monotonic() + pause > deadline:
                    raise VolumeError(
                        f"{what}: failed {failures} times in {self.patience:.0f} s, at last with "
                        f"{reason}. Run the same command again when Modal can be reached."
                    ) from None
                self.logger.warning(
                    f"{what} (failure {failures}), again in {pause:.0f} s: {reason}"
                )
            except modal.exception.AuthError as error:
                raise VolumeError(
                    "Modal needs a token: set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or run "
                    f"`modal token new`. ({_one_line(error)})"
                ) from None
            except modal.exception.Error as error:
                raise VolumeError(f"{what}: {_one_line(error)}") from None
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _connected(self) -> "modal.Volume":
        import modal

        if self._volume is None:
            volume = modal.Volume.from_name(
                self.name,
                environment_name=self.environment,
                version=2,
                create_if_missing=self.create,
            )
            create = f"`modal volume create --version=2 {self.name}`"
            try:
                volume.hydrate()
            except modal.exception.NotFoundError:
                raise VolumeError(
                    f"There is no Modal volume {self.name!r} in {self._place()}: correct the name "
                    f"(modal://<volume>/<path>, --default-storage-prefix) or run {create}."
                ) from None
            except modal.exception.InvalidError as error:
                raise VolumeError(
                    f"Modal volume {self.name!r} cannot be used: {_one_line(error)} This plugin "
                    f"needs version 2; take another name and run {create}."
                ) from None
            self._volume = volume
        return self._volume

    def _place(self) -> str:
        return f"environment {self.environment!r}" if self.environment else "this environment"


def _passing_errors() -> tuple[type[Exception], ...]:
    """Failures of the network or of Modal itself, after which the same call may succeed."""
    import aiohttp
    from modal import exception

    return (
        aiohttp.ClientError,
        ConnectionError,
        TimeoutError,
        exception.ConnectionError,
        exception.InternalError,
        exception.ResourceExhaustedError,
        exception.ServiceError,
        exception.VolumeUploadTimeoutError,
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
