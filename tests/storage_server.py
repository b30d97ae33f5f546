"""A small Cloud Storage on this machine, for the unmodified google-cloud-storage client.

It speaks the JSON API as documented: objects with generations and metagenerations, object
versioning, conditions on every request that takes them, multipart and resumable uploads, rewrites
in several steps, checksums that it verifies. Every request can be failed, before it is done, after
it was done, or with its answer late or cut.
"""

import base64
import contextlib
import email.parser
import email.policy
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import google_crc32c

from tests.web_server import running

# Generations of the service are microseconds; here they only grow.
FIRST_GENERATION = 1_700_000_000_000_001
FAULTS = ("before", "after", "late", "cut", "cut before")
BUCKET = re.compile(r"/storage/v1/b/([^/]+)")
OBJECTS = re.compile(r"/storage/v1/b/([^/]+)/o")
OBJECT = re.compile(r"(?:/download)?/storage/v1/b/([^/]+)/o/([^/]+)")
UPLOAD = re.compile(r"/upload/storage/v1/b/([^/]+)/o")
COPY = re.compile(r"/storage/v1/b/([^/]+)/o/([^/]+)/(rewriteTo|copyTo)/b/([^/]+)/o/([^/]+)")
# What a client may say of an object.
SETTABLE = ("metadata", "contentType", "cacheControl", "contentEncoding", "storageClass")


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    `before`: it is refused with the status and not done; `after`: it is done and answered so;
    `late`: it is done, and answered when nobody waits any more; `cut`: it is done, and the
    connection ends without an answer; `cut before`: the same, and it is not done.
    """

    kind: str
    status: int = 503
    reason: str = "backendError"
    message: str = "injected"
    seconds: float = 0.0


@dataclass
class Version:
    """One generation of an object; it never changes but for what is said of it."""

    name: str
    content: bytes
    generation: int
    about: dict[str, Any]
    metageneration: int = 1

    def resource(self, bucket: str) -> dict[str, Any]:
        return {
            "kind": "storage#object",
            "id": f"{bucket}/{self.name}/{self.generation}",
            "name": self.name,
            "bucket": bucket,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "size": str(len(self.content)),
            "crc32c": crc32c(self.content),
            "md5Hash": base64.b64encode(hashlib.md5(self.content).digest()).decode(),
            "etag": f"{self.generation}/{self.metageneration}",
            **self.about,
        }


@dataclass
class Bucket:
    """Objects by name, each with its generations, the oldest first."""

    versioning: bool = True
    versions: dict[str, list[Version]] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)

    def live_version(self, name: str) -> Version | None:
        return self.version(name, self.live.get(name))

    def version(self, name: str, generation: int | None) -> Version | None:
        found = [one for one in self.versions.get(name, []) if one.generation == generation]
        return found[0] if found else None


@dataclass
class Session:
    """A resumable upload under way."""

    bucket: str
    name: str
    query: dict[str, str]
    about: dict[str, Any]
    content: bytes = b""
    done: Version | None = None


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


@dataclass
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def crc32c(content: bytes) -> str:
    """Return the checksum as the API writes it: big-endian, base64."""
    return base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()


def as_json(content: Mapping[str, Any], status: int = 200, **headers: str) -> Reply:
    body = json.dumps(content).encode()
    return Reply(status, body, {"Content-Type": "application/json; charset=UTF-8", **headers})


def failure(status: int, reason: str, message: str) -> Reply:
    error = {"message": message, "domain": "global", "reason": reason}
    return as_json({"error": {"code": status, "message": message, "errors": [error]}}, status)


class Storage:
    """What the server knows, and what it answers."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.sessions: dict[str, Session] = {}
        self.next_generation = FIRST_GENERATION
        self.url = ""
        # Bytes that one step of a rewrite copies, and objects on a page of a list.
        self.rewrite_step = 1 << 30
        self.page = 1000
        # Of a chunk of a resumable upload, how much is kept: the service may take less than it got.
        self.keeps: int | None = None
        # What arrives is damaged on its way; what is sent, too.
        self.damage_uploads = False
        self.damage_downloads = False
        # Whether it compares what arrives with the checksum that the client gives.
        self.checks = True
        # Whether what it sends comes with a checksum.
        self.tells = True

    def put(self, bucket: str, name: str, content: bytes, **about: Any) -> int:
        """Make an object as somebody else would; return its generation."""
        return self._store(bucket, name, content, about).generation

    def _store(self, bucket: str, name: str, content: bytes, about: Mapping[str, Any]) -> Version:
        holder = self.buckets[bucket]
        version = Version(name, content, self.next_generation, dict(about))
        self.next_generation += 1
        kept = holder.versions.get(name, []) if holder.versioning else []
        holder.versions[name] = [*kept, version]
        holder.live[name] = version.generation
        return version

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Do one request."""
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        try:
            return self._route(method, parts.path, query, headers, body)
        except Refused as error:
            return failure(error.status, error.reason, str(error))

    def _route(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        if match := COPY.fullmatch(path):
            source, target = map(unquote, match.group(1, 2)), map(unquote, match.group(4, 5))
            return self._copy(match[3], tuple(source), tuple(target), query, body)
        if match := UPLOAD.fullmatch(path):
            if "upload_id" in query:
                return self._resume(query["upload_id"], headers, body)
            return self._upload(unquote(match[1]), query, headers, body)
        if match := OBJECT.fullmatch(path):
            return self._object(method, *map(unquote, match.groups()), query, headers, body)
        if match := OBJECTS.fullmatch(path):
            return self._list(unquote(match[1]), query)
        if match := BUCKET.fullmatch(path):
            holder = self._bucket(unquote(match[1]))
            return as_json({"name": match[1], "versioning": {"enabled": holder.versioning}})
        raise Refused(404, "notFound", f"no such address: {path}")

    def _bucket(self, name: str) -> Bucket:
        if name not in self.buckets:
            raise Refused(404, "notFound", "The specified bucket does not exist.")
        return self.buckets[name]

    def _found(self, bucket: str, name: str, generation: str | None) -> Version:
        holder = self._bucket(bucket)
        if generation is None:
            version = holder.live_version(name)
        else:
            version = holder.version(name, int(generation))
        if version is None:
            raise Refused(404, "notFound", f"No such object: {bucket}/{name}")
        return version

    def _require(
        self, query: Mapping[str, str], version: Version | None, of: str = "", status: int = 412
    ) -> None:
        """Refuse what the conditions of a request do not allow; `of` is Source or nothing."""
        generation = 0 if version is None else version.generation
        meta = 0 if version is None else version.metageneration
        checks = [
            (f"if{of}GenerationMatch", generation, True),
            (f"if{of}GenerationNotMatch", generation, False),
            (f"if{of}MetagenerationMatch", meta, True),
            (f"if{of}MetagenerationNotMatch", meta, False),
        ]
        for name, found, same in checks:
            if name in query and (int(query[name]) == found) != same:
                message = "At least one of the pre-conditions you specified did not hold."
                raise Refused(status, "conditionNotMet", message)

    def _upload(
        self, bucket: str, query: dict[str, str], headers: Mapping[str, str], body: bytes
    ) -> Reply:
        self._bucket(bucket)
        if query.get("uploadType") == "multipart":
            about, content = _parts(headers["Content-Type"], body)
            name = about.get("name") or query["name"]
            return as_json(self._finish(bucket, name, query, about, content).resource(bucket))
        if query.get("uploadType") != "resumable":
            return as_json(self._finish(bucket, query["name"], query, {}, body).resource(bucket))
        about = json.loads(body or b"{}")
        name = about.get("name") or query["name"]
        self._require(query, self.buckets[bucket].live_version(name))
        key = f"session{len(self.sessions) + 1}"
        self.sessions[key] = Session(bucket, name, query, about)
        where = f"{self.url}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={key}"
        return Reply(200, b"", {"Location": where, "X-GUploader-UploadID": key})

    def _resume(self, key: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if key not in self.sessions:
            raise Refused(404, "notFound", "No such upload session.")
        session = self.sessions[key]
        if session.done is not None:
            return as_json(session.done.resource(session.bucket))
        match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", headers["Content-Range"])
        if match is None:
            raise Refused(400, "invalid", "Failed to parse Content-Range header.")
        start, total = match[1], match[3]
        if start is not None:
            if int(start) > len(session.content):
                raise Refused(503, "backendError", "Bytes are missing before these.")
            session.content = session.content[: int(start)] + body[: self.keeps]
        if total == "*" or len(session.content) < int(total):
            last = len(session.content) - 1
            return Reply(308, b"", {"Range": f"bytes=0-{last}"} if last >= 0 else {})
        about = session.about
        for part in headers.get("X-Goog-Hash", "").split(","):
            if part.strip().startswith("crc32c="):
                about = {**about, "crc32c": part.strip().removeprefix("crc32c=")}
        session.done = self._finish(
            session.bucket, session.name, session.query, about, session.content
        )
        return as_json(session.done.resource(session.bucket))

    def _finish(
        self,
        bucket: str,
        name: str,
        query: Mapping[str, str],
        about: Mapping[str, Any],
        content: bytes,
    ) -> Version:
        if self.damage_uploads:
            content = b"?" + content[1:]
        self._require(query, self._bucket(bucket).live_version(name))
        if self.checks and about.get("crc32c", crc32c(content)) != crc32c(content):
            raise Refused(
                400,
                "invalid",
                f'Provided CRC32C "{about["crc32c"]}" doesn\'t match calculated CRC32C '
                f'"{crc32c(content)}".',
            )
        said = {key: value for key, value in about.items() if key in SETTABLE}
        return self._store(bucket, name, content, said)

    def _object(
        self,
        method: str,
        bucket: str,
        name: str,
        query: dict[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        version = self._found(bucket, name, query.get("generation"))
        reading = method == "GET"
        not_changed = reading and "ifGenerationNotMatch" in query
        self._require(query, version, status=304 if not_changed else 412)
        if reading and query.get("alt") == "media":
            return self._media(version, headers)
        if method == "DELETE":
            self._delete(self.buckets[bucket], version, "generation" in query)
            return Reply(204)
        if method in ("PATCH", "PUT"):
            said = {k: value for k, value in json.loads(body).items() if k in SETTABLE}
            version.about = {**version.about, **said} if method == "PATCH" else said
            version.metageneration += 1
        return as_json(version.resource(bucket))

    def _media(self, version: Version, headers: Mapping[str, str]) -> Reply:
        content = version.content
        checksums = f"crc32c={crc32c(content)}"
        if self.damage_downloads:
            content = b"?" + content[1:]
        told = {
            "Content-Type": "application/octet-stream",
            **({"X-Goog-Hash": checksums} if self.tells else {}),
            "X-Goog-Generation": str(version.generation),
            "X-Goog-Stored-Content-Length": str(len(content)),
        }
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("Range", "")):
            first, last = int(match[1]), int(match[2] or len(content) - 1)
            told["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            return Reply(206, content[first : last + 1], told)
        return Reply(200, content, told)

    def _delete(self, holder: Bucket, version: Version, by_generation: bool) -> None:
        if by_generation or not holder.versioning:
            holder.versions[version.name].remove(version)
        if holder.live.get(version.name) == version.generation:
            del holder.live[version.name]

    def _list(self, bucket: str, query: Mapping[str, str]) -> Reply:
        holder = self._bucket(bucket)
        every = query.get("versions", "").lower() == "true"
        found = [
            version
            for name, versions in sorted(holder.versions.items())
            for version in versions
            if name.startswith(query.get("prefix", ""))
            and (every or holder.live.get(name) == version.generation)
        ]
        start = int(query.get("pageToken", 0))
        end = start + min(self.page, int(query.get("maxResults", self.page)))
        page: dict[str, Any] = {"items": [version.resource(bucket) for version in found[start:end]]}
        if end < len(found):
            page["nextPageToken"] = str(end)
        return as_json(page)

    def _copy(
        self,
        how: str,
        source: tuple[str, ...],
        target: tuple[str, ...],
        query: dict[str, str],
        body: bytes,
    ) -> Reply:
        version = self._found(*source, query.get("sourceGeneration"))
        self._require(query, version, of="Source")
        holder = self._bucket(target[0])
        self._require(query, holder.live_version(target[1]))
        so_far = int(query.get("rewriteToken", 0)) + self.rewrite_step
        size = len(version.content)
        if how == "rewriteTo" and so_far < size:
            about = {"totalBytesRewritten": str(so_far), "objectSize": str(size), "done": False}
            return as_json({**about, "rewriteToken": str(so_far)})
        said = {k: value for k, value in json.loads(body or b"{}").items() if k in SETTABLE}
        copy = self._store(*target, version.content, said or version.about)
        if how == "copyTo":
            return as_json(copy.resource(target[0]))
        about = {"totalBytesRewritten": str(size), "objectSize": str(size), "done": True}
        return as_json({**about, "resource": copy.resource(target[0])})


def _parts(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """Return what the two parts of a multipart/related body hold."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    boundary = message.get_boundary()
    # The bytes themselves: the parser would change line ends.
    _, first, second, _ = body.split(b"--" + boundary.encode())
    about = json.loads(first.partition(b"\r\n\r\n")[2])
    return about, second.partition(b"\r\n\r\n")[2][: -len(b"\r\n")]


@dataclass(frozen=True)
class Request:
    """A request that was made."""

    method: str
    url: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.url).path)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query))


class StorageServer(http.server.ThreadingHTTPServer):
    """Answers from its storage, and remembers what it was asked for.

    The client reads each bucket's place in a thread of its own, whenever it likes: these requests
    are answered, and not counted.

    Attributes:
        requests: what was asked for, in order.
        faults: what goes wrong with the requests of these numbers, the first being 0.
        before: called with a request's number before it is done.
    """

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.storage = Storage()
        self.storage.url = self.url
        self.requests: list[Request] = []
        self.faults: dict[int, Fault] = {}
        self.before: Callable[[int], None] = lambda number: None
        # Lets late answers go.
        self.released = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def forget(self) -> None:
        """Count requests from the next one on, without faults."""
        self.requests.clear()
        self.faults.clear()

    def handle_error(self, request, client_address) -> None:
        """Say nothing where a client hangs up."""


class _Handler(http.server.BaseHTTPRequestHandler):
    # HTTP/1.0, the default, closes every connection, so that none outlives its test.
    server: StorageServer

    def log_message(self, *args) -> None:
        pass

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if BUCKET.fullmatch(urlsplit(self.path).path):
            self._send(self.server.storage.answer(self.command, self.path, self.headers, body))
            return
        with self.server.lock:
            number = len(self.server.requests)
            self.server.requests.append(Request(self.command, self.path, dict(self.headers)))
        fault = self.server.faults.get(number)
        self.server.before(number)
        kind = None if fault is None else fault.kind
        if kind == "before":
            self._send(failure(fault.status, fault.reason, fault.message))
            return
        if kind == "cut before":
            return
        with self.server.lock:
            reply = self.server.storage.answer(self.command, self.path, self.headers, body)
        if kind == "after":
            reply = failure(fault.status, fault.reason, fault.message)
        if kind == "late":
            self.server.released.wait(fault.seconds)
        if kind != "cut":
            self._send(reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, text in reply.headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)


@contextlib.contextmanager
def serving() -> Iterator[StorageServer]:
    """Start a server for as long as the context lasts."""
    with running(StorageServer()) as server:
        try:
            yield server
        finally:
            server.released.set()
