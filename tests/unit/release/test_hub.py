"""A repository is read patiently, and written only where nobody else has written in between."""

import time

import huggingface_hub.constants
import pytest

from localcal.errors import InputError
from localcal.release import hub as hubs
from localcal.release.hub import Hub, Moved, Unsure, add
from tests.hub_server import OWNER, Fault, HubServer


def test_reading_goes_on_after_failures(desk, hub):
    head = hub.repository.put({"a/notes.md": b"one"})
    hub.faults = [Fault(times=2), Fault(number=3, cut=True)]
    repository = desk.hub()
    assert repository.head() == head
    assert repository.text("a/notes.md", head) == "one"
    assert desk.waits == [1, 2, 1]


def test_reading_ends_after_so_many_failures(desk, hub):
    hub.faults = [Fault(times=99, status=503, message="busy")]
    with pytest.raises(Unsure, match="^model me/data, main: the Hub answered 503, busy; run the"):
        desk.hub().head()
    assert len(hub.requests) == hubs.TRIES


def test_what_is_not_there_is_none_only_if_the_hub_says_so(desk, hub):
    head = hub.repository.head
    repository = desk.hub()
    assert repository.text("nothing", head) is None
    assert repository.content("nothing", head) is None
    assert repository.tree("nothing", head) == {}
    assert repository.paths(["nothing"], head) == {}
    with pytest.raises(InputError, match="no such revision"):
        repository.tree("nothing", 40 * "0")
    hub.faults = [Fault("resolve", times=99)]
    with pytest.raises(Unsure):
        repository.text("nothing", head)


def test_a_tree_of_many_pages_is_read_whole(desk, hub):
    hub.page = 3
    files = {f"a/{number}": b"%d" % number for number in range(10)}
    head = hub.repository.put(files)
    assert desk.hub().tree("a", head).keys() == files.keys()
    assert hub.names().count("tree") == 4


def test_a_commit_that_changes_nothing_is_no_commit(desk, hub):
    """The client does not even send it, and does not ask whether the parent is right."""
    head = hub.repository.put({"notes.md": b"one"})
    before = hub.repository.history()[1].oid
    repository = desk.hub()
    with pytest.raises(Moved, match="changes nothing"):
        repository.commit([add("notes.md", "one")], "again", head)
    with pytest.raises(Moved):
        repository.commit([add("notes.md", "two")], "late", before)
    assert hub.repository.head == head


def test_a_tag_names_one_commit_for_good(desk, hub):
    first = hub.repository.head
    second = hub.repository.put({"notes.md": b"one"})
    repository = desk.hub()
    repository.tag("1.0.0", first)
    repository.tag("1.0.0", first)
    with pytest.raises(InputError, match=f"tag 1.0.0 names commit {first[:12]} instead of"):
        repository.tag("1.0.0", second)
    # Somebody is faster, or the answer is lost.
    hub.faults = [Fault("tag", status=None, act=lambda: hub.repository.tags.update(a=second))]
    repository.tag("a", second)
    hub.faults = [Fault("tag", done=True)]
    repository.tag("b", second)
    assert hub.repository.tags == {"1.0.0": first, "a": second, "b": second}


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(desk, hub, monkeypatch):
    monkeypatch.setattr(hubs, "ANSWER", 0.05)
    head = hub.repository.head
    hub.faults = [Fault("commit", status=None, done=True, act=lambda: time.sleep(0.3))]
    with pytest.raises(Unsure, match="commit: the connection failed .ReadTimeout"):
        desk.hub().commit([add("notes.md", "one")], "late", head)
    assert hub.repository.files()["notes.md"] == b"one"


def test_offline_is_said(desk, hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    huggingface_hub.utils.close_session()
    with pytest.raises(InputError, match="main: HF_HUB_OFFLINE forbids the network; unset it"):
        desk.hub().head()


def test_nobody_listens(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(InputError, match="^model me/data, main: the connection failed") as caught:
        Hub("me/data", "model", pause=lambda seconds: None).head()
    assert "127.0.0.1" not in str(caught.value)


def test_a_name_that_cannot_be_one_is_refused(hub):
    with pytest.raises(InputError, match="correct release.repo_id"):
        Hub("me//data", "model").head()


def test_no_token_of_another_shape_is_told_by_a_server_that_sends_it_back(desk, hub, monkeypatch):
    token = "of-my-own-gateway-0123"
    hub.tokens[token] = "write"
    monkeypatch.setenv("HF_TOKEN", token)
    for request in ("head", "preupload", "batch", "put", "commit"):
        for status in (400, 401, 403, 404, 413, 500, 503):
            message = f"no: {{'x-token': '{token}', 'authorization': 'Bearer {token}'}}"
            hub.faults = [Fault(request, status=status, message=message, times=99)]
            with pytest.raises(InputError) as caught:
                desk.stage("one", "1.0.0")
            assert token not in str(caught.value)


def test_no_address_of_an_upload_is_logged(desk, hub, monkeypatch, caplog):
    """Who has it may write, and the client says on the terminal what it tries again."""
    serve = HubServer._batch

    def signed(*given):
        answer = serve(*given)
        for one in answer.content["objects"]:
            if "actions" in one:
                one["actions"]["upload"]["href"] += "?X-Amz-Signature=0123abcd"
        return answer

    monkeypatch.setattr(HubServer, "_batch", signed)
    hub.faults = [Fault("put", status=503, times=2)]
    desk.stage("one", "1.0.0")
    assert "Retrying" in caplog.text
    assert "?***" in caplog.text and "0123abcd" not in caplog.text


def test_no_token_is_told(desk, hub):
    """Neither in an error nor in what the Hub says about it."""
    hub.faults = [Fault("head", status=401, message=f"Invalid credentials {OWNER}")]
    with pytest.raises(InputError, match=r"\*\*\*") as caught:
        desk.hub().head()
    assert OWNER not in str(caught.value)
    hub.faults = []
    desk.release("one", "1.0.0")
    for request in hub.requests:
        assert OWNER.encode() not in request.path.encode() + request.body
        assert OWNER not in str({**request.headers, "authorization": ""})
    for path in desk.runs.rglob("*"):
        assert path.is_dir() or OWNER.encode() not in path.read_bytes()
    for content in hub.repository.files().values():
        assert OWNER.encode() not in content
