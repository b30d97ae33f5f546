"""A Hugging Face Hub on this machine for the unmodified client, with faults on order.

It has one repository and keeps what the real one keeps: commits with their parents and trees, blobs
inside git, objects beside it, branches and tags. It answers the dozen requests of the client, and
checks what the real one checks: tokens, the parent of a commit, that the objects of a commit are
there, that a tag is not there yet. Set `HF_HUB_DISABLE_XET`: the Xet protocol is a system
of its own.
"""

import base64
import contextlib
import copy
import fnmatch
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.web_server import running

OWNER, READER = "hf_mayReadAndWrite0123456789", "hf_mayReadOnly0123456789012"
PAGE = 1000
# What a new repository of the Hub keeps beside git, in part.
ATTRIBUTES = "".join(
    f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n"
    for ending in ("h5", "npy", "parquet", "bin", "zip", "gz", "tar")
)
# Of larger files, and of those that are no text, the Hub decides so itself.
LARGEST_IN_GIT = 10 << 20


@dataclass(frozen=True)
class Entry:
    """A file of a tree: the id of its blob in git, or of the pointer to an object beside it."""

    blob: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class Commit:
    """What a commit says."""

    oid: str
    parent: str | None
    title: str
    tree: dict[str, Entry]


@dataclass
class Request:
    """What the client sent."""

    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Fault:
    """What goes wrong with a request.

    Attributes:
        on: the name of the requests it is about, see `ROUTES`; None for any.
        number: which of them, from 0, counted from when the fault was set.
        done: whether the request is done before it goes wrong.
        status: of the answer; None to answer as if nothing were wrong.
        code, message: X-Error-Code and X-Error-Message of the answer.
        cut: hang up instead of answering.
        act: called when it goes wrong.
        corrupt: what is sent arrives otherwise than it was.
        times: how many requests it befalls, from that one.
    """

    on: str | None = None
    number: int = 0
    done: bool = False
    status: int | None = 500
    code: str | None = None
    message: str = "it went wrong"
    cut: bool = False
    act: Callable[[], object] | None = None
    corrupt: bool = False
    times: int = 1
    seen: int = 0

    def befalls(self, name: str) -> bool:
        """Say whether it is this request's turn, and count it."""
        if self.on not in (None, name):
            return False
        self.seen += 1
        return self.number < self.seen <= self.number + self.times


@dataclass
class Answer:
    """What the server says."""

    status: int = 200
    content: object = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


class Refused(Exception):
    """The request is answered by an error."""

    def __init__(self, status: int, code: str | None = None, message: str = "") -> None:
        super().__init__(message)
        self.answer = error_answer(status, code, message)


def error_answer(status: int, code: str | None, message: str) -> Answer:
    """Return an error as the Hub words it."""
    headers = {"X-Error-Message": message} if message else {}
    if code is not None:
        headers["X-Error-Code"] = code
    return Answer(status, {"error": message}, headers)


class Repository:
    """Commits, objects and refs."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.objects: dict[str, bytes] = {}
        self.commits: dict[str, Commit] = {}
        self.tags: dict[str, str] = {}
        self.head = self.commit(
            {".gitattributes": self.blob(ATTRIBUTES.encode())}, "initial commit"
        )

    def blob(self, content: bytes) -> Entry:
        """Keep a file inside git."""
        oid = git_id(content)
        self.blobs[oid] = content
        return Entry(oid, len(content))

    def pointer(self, sha256: str) -> Entry:
        """Return the entry of an object; it says what is kept, whatever was to be."""
        content = self.objects[sha256]
        found = hashlib.sha256(content).hexdigest()
        text = (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{found}\nsize {len(content)}\n"
        )
        self.objects[found] = content
        return Entry(git_id(text.encode()), len(content), found)

    def commit(self, tree: dict[str, Entry], title: str) -> str:
        """Make a commit of a tree and move main there."""
        parent = getattr(self, "head", None)
        told = json.dumps([parent, title, sorted((p, e.blob) for p, e in tree.items())])
        oid = hashlib.sha1(told.encode()).hexdigest()
        self.commits[oid] = Commit(oid, parent, title, dict(sorted(tree.items())))
        self.head = oid
        return oid

    def put(self, files: dict[str, bytes], title: str = "somebody else's") -> str:
        """Commit small files, as somebody else would."""
        tree = dict(self.commits[self.head].tree)
        return self.commit(tree | {path: self.blob(text) for path, text in files.items()}, title)

    def copy(self) -> "Repository":
        """Return it as it is now, for another try."""
        made = copy.copy(self)
        made.blobs, made.objects = dict(self.blobs), dict(self.objects)
        made.commits, made.tags = dict(self.commits), dict(self.tags)
        return made

    def files(self, revision: str | None = None) -> dict[str, bytes]:
        """Return every file of a commit, a tag, or main."""
        commit = self.commits[self.tags.get(revision or "", revision or self.head)]
        return {path: self.content(entry) for path, entry in commit.tree.items()}

    def content(self, entry: Entry) -> bytes:
        """Return a file's bytes."""
        return self.blobs[entry.blob] if entry.sha256 is None else self.objects[entry.sha256]

    def history(self) -> list[Commit]:
        """Return the commits of main, the last one first."""
        found, oid = [], self.head
        while oid is not None:
            found.append(self.commits[oid])
            oid = found[-1].parent
        return found


def git_id(content: bytes) -> str:
    """Return what git calls a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_beside_git(attributes: str, path: str, size: int, sample: bytes) -> bool:
    """Say whether the Hub keeps a file as an object of its own."""
    patterns = [line.split()[0] for line in attributes.splitlines() if "filter=lfs" in line]
    by_name = any(
        fnmatch.fnmatch(name, p) for p in patterns for name in (path, path.split("/")[-1])
    )
    return size > 0 and (by_name or size > LARGEST_IN_GIT or b"\0" in sample)


API = r"/api/(?P<kind>models|datasets)/(?P<repo>[^/]+/[^/]+)"
LFS = r"/(?P<prefix>datasets/)?(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects"
ROUTES = {
    "head": ("GET", rf"{API}(?:/revision/(?P<revision>[^/]+))?"),
    "refs": ("GET", rf"{API}/refs"),
    "commits": ("GET", rf"{API}/commits/(?P<revision>[^/]+)"),
    "tree": ("GET", rf"{API}/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?"),
    "paths": ("POST", rf"{API}/paths-info/(?P<revision>[^/]+)"),
    "preupload": ("POST", rf"{API}/preupload/(?P<revision>[^/]+)"),
    "commit": ("POST", rf"{API}/commit/(?P<revision>[^/]+)"),
    "tag": ("POST", rf"{API}/tag/(?P<revision>[^/]+)"),
    "batch": ("POST", rf"{LFS}/batch"),
    "verify": ("POST", rf"{LFS}/verify"),
    "put": ("PUT", r"/storage/(?P<oid>[0-9a-f]{64})"),
    "part": ("PUT", r"/storage/(?P<oid>[0-9a-f]{64})/(?P<part>\d+)"),
    "join": ("POST", r"/storage/(?P<oid>[0-9a-f]{64})"),
    "resolve": (
        "(?:GET|HEAD)",
        r"/(?P<prefix>datasets/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
    ),
}
WRITES = ("preupload", "commit", "tag", "batch", "verify")


class HubServer(http.server.ThreadingHTTPServer):
    """One repository, me/data, and what goes wrong with it.

    Attributes:
        faults: those that are still to come.
        requests: all that came in.
        stale: for how many requests main is still where it was before its last commit.
        public: whether the repository may be read without a token.
        part_size: bytes above which objects are sent in parts of this size.
    """

    daemon_threads = False

    def __init__(self, kind: str = "model") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kind, self.name = kind, "me/data"
        self.repository = Repository()
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.stale = 0
        self.public = False
        self.tokens = {OWNER: "write", READER: "read"}
        self.part_size = 1 << 30
        self.page = PAGE
        self.parts: dict[tuple[str, int], bytes] = {}
        self.lock = threading.RLock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address) -> None:
        """Say nothing where a client hangs up."""

    def names(self) -> list[str]:
        """Return what came in, by name."""
        return [request.name for request in self.requests]

    def fault_of(self, name: str) -> Fault | None:
        """Return what goes wrong with a request now."""
        found = [fault for fault in self.faults if fault.befalls(name)]
        return found[0] if found else None

    def resolve(self, revision: str | None) -> Commit:
        """Return the commit of a revision.

        Raises:
            Refused: there is none.
        """
        repository = self.repository
        oid = repository.tags.get(unquote(revision or "main"), unquote(revision or "main"))
        if oid == "main":
            oid = repository.head
            if self.stale > 0:
                self.stale -= 1
                oid = repository.commits[oid].parent or oid
        if oid not in repository.commits:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repository.commits[oid]

    def answer(self, request: Request, found: dict[str, str | None]) -> Answer:
        """Do what is asked and return the answer."""
        if request.name in ("put", "part", "join"):
            return getattr(self, f"_{request.name}")(request, found)
        self._refuse_stranger(request, found)
        return getattr(self, f"_{request.name}")(request, found)

    def _refuse_stranger(self, request: Request, found: dict[str, str | None]) -> None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        kind = "dataset" if found.get("kind") == "datasets" or found.get("prefix") else "model"
        right = self.tokens.get(token)
        if token and right is None:
            raise Refused(401, None, "Invalid credentials in Authorization header")
        # Who may not read it is told that there is none.
        if (found["repo"], kind) != (self.name, self.kind) or not (right or self.public):
            raise Refused(404 if right else 401, "RepoNotFound", "Repository not found")
        if request.name in WRITES and right is None:
            raise Refused(401, None, "Invalid username or password.")
        if request.name in WRITES and right != "write":
            raise Refused(403, None, "You don't have the rights to write to this repository")

    def _head(self, request: Request, found: dict[str, str | None]) -> Answer:
        return Answer(content={"id": self.name, "sha": self.resolve(found["revision"]).oid})

    def _refs(self, request: Request, found: dict[str, str | None]) -> Answer:
        def refs(kind: str, named: dict[str, str]) -> list[dict[str, str]]:
            return [
                {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": oid}
                for name, oid in named.items()
            ]

        branches = refs("heads", {"main": self.repository.head})
        tags = refs("tags", self.repository.tags)
        return Answer(content={"branches": branches, "tags": tags, "converts": []})

    def _commits(self, request: Request, found: dict[str, str | None]) -> Answer:
        start = self.resolve(found["revision"])
        history = self.repository.history()
        return Answer(
            content=[
                {
                    "id": commit.oid,
                    "title": commit.title,
                    "message": "",
                    "authors": [{"user": "me"}],
                    "date": "2026-01-01T00:00:00.000Z",
                }
                for commit in history[history.index(start) :]
            ]
        )

    def _tree(self, request: Request, found: dict[str, str | None]) -> Answer:
        tree = self.resolve(found["revision"]).tree
        folder = unquote(found["path"] or "").strip("/")
        inside = f"{folder}/" if folder else ""
        paths = [path for path in tree if path.startswith(inside)]
        if folder and not paths:
            raise Refused(404, "EntryNotFound", f"{folder} does not exist on main")
        query = parse_qs(urlsplit(request.path).query)
        if query.get("recursive", ["false"])[0].lower() != "true":
            paths = [path for path in paths if "/" not in path.removeprefix(inside)]
        first = int(query.get("cursor", ["0"])[0])
        headers = {}
        if first + self.page < len(paths):
            here = f"{self.url}{urlsplit(request.path).path}"
            kept = f"recursive={query.get('recursive', ['false'])[0]}"
            headers["Link"] = f'<{here}?{kept}&cursor={first + self.page}>; rel="next"'
        page = paths[first : first + self.page]
        return Answer(content=[_described(path, tree[path]) for path in page], headers=headers)

    def _paths(self, request: Request, found: dict[str, str | None]) -> Answer:
        tree = self.resolve(found["revision"]).tree
        paths = parse_qs(request.body.decode()).get("paths", [])
        return Answer(content=[_described(path, tree[path]) for path in paths if path in tree])

    def _preupload(self, request: Request, found: dict[str, str | None]) -> Answer:
        tree = self.resolve(found["revision"]).tree
        files = json.loads(request.body)["files"]
        if len(files) > 256:
            raise Refused(413, None, "too many files")
        attributes = ""
        if ".gitattributes" in tree:
            attributes = self.repository.content(tree[".gitattributes"]).decode()
        return Answer(content={"files": [self._mode(attributes, tree, file) for file in files]})

    def _mode(self, attributes: str, tree: dict[str, Entry], file: dict) -> dict[str, object]:
        path, entry = file["path"], tree.get(file["path"])
        sample = base64.b64decode(file["sample"])
        beside = is_beside_git(attributes, path, file["size"], sample)
        oid = None if entry is None else entry.sha256 or entry.blob
        mode = "lfs" if beside else "regular"
        return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}

    def _batch(self, request: Request, found: dict[str, str | None]) -> Answer:
        objects = json.loads(request.body)["objects"]
        return Answer(content={"transfer": "basic", "objects": [*map(self._action, objects)]})

    def _action(self, wanted: dict) -> dict[str, object]:
        oid, size = wanted["oid"], wanted["size"]
        kept = self.repository.objects.get(oid)
        if kept is not None and hashlib.sha256(kept).hexdigest() == oid:
            return {"oid": oid, "size": size}
        address = f"{self.url}/storage/{oid}"
        upload: dict[str, object] = {"href": address}
        if size > self.part_size:
            numbers = range(1, -(-size // self.part_size) + 1)
            parts = {str(number): f"{address}/{number}" for number in numbers}
            upload["header"] = {"chunk_size": str(self.part_size), **parts}
        prefix = "datasets/" if self.kind == "dataset" else ""
        verify = {"href": f"{self.url}/{prefix}{self.name}.git/info/lfs/objects/verify"}
        return {"oid": oid, "size": size, "actions": {"upload": upload, "verify": verify}}

    def _put(self, request: Request, found: dict[str, str | None]) -> Answer:
        self.repository.objects[str(found["oid"])] = request.body
        return Answer()

    def _part(self, request: Request, found: dict[str, str | None]) -> Answer:
        self.parts[str(found["oid"]), int(str(found["part"]))] = request.body
        return Answer(headers={"ETag": f'"{hashlib.md5(request.body).hexdigest()}"'})

    def _join(self, request: Request, found: dict[str, str | None]) -> Answer:
        oid = str(found["oid"])
        numbers = [part["partNumber"] for part in json.loads(request.body)["parts"]]
        self.repository.objects[oid] = b"".join(self.parts[oid, number] for number in numbers)
        return Answer(content={})

    def _verify(self, request: Request, found: dict[str, str | None]) -> Answer:
        if json.loads(request.body)["oid"] not in self.repository.objects:
            raise Refused(404, None, "object was not uploaded")
        return Answer(content={})

    def _commit(self, request: Request, found: dict[str, str | None]) -> Answer:
        lines = [json.loads(line) for line in request.body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit", self.repository.head) != self.repository.head:
            raise Refused(412, None, "A commit has happened since. Please refresh and try again.")
        tree = dict(self.repository.commits[self.repository.head].tree)
        for line in lines[1:]:
            self._change(tree, line["key"], line["value"])
        oid = self.repository.commit(tree, header["summary"])
        return Answer(
            content={"commitUrl": f"{self.url}/{self.name}/commit/{oid}", "commitOid": oid}
        )

    def _change(self, tree: dict[str, Entry], key: str, value: dict) -> None:
        path = value["path"]
        if key == "file":
            tree[path] = self.repository.blob(base64.b64decode(value["content"]))
        elif key == "lfsFile":
            if value["oid"] not in self.repository.objects:
                raise Refused(
                    400, None, f"{path}: LFS pointer pointed to a file that does not exist"
                )
            tree[path] = self.repository.pointer(value["oid"])
        else:
            inside = path.rstrip("/") + "/" if key == "deletedFolder" else None
            gone = [name for name in tree if name == path or (inside and name.startswith(inside))]
            if not gone:
                raise Refused(404, "EntryNotFound", "A file with this name doesn't exist")
            for name in gone:
                del tree[name]

    def _tag(self, request: Request, found: dict[str, str | None]) -> Answer:
        tag = json.loads(request.body)["tag"]
        if tag in self.repository.tags:
            raise Refused(409, None, f"Tag reference exists already: {tag}")
        self.repository.tags[tag] = self.resolve(found["revision"]).oid
        return Answer(content={})

    def _resolve(self, request: Request, found: dict[str, str | None]) -> Answer:
        commit = self.resolve(found["revision"])
        path = unquote(str(found["path"]))
        headers = {"X-Repo-Commit": commit.oid}
        if path not in commit.tree:
            refused = Refused(404, "EntryNotFound", "Entry not found")
            refused.answer.headers |= headers
            raise refused
        entry = commit.tree[path]
        headers["ETag"] = f'"{entry.sha256 or entry.blob}"'
        if entry.sha256 is not None:
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(entry.size)}
        return Answer(headers=headers, body=self.repository.content(entry))


def _described(path: str, entry: Entry) -> dict[str, object]:
    told: dict[str, object] = {
        "type": "file",
        "path": path,
        "size": entry.size,
        "oid": entry.blob,
    }
    if entry.sha256 is not None:
        told["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": 134}
    return told


class _Handler(http.server.BaseHTTPRequestHandler):
    # HTTP/1.0, the default, closes every connection, so that none outlives its test.
    server: HubServer

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        for name, (method, pattern) in ROUTES.items():
            match = re.fullmatch(pattern, path)
            if match and re.fullmatch(method, self.command):
                headers = {key.lower(): text for key, text in self.headers.items()}
                request = Request(name, self.command, self.path, headers, body)
                answer = self._with_faults(request, match.groupdict())
                break
        else:
            raise AssertionError(f"{self.command} {self.path} is no request of the Hub's")
        if answer is not None:
            self._send(answer)

    def _with_faults(self, request: Request, found: dict[str, str | None]) -> Answer | None:
        """Return the answer, None to hang up."""
        server = self.server
        with server.lock:
            server.requests.append(request)
            fault = server.fault_of(request.name)
        if fault is None:
            return self._done(request, found)
        if fault.corrupt and request.body:
            request.body = bytes([request.body[0] ^ 1]) + request.body[1:]
        answer = self._done(request, found) if fault.done else None
        # Others may ask for something meanwhile.
        if fault.act is not None:
            fault.act()
        if fault.cut:
            return None
        if fault.status is not None:
            return error_answer(fault.status, fault.code, fault.message)
        return answer or self._done(request, found)

    def _done(self, request: Request, found: dict[str, str | None]) -> Answer:
        try:
            with self.server.lock:
                return self.server.answer(request, found)
        except Refused as refused:
            return refused.answer

    def _send(self, answer: Answer) -> None:
        body = answer.body
        if body is None:
            body = b"" if answer.content is None else json.dumps(answer.content).encode()
            answer.headers.setdefault("Content-Type", "application/json")
        self.send_response(answer.status)
        for name, text in answer.headers.items():
            self.send_header(name, quote(text, safe=" /:;,.<>?=&%\"'@!()*+-_~"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def serving(kind: str = "model") -> contextlib.AbstractContextManager[HubServer]:
    """Start a server for as long as the context lasts."""
    return running(HubServer(kind))
