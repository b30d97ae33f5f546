"""The unmodified client against a loopback server that speaks the Hub's resolve protocol."""

import hashlib
import http.server
import io
import logging
import os
import re
import subprocess
import sys
import threading
import time
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants
import pytest

from localcal.errors import InputError
from localcal.files import huggingface
from localcal.files.huggingface import fetch_file

COMMIT = "1f" * 20
CONTENT = bytes(range(256)) * 40
ADDRESS = re.compile(r"/(?P<repo>.+?)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")


class Hub(http.server.ThreadingHTTPServer):
    """One repository, me/data, whose tag v1 and branch main are one commit with two files.

    small.csv lives in git: its tag is a blob id and it is served directly. deep/data.h5 lives in
    storage on another host (localhost instead of 127.0.0.1): HEAD redirects there.
    """

    daemon_threads = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.files = {"small.csv": b"a,b\n1,2\n", "deep/data.h5": CONTENT}
        self.requests = []
        self.gated = False
        self.answers = []
        self.send = lambda content: content
        self.names_commit = True
        self.offers_xet = False

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class HubHandler(http.server.BaseHTTPRequestHandler):
    # HTTP/1.0, the default, closes every connection, so that none outlives its test.

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        hub = self.server
        path = unquote(urlsplit(self.path).path)
        token = self.headers.get("Authorization")
        hub.requests.append((self.command, self.headers["Host"].split(":")[0], path, token))
        if hub.answers and (status := hub.answers.pop(0)):
            return self.reply(status)
        if path.startswith("/storage/"):
            return self.reply(200, hub.files[path.removeprefix("/storage/")])
        address = ADDRESS.fullmatch(path)
        if address["repo"] != "datasets/me/data":
            return self.reply(404, code="RepoNotFound")
        if hub.gated and token != "Bearer hf_granted":
            return self.reply(403, code="GatedRepo")
        if address["revision"] not in ("v1", "main", COMMIT):
            return self.reply(404, code="RevisionNotFound")
        if address["file"] not in hub.files:
            return self.reply(404, code="EntryNotFound")
        return self.resolve(address["file"])

    def resolve(self, file):
        hub = self.server
        content = hub.files[file]
        commit = {"X-Repo-Commit": COMMIT} if hub.names_commit else {}
        if file.endswith(".csv"):
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            return self.reply(200, content, **commit, ETag=f'"{blob}"')
        xet = {"X-Xet-Hash": "ab" * 32, "X-Xet-Refresh-Route": f"{hub.url}/xet"}
        return self.reply(
            302,
            **commit,
            **(xet if hub.offers_xet else {}),
            **{
                "X-Linked-ETag": f'"{hashlib.sha256(CONTENT).hexdigest()}"',
                "X-Linked-Size": str(len(CONTENT)),
                "Location": f"http://localhost:{hub.server_port}/storage/{file}",
            },
        )

    def reply(self, status, content=b"", code=None, **headers):
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", f"{code}: see our pages")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(self.server.send(content))


@pytest.fixture
def hub(monkeypatch):
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", os.devnull)
        # With telemetry the client also asks huggingface.co who started it.
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", True)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        # The client waits seconds between attempts.
        monkeypatch.setattr(time, "sleep", lambda seconds: None)
        huggingface_hub.close_session()
        yield hub
        huggingface_hub.close_session()
        hub.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "data.h5"


def fetch(path, repo_id="me/data", filename="deep/data.h5", revision="v1", repo_type="dataset"):
    return fetch_file(repo_id, filename, revision, repo_type, path)


def left_over(path):
    return [str(p.relative_to(path.parent)) for p in path.parent.rglob("*")]


@pytest.mark.parametrize("filename", ["small.csv", "deep/data.h5"])
@pytest.mark.parametrize("revision", ["v1", "main", COMMIT])
def test_a_file_arrives_whole_alone_and_with_its_commit(hub, path, filename, revision):
    assert fetch(path, filename=filename, revision=revision) == COMMIT
    assert path.read_bytes() == hub.files[filename]
    assert left_over(path) == ["data.h5"]


def test_the_download_is_of_the_commit_the_revision_meant_at_first(hub, path):
    fetch(path, revision="main")
    revisions = [ADDRESS.fullmatch(p)["revision"] for _, _, p, _ in hub.requests if "resolve" in p]
    assert revisions[0] == "main"
    assert set(revisions[1:]) == {COMMIT}


def test_the_token_goes_to_the_hub_but_not_to_its_storage(hub, path, monkeypatch):
    hub.gated = True
    monkeypatch.setenv("HF_TOKEN", "hf_granted")
    fetch(path)
    tokens = {(host, token) for _, host, _, token in hub.requests}
    assert tokens == {("127.0.0.1", "Bearer hf_granted"), ("localhost", None)}


def test_an_old_file_and_a_killed_jobs_remains_are_replaced(hub, path):
    # What the client leaves beside a file it downloaded, to know it again by its commit.
    remains = path.with_name("data.h5.fetch") / "file"
    notes = remains / ".cache" / "huggingface" / "download"
    notes.mkdir(parents=True)
    (remains / "small.csv").write_bytes(b"changed since")
    (notes / "small.csv.metadata").write_text(f"{COMMIT}\ntag\n{time.time() + 60}\n")
    path.write_bytes(b"old")
    fetch(path, filename="small.csv")
    assert path.read_bytes() == hub.files["small.csv"]
    assert left_over(path) == ["data.h5"]


@pytest.mark.parametrize("kept", [None, b"old"])
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ({"revision": "v9"}, "no such revision"),
        ({"filename": "deep/other.h5"}, "no such file at this revision"),
        ({"repo_id": "me/other"}, "no such repository, or a private one"),
        ({"repo_type": "model"}, "no such repository, or a private one"),
    ],
)
def test_what_does_not_exist_is_said_in_one_line(hub, path, address, message, kept):
    if kept:
        path.parent.mkdir()
        path.write_bytes(kept)
    with pytest.raises(InputError, match=message) as raised:
        fetch(path, **address)
    asked = {"repo_id": "me/data", "filename": "deep/data.h5", "revision": "v1"} | address
    assert all(text in str(raised.value) for text in asked.values())
    assert "\n" not in str(raised.value)
    assert left_over(path) == (["data.h5"] if kept else [])


def test_a_gated_repository_says_how_to_get_in(hub, path):
    hub.gated = True
    with pytest.raises(InputError, match="access must be granted.*HF_TOKEN"):
        fetch(path)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_points_to_the_token(hub, path, status):
    hub.answers = [status]
    with pytest.raises(InputError, match=rf"access refused \({status}\).*HF_TOKEN"):
        fetch(path)


@pytest.mark.parametrize("status", [429, 503])
def test_a_hub_that_is_busy_for_a_moment_is_asked_again(hub, path, status):
    hub.answers = [status, status]
    fetch(path)
    assert path.read_bytes() == CONTENT


def test_a_hub_that_stays_broken_is_reported_with_its_status(hub, path):
    hub.answers = [500] * 50
    with pytest.raises(InputError, match="the Hub answered 500; run the same command again"):
        fetch(path)
    assert left_over(path) == []


def test_a_transfer_that_breaks_off_leaves_nothing(hub, path):
    # HEAD of the tag, HEAD of the commit, a GET that ends early, and then a broken Hub.
    hub.answers = [None, None, None, 500]
    hub.send = lambda content: content[:1000]
    with pytest.raises(InputError, match="me/data, file deep/data.h5, revision v1: .*again"):
        fetch(path)
    assert [command for command, *_ in hub.requests] == ["HEAD", "HEAD", "GET", "GET"]
    assert left_over(path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [(CONTENT[:1000], "arrived incomplete"), (CONTENT[::-1], "arrived damaged")],
)
def test_other_content_than_announced_is_not_kept(hub, path, content, message):
    hub.files["deep/data.h5"] = content
    with pytest.raises(InputError, match=message):
        fetch(path)
    assert left_over(path) == []


def test_an_unreachable_hub_says_to_try_again(hub, path, monkeypatch):
    with http.server.HTTPServer(("127.0.0.1", 0), HubHandler) as closed:
        port = closed.server_port
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    with pytest.raises(InputError, match="download failed.*run the same command again") as raised:
        fetch(path)
    assert "me/data, file deep/data.h5, revision v1" in str(raised.value)
    assert left_over(path) == []


def test_a_server_that_is_no_hub_is_recognised(hub, path):
    hub.names_commit = False
    with pytest.raises(InputError, match="not one of a Hugging Face Hub; check HF_ENDPOINT"):
        fetch(path, filename="small.csv")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE forbids the network"),
        # As on a machine without the client's faster way of transfer.
        ({"HF_HUB_DISABLE_XET": "1"}, None),
    ],
)
def test_the_clients_own_switches_work(hub, path, variables, message):
    hub.offers_xet = True
    # The client reads them when it is imported, hence a process of its own.
    program = (
        "import sys; from localcal.errors import InputError\n"
        "from localcal.files.huggingface import fetch_file\n"
        "try: fetch_file('me/data', 'deep/data.h5', 'v1', 'dataset', sys.argv[1])\n"
        "except InputError as error: sys.exit(str(error))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env=os.environ | {"HF_HUB_DISABLE_TELEMETRY": "1"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    if message:
        assert done.returncode == 1
        assert message in done.stderr
        assert left_over(path) == []
    else:
        assert done.returncode == 0, done.stderr
        assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ({"revision": None}, "revision is None; state it"),
        ({"revision": " "}, "revision is ' '; state it"),
        ({"repo_id": ""}, "repo_id is ''; state it"),
        ({"filename": None}, "filename is None; state it"),
        ({"repo_type": "space"}, "repo_type is 'space'; use one of model, dataset"),
        ({"repo_id": "me/data/more"}, "correct the config"),
        ({"filename": "../data.h5"}, "leaves the repository"),
        ({"filename": "/data.h5"}, "leaves the repository"),
    ],
)
def test_an_incomplete_address_is_refused_before_anything_is_asked(hub, path, address, message):
    with pytest.raises(InputError, match=message):
        fetch(path, **address)
    assert hub.requests == []


@pytest.mark.parametrize("endpoint", ["huggingface.co", "http://host:port", "http://"])
def test_an_endpoint_that_is_no_address_is_refused(hub, path, monkeypatch, endpoint):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(InputError, match=f"HF_ENDPOINT={endpoint}"):
        fetch(path)


@pytest.mark.network
def test_the_real_hub_gives_a_public_file(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    path = tmp_path / "config.json"
    commit = fetch_file("openai-community/gpt2", "config.json", "main", "model", path)
    assert re.fullmatch("[0-9a-f]{40}", commit)
    assert b"vocab_size" in path.read_bytes()


@pytest.mark.parametrize("failure", ["refused", "unreachable", "no hub", "no address"])
def test_credentials_in_the_hubs_address_are_shown_by_nobody(
    hub, path, monkeypatch, capfd, caplog, failure
):
    port = hub.server_port
    if failure == "unreachable":
        with http.server.HTTPServer(("127.0.0.1", 0), HubHandler) as closed:
            port = closed.server_port
    scheme = "htp" if failure == "no address" else "http"
    hub.names_commit = failure != "no hub"
    monkeypatch.setenv("HF_ENDPOINT", f"{scheme}://user:s3cret@127.0.0.1:{port}")
    name = "no_such_file" if failure == "refused" else "small.csv"
    with pytest.raises(InputError) as raised:
        fetch(path, filename=name)
    captured = capfd.readouterr()
    assert "s3cret" not in f"{raised.value}{captured.out}{captured.err}{caplog.text}"


def test_what_the_client_logs_itself_shows_no_credentials():
    shown = io.StringIO()
    handler = logging.StreamHandler(shown)
    client = logging.getLogger("huggingface_hub")
    client.addHandler(handler)
    try:
        huggingface.keep_secrets()
        logging.getLogger("huggingface_hub.utils").error("asking %s", "http://user:s3cret@host")
    finally:
        client.removeHandler(handler)
    assert shown.getvalue() == "asking http://***@host\n"
