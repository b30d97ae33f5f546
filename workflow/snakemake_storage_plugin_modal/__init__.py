"""Snakemake storage plugin for files on a Modal Volume: modal://<volume>/<path>."""

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.common import Operation
from snakemake_interface_storage_plugins.io import (
    IOCacheStorageInterface,
    Mtime,
    get_constant_prefix,
)
from snakemake_interface_storage_plugins.settings import StorageProviderSettingsBase
from snakemake_interface_storage_plugins.storage_object import (
    StorageObjectGlob,
    StorageObjectRead,
    StorageObjectWrite,
)
from snakemake_interface_storage_plugins.storage_provider import (
    ExampleQuery,
    QueryType,
    StorageProviderBase,
    StorageQueryValidationResult,
)

from snakemake_storage_plugin_modal.entry import Entry
from snakemake_storage_plugin_modal.errors import VolumeError
from snakemake_storage_plugin_modal.mounted import MountedVolume, mounted_folders
from snakemake_storage_plugin_modal.remote import RemoteVolume

# modal itself is imported only when it is used: Snakemake imports every plugin at each start.

SCHEME = "modal://"
QUERY = re.compile(SCHEME + r"(?P<volume>[^/]+)/(?P<path>.+)")
VOLUME_NAME = re.compile(r"[A-Za-z0-9._-]{1,63}")
EXECUTOR_FOLDER = ".smk-modal/"

_remote_volumes: dict[tuple[str, str | None], RemoteVolume] = {}


def note_stored(volume: str, entries: Iterable[tuple[str, int, int]] | None) -> None:
    """Tell what a job stored on a volume from another machine, so that nobody need ask Modal.

    Args:
        volume: its name.
        entries: path below the volume's root, size in bytes, time in whole seconds of each file;
            None if that is not known or files were removed: the next question lists again.
    """
    for (name, _), remote in _remote_volumes.items():
        if name == volume:
            remote.note(
                None if entries is None else [(path, size, mtime) for path, size, mtime in entries]
            )


def forget_volumes() -> None:
    """Forget every connection and listing, for instance because the server is another one."""
    _remote_volumes.clear()


@dataclass
class StorageProviderSettings(StorageProviderSettingsBase):
    environment: str | None = field(
        default=None,
        metadata={
            "help": "Modal environment the volumes are in. Default: the client's own choice "
            "(MODAL_ENVIRONMENT or the profile's)."
        },
    )
    create: str | None = field(
        default=None,
        metadata={
            "help": "Name of a volume that is made (version 2) if it does not exist. Any other "
            "name of a volume that does not exist is an error."
        },
    )
    snapshot_seconds: float = field(
        default=60.0,
        metadata={
            "help": "For how many seconds one listing of a volume answers all questions about "
            "its files. It is trusted for 2 seconds only that a file is absent.",
            "type": float,
        },
    )
    patience: float = field(
        default=300.0,
        metadata={
            "help": "For how many seconds a call to Modal may go on failing for a reason that "
            "can pass (network, server) before the run fails.",
            "type": float,
        },
    )


class StorageProvider(StorageProviderBase):
    settings: StorageProviderSettings | None

    def __post_init__(self) -> None:
        self._mounted = {name: MountedVolume(folder) for name, folder in mounted_folders().items()}

    @classmethod
    def example_queries(cls) -> list[ExampleQuery]:
        return [
            ExampleQuery(
                query=f"{SCHEME}my-volume/results/{{sample}}.csv",
                description="A file on the Modal Volume my-volume",
                type=QueryType.ANY,
            )
        ]

    @classmethod
    def is_valid_query(cls, query: str) -> StorageQueryValidationResult:
        return StorageQueryValidationResult(
            query=query, valid=not (reason := _fault(query)), reason=reason
        )

    def postprocess_query(self, query: str) -> str:
        match = QUERY.fullmatch(query)
        if match is None:
            return query
        return f"{SCHEME}{match['volume']}/{posixpath.normpath(match['path']).lstrip('/')}"

    def rate_limiter_key(self, query: str, operation: Operation) -> str:
        match = QUERY.fullmatch(query)
        assert match is not None  # it was found valid before
        return match["volume"]

    def default_max_requests_per_second(self) -> float:
        return 100.0

    def use_rate_limiter(self) -> bool:
        return False

    def volume(self, name: str) -> MountedVolume | RemoteVolume:
        """The volume as it is seen from here: mounted, or through Modal's API."""
        if name in self._mounted:
            return self._mounted[name]
        settings = self.settings or StorageProviderSettings()
        key = name, settings.environment
        if key not in _remote_volumes:
            _remote_volumes[key] = RemoteVolume(
                name,
                settings.environment,
                settings.create == name,
                settings.snapshot_seconds,
                settings.patience,
                self.logger,
            )
        return _remote_volumes[key]


class StorageObject(StorageObjectRead, StorageObjectWrite, StorageObjectGlob):
    provider: StorageProvider

    def __post_init__(self) -> None:
        match = QUERY.fullmatch(self.query)
        self.volume_name, self.path = match.groups() if match else ("", "")

    @property
    def volume(self) -> MountedVolume | RemoteVolume:
        return self.provider.volume(self.volume_name)

    def local_suffix(self) -> str:
        return f"{self.volume_name}/{self.path}"

    def get_inventory_parent(self) -> str | None:
        return None

    async def inventory(self, cache: IOCacheStorageInterface) -> None:
        key = self.cache_key()
        if key in cache.exists_in_storage:
            return
        # The managed methods, for Snakemake shows what they raise without a traceback.
        cache.exists_in_storage[key] = await self.managed_exists()
        if cache.exists_in_storage[key]:
            cache.mtime[key] = Mtime(storage=await self.managed_mtime())
            cache.size[key] = await self.managed_size()

    async def managed_exists(self) -> bool:
        try:
            return await super().managed_exists()
        except WorkflowError as error:
            if isinstance(error.__context__, VolumeError):
                # Without the words around it: that there is no such volume is all there is to say.
                raise error.__context__ from None
            raise

    def cleanup(self) -> None:
        """Nothing but the local copy is left behind, which Snakemake removes itself."""

    def exists(self) -> bool:
        return self.volume.entry(self.path) is not None

    def mtime(self) -> float:
        return float(self._entry().mtime)

    def size(self) -> int:
        return self._entry().size

    def local_footprint(self) -> int:
        return 0 if isinstance(self.volume, MountedVolume) else self.size()

    def retrieve_object(self) -> None:
        self.volume.retrieve(self.path, self.local_path())

    def store_object(self) -> None:
        self.volume.store(self.local_path(), self.path)

    def remove(self) -> None:
        self.volume.remove(self.path)

    def list_candidate_matches(self) -> list[str]:
        prefix = get_constant_prefix(self.path)
        return [
            f"{SCHEME}{self.volume_name}/{path}"
            for path in self.volume.paths()
            if path.startswith(prefix) and not path.startswith(EXECUTOR_FOLDER)
        ]

    def _entry(self) -> Entry:
        entry = self.volume.entry(self.path)
        if entry is None:
            raise WorkflowError(f"{self.query} does not exist")
        return entry


def _fault(query: str) -> str | None:
    """Why a query cannot be used, or None; wildcards may stand anywhere in it."""
    match = QUERY.fullmatch(query)
    if match is None:
        return "it must have the form modal://<volume>/<path>"
    if not VOLUME_NAME.fullmatch(match["volume"]) and "{" not in match["volume"]:
        return (
            f"{match['volume']!r} cannot be a volume's name: letters, digits, dashes, periods and "
            "underscores, fewer than 64"
        )
    if ".." in match["path"].split("/"):
        return "its path must not contain '..'"
    return None
