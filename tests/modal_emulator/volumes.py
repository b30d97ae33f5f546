"""Volumes, version 2: what is committed, and what each container sees of it.

Handlers are named and called as in ModalClientBase, with a stream. Commit and reload concern one
container, so whoever serves that container answers these calls by `commit` and `reload`.

On disk: root/{volume_id}/volume.json and files/, the committed state; root/views/{task_id}/
{volume_id}/, a container's private copy; root/blocks/, uploaded content by SHA-256.

Where Modal leaves room, the stricter reading holds: a reload drops what was not committed, a
commit does not bring in what others committed, and nothing is committed in the background.
"""

import functools
import hashlib
import inspect
import json
import os
import posixpath
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from modal_proto import api_pb2

BLOCK_SIZE = 8 << 20
"""Files travel in blocks of this size; the client has it fixed."""

BATCH = 1000
"""Entries per message of a listing."""

DIRECTORY = ("directory",)
OPEN_FILES = "there are open files preventing the operation"

Signature = tuple
Tree = dict[str, Signature]


def _answers(handler):
    """A gRPC method from one that takes a request and returns a response, or yields several."""

    @functools.wraps(handler)
    async def method(self, stream):
        request = await stream.recv_message()
        if inspect.isasyncgenfunction(handler):
            async for response in handler(self, request):
                await stream.send_message(response)
        else:
            response = await handler(self, request)
            await stream.send_message(Empty() if response is None else response)

    return method


@dataclass
class Volume:
    volume_id: str
    name: str
    environment: str
    version: int
    created_at: float


@dataclass
class View:
    """A container's copy; `mine` and `theirs` as they were when they last agreed."""

    path: Path
    mine: Tree = field(default_factory=dict)
    theirs: Tree = field(default_factory=dict)


class Volumes:
    """The committed state of every volume under `root`, and the containers' views of it."""

    def __init__(self, root: Path):
        self.root = Path(root)
        self.http_url = ""
        self.volumes: dict[str, Volume] = {}
        self.views: dict[tuple[str, str], View] = {}
        self._lock = threading.RLock()
        for folder in ("blocks", "incoming", "views"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        for record in self.root.glob("*/volume.json"):
            volume = Volume(**json.loads(record.read_text()))
            self.volumes[volume.volume_id] = volume

    # For tests

    def committed(self, name: str, environment: str = "main") -> Path:
        """The folder with what is committed in a volume."""
        volume = self._named(name, environment)
        if volume is None:
            raise KeyError(f"no volume {name!r} in environment {environment!r}")
        return self._files(volume.volume_id)

    # For containers

    def open_view(self, volume_id: str, task_id: str) -> Path:
        """Make a container's private copy of what is committed."""
        self._known(volume_id)
        path = self.root / "views" / task_id / volume_id
        path.mkdir(parents=True, exist_ok=True)
        self.views[volume_id, task_id] = View(path)
        self._refresh(volume_id, task_id)
        return path

    def reload(self, volume_id: str, task_id: str) -> None:
        """Make the container's copy what is committed now.

        Raises:
            GRPCError: a process works in the copy or has a file of it open.
        """
        holder = _holder(self._view(volume_id, task_id).path)
        if holder:
            raise GRPCError(Status.FAILED_PRECONDITION, f"{OPEN_FILES} ({holder})")
        self._refresh(volume_id, task_id)

    def commit(self, volume_id: str, task_id: str) -> None:
        """Publish what changed in the container's copy since it last agreed, deletions too."""
        view, files = self._view(volume_id, task_id), self._files(volume_id)
        with self._lock:
            now = _scan(view.path)
            for path in _deepest_first(view.mine.keys() - now.keys()):
                _remove(files / path)
                view.theirs.pop(path, None)
            for path in sorted(path for path in now if now[path] != view.mine.get(path)):
                # Removed since the scan: the next commit publishes that.
                if os.path.lexists(view.path / path):
                    self._copy(view.path / path, files / path)
                    view.theirs[path] = _signature(files / path)
            view.mine = now

    def close_view(self, volume_id: str, task_id: str) -> None:
        """Forget a container's copy, with what it did not commit."""
        view = self.views.pop((volume_id, task_id), None)
        if view is not None:
            shutil.rmtree(view.path)

    def _view(self, volume_id: str, task_id: str) -> View:
        try:
            return self.views[volume_id, task_id]
        except KeyError:
            raise GRPCError(
                Status.FAILED_PRECONDITION, f"{volume_id} is not mounted in {task_id}"
            ) from None

    def _refresh(self, volume_id: str, task_id: str) -> None:
        view, files = self._view(volume_id, task_id), self._files(volume_id)
        with self._lock:
            theirs, mine = _scan(files), _scan(view.path)
            for path in _deepest_first(mine.keys() - theirs.keys()):
                _remove(view.path / path)
            for path in sorted(theirs):
                is_changed = theirs[path] != view.theirs.get(path)
                if is_changed or mine.get(path) != view.mine.get(path):
                    self._copy(files / path, view.path / path)
            view.theirs, view.mine = theirs, _scan(view.path)

    def _copy(self, source: Path, target: Path) -> None:
        """Put a copy in place at once, as old as the source to the second."""
        if source.is_dir() and not source.is_symlink():
            if not target.is_dir() or target.is_symlink():
                target.unlink(missing_ok=True)
                target.mkdir(parents=True)
            return
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        incoming = self.root / "incoming" / uuid.uuid4().hex
        shutil.copy(source, incoming, follow_symlinks=False)
        seconds = int(source.lstat().st_mtime)
        os.utime(incoming, (seconds, seconds), follow_symlinks=False)
        incoming.replace(target)

    # Names

    def _named(self, name: str, environment: str) -> Volume | None:
        wanted = (name, environment or "main")
        found = (v for v in self.volumes.values() if (v.name, v.environment) == wanted)
        return next(found, None)

    def _known(self, volume_id: str) -> Volume:
        try:
            return self.volumes[volume_id]
        except KeyError:
            raise GRPCError(Status.NOT_FOUND, f"no volume with id {volume_id!r}") from None

    def _files(self, volume_id: str) -> Path:
        return self.root / self._known(volume_id).volume_id / "files"

    def _create(self, name: str, environment: str, version: int) -> Volume:
        volume_id = f"vo-{uuid.uuid4().hex[:22]}"
        version = version or api_pb2.VOLUME_FS_VERSION_V1
        volume = Volume(volume_id, name, environment or "main", version, time.time())
        self.volumes[volume_id] = volume
        (self.root / volume_id / "files").mkdir(parents=True)
        self._save(volume)
        return volume

    def _save(self, volume: Volume) -> None:
        record = self.root / volume.volume_id / "volume.json"
        record.write_text(json.dumps(asdict(volume)))

    @_answers
    async def VolumeGetOrCreate(self, request):
        name, environment = request.deployment_name, request.environment_name
        how = request.object_creation_type
        volume = self._named(name, environment) if name else None
        if volume is not None and how == api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS:
            raise GRPCError(Status.ALREADY_EXISTS, f"there is a volume {name!r} already")
        if volume is None:
            if how == api_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED:
                raise GRPCError(
                    Status.NOT_FOUND, f"no volume {name!r} in environment {environment or 'main'!r}"
                )
            volume = self._create(name, environment, request.version)
        return api_pb2.VolumeGetOrCreateResponse(
            volume_id=volume.volume_id, version=volume.version, metadata=_metadata(volume)
        )

    @_answers
    async def VolumeGetById(self, request):
        volume = self._known(request.volume_id)
        return api_pb2.VolumeGetByIdResponse(volume_id=volume.volume_id, metadata=_metadata(volume))

    @_answers
    async def VolumeHeartbeat(self, request):
        self._known(request.volume_id)

    @_answers
    async def VolumeList(self, request):
        environment, page = request.environment_name or "main", request.pagination
        newest_first = sorted(self.volumes.values(), key=lambda volume: -volume.created_at)
        items = [
            api_pb2.VolumeListItem(
                label=volume.name,
                volume_id=volume.volume_id,
                created_at=volume.created_at,
                metadata=_metadata(volume),
            )
            for volume in newest_first
            if volume.name and volume.environment == environment
            if not page.created_before or volume.created_at < page.created_before
        ]
        return api_pb2.VolumeListResponse(items=items[: page.max_objects or None])

    @_answers
    async def VolumeRename(self, request):
        volume = self._known(request.volume_id)
        if self._named(request.name, volume.environment):
            raise GRPCError(Status.ALREADY_EXISTS, f"there is a volume {request.name!r} already")
        volume.name = request.name
        self._save(volume)

    @_answers
    async def VolumeDelete(self, request):
        volume = self._known(request.volume_id)
        shutil.rmtree(self.root / volume.volume_id)
        del self.volumes[volume.volume_id]

    # Files, seen from outside

    def _existing(self, volume_id: str, path: str) -> Path:
        target = self._files(volume_id) / _relative(path)
        if not os.path.lexists(target):
            raise GRPCError(Status.NOT_FOUND, f"no file or directory {path!r} in the volume")
        return target

    @_answers
    async def VolumeListFiles2(self, request):
        files = self._files(request.volume_id)
        with self._lock:
            target = self._existing(request.volume_id, request.path)
            if target.is_dir() and not target.is_symlink():
                found = _walk(target) if request.recursive else sorted(target.iterdir())
            else:
                found = [target]
            entries = [_entry(files, path) for path in found]
        if request.HasField("max_entries"):
            del entries[request.max_entries :]
        for start in range(0, len(entries), BATCH):
            yield api_pb2.VolumeListFiles2Response(entries=entries[start : start + BATCH])

    @_answers
    async def VolumeGetFile2(self, request):
        target = self._existing(request.volume_id, request.path)
        if target.is_dir():
            raise GRPCError(Status.INVALID_ARGUMENT, f"{request.path!r} is a directory")
        size = target.stat().st_size
        start = min(request.start, size)
        end = min(start + request.len, size) if request.len else size
        address = f"{self.http_url}/volumes/{request.volume_id}/{quote(_relative(request.path))}"
        urls = []
        while start < end:
            block_end = min(end, (start // BLOCK_SIZE + 1) * BLOCK_SIZE)
            query = f"start={start}&end={block_end}&trim={int(request.client_pads_blocks)}"
            urls.append(f"{address}?{query}")
            start = block_end
        first = min(request.start, size)
        return api_pb2.VolumeGetFile2Response(
            get_urls=urls, size=size, start=first, len=end - first
        )

    @_answers
    async def VolumePutFiles2(self, request):
        files = self._files(request.volume_id)
        for file in request.files:
            target = files / _relative(file.path)
            if target.is_dir():
                raise GRPCError(Status.INVALID_ARGUMENT, f"{file.path!r} is a directory")
            if request.disallow_overwrite_existing_files and target.exists():
                raise GRPCError(Status.ALREADY_EXISTS, f"{file.path!r} exists already")
        missing = [
            api_pb2.VolumePutFiles2Response.MissingBlock(
                file_index=i,
                block_index=j,
                put_url=f"{self.http_url}/blocks/{block.contents_sha256.hex()}",
            )
            for i, file in enumerate(request.files)
            for j, block in enumerate(file.blocks)
            if not self._block(block.contents_sha256.hex()).exists()
        ]
        if not missing:
            with self._lock:
                for file in request.files:
                    self._assemble(file, files / _relative(file.path))
        return api_pb2.VolumePutFiles2Response(missing_blocks=missing)

    def _block(self, sha256: str) -> Path:
        return self.root / "blocks" / sha256

    def _assemble(self, file, target: Path) -> None:
        """Write an uploaded file from its blocks, which come without their trailing zeros."""
        incoming = self.root / "incoming" / uuid.uuid4().hex
        with incoming.open("wb") as output:
            for i, block in enumerate(file.blocks):
                output.seek(i * BLOCK_SIZE)
                output.write(self._block(block.contents_sha256.hex()).read_bytes())
            output.truncate(file.size)
        incoming.chmod(file.mode or 0o644)
        seconds = int(time.time())
        os.utime(incoming, (seconds, seconds))
        target.parent.mkdir(parents=True, exist_ok=True)
        incoming.replace(target)

    @_answers
    async def VolumeRemoveFile2(self, request):
        with self._lock:
            target = self._existing(request.volume_id, request.path)
            if target.is_dir() and not target.is_symlink():
                if not request.recursive:
                    raise GRPCError(Status.INVALID_ARGUMENT, f"{request.path!r} is a directory")
                shutil.rmtree(target)
            else:
                target.unlink()

    @_answers
    async def VolumeCopyFiles2(self, request):
        target = self._files(request.volume_id) / _relative(request.dst_path)
        with self._lock:
            sources = [self._existing(request.volume_id, path) for path in request.src_paths]
            if len(sources) > 1 and not target.is_dir():
                raise GRPCError(Status.INVALID_ARGUMENT, f"{request.dst_path!r} is no directory")
            for source in sources:
                if source.is_dir() and not request.recursive:
                    raise GRPCError(Status.INVALID_ARGUMENT, f"{source.name!r} is a directory")
                inside = target / source.name if target.is_dir() else target
                for path in [source, *(_walk(source) if source.is_dir() else [])]:
                    self._copy(path, inside / path.relative_to(source))

    # Content

    def routes(self) -> list[web.RouteDef]:
        """Where the client reads and writes blocks; the server sets `http_url` to match."""
        return [
            web.get("/volumes/{volume_id}/{path:.+}", self._get_block),
            web.put("/blocks/{sha256:[0-9a-f]{64}}", self._put_block),
        ]

    async def _get_block(self, request: web.Request) -> web.Response:
        volume = self.volumes.get(request.match_info["volume_id"])
        if volume is None:
            raise web.HTTPNotFound(text="no such volume")
        path = self._files(volume.volume_id) / _relative(request.match_info["path"])
        if not path.is_file():
            raise web.HTTPNotFound(text="no such file")
        start, end = int(request.query["start"]), int(request.query["end"])
        with path.open("rb") as file:
            file.seek(start)
            body = file.read(end - start)
        return web.Response(body=body.rstrip(b"\0") if request.query["trim"] == "1" else body)

    async def _put_block(self, request: web.Request) -> web.Response:
        body, sha256 = await request.read(), request.match_info["sha256"]
        if hashlib.sha256(body).hexdigest() != sha256 or len(body) > BLOCK_SIZE:
            raise web.HTTPBadRequest(text="the body is not the block that was announced")
        incoming = self.root / "incoming" / uuid.uuid4().hex
        incoming.write_bytes(body)
        incoming.replace(self._block(sha256))
        return web.Response(text=sha256)


def _metadata(volume: Volume) -> api_pb2.VolumeMetadata:
    created = api_pb2.CreationInfo(created_at=volume.created_at, created_by="emulator")
    return api_pb2.VolumeMetadata(version=volume.version, name=volume.name, creation_info=created)


def _entry(files: Path, path: Path) -> api_pb2.FileEntry:
    status = path.lstat()
    if path.is_symlink():
        kind = api_pb2.FileEntry.SYMLINK
    elif path.is_dir():
        kind = api_pb2.FileEntry.DIRECTORY
    else:
        kind = api_pb2.FileEntry.FILE
    return api_pb2.FileEntry(
        path=path.relative_to(files).as_posix(),
        type=kind,
        mtime=int(status.st_mtime),
        size=0 if kind == api_pb2.FileEntry.DIRECTORY else status.st_size,
    )


def _relative(path: str) -> str:
    """A path as the client names it ('/a/b', 'a/b', '/') below the volume's folder."""
    parts = posixpath.normpath("/" + path.lstrip("/")).strip("/")
    if ".." in path.split("/"):
        raise GRPCError(Status.INVALID_ARGUMENT, f"{path!r} leads out of the volume")
    return parts


def _walk(folder: Path) -> Iterator[Path]:
    """Everything below a folder, each folder before what is in it; links are not followed."""
    with os.scandir(folder) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    for entry in entries:
        yield Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))


def _signature(path: Path) -> Signature:
    """What changes when a file is written or replaced; its time of modification may not."""
    if path.is_dir() and not path.is_symlink():
        return DIRECTORY
    status = path.lstat()
    return status.st_ino, status.st_ctime_ns, status.st_size


def _scan(folder: Path) -> Tree:
    tree = {}
    for path in _walk(folder):
        try:
            tree[path.relative_to(folder).as_posix()] = _signature(path)
        except FileNotFoundError:  # a container works in its copy meanwhile
            continue
    return tree


def _deepest_first(paths) -> list[str]:
    return sorted(paths, reverse=True)


def _remove(path: Path) -> None:
    """Remove a file or an empty folder; a folder where others put files stays."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
    elif not any(path.iterdir()):
        path.rmdir()


def _holder(folder: Path) -> str | None:
    """Name a process that works in a folder or has a file of it open, through any mount."""
    inside = {(s.st_dev, s.st_ino) for s in (p.lstat() for p in [folder, *_walk(folder)])}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for handle in [process / "cwd", *(process / "fd").iterdir()]:
                status = handle.stat()
                if (status.st_dev, status.st_ino) in inside:
                    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    return f"{handle.name} of process {process.name}: {command.strip()[:80]}"
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue  # it ended, or belongs to someone else
    return None
