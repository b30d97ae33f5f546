"""Whatever happens to a request: the old release or the new one, and the same command finishes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from localcal.errors import InputError
from localcal.release.contents import read_file
from localcal.release.hub import Hub
from localcal.release.promote import promote
from localcal.release.rollback import rollback
from localcal.release.stage import stage
from localcal.run.sections import Release
from tests.hub_server import Fault, Repository
from tests.release_case import write_run

WORKFLOW = Path(__file__).parents[3] / "workflow"

# A file of every kind; each is one request or two more.
FEW = [
    "run.json",
    "targets/policy_data.db",
    "areas/national/US.h5",
    "areas/states/CA.h5",
    "validation/states/CA.csv",
]
FAULTS = {
    "fails before it is done": {"done": False},
    "fails after it was done": {"done": True},
    "is done, and nobody hears of it": {"done": True, "cut": True},
}


class Killed(BaseException):
    """The process is no more."""


@pytest.fixture
def kill(monkeypatch):
    """Return a function that has the process die once a number of answers have come."""
    send, state = httpx2.HTTPTransport.handle_request, {"left": None}

    def die_after(transport, request):
        answer = send(transport, request)
        if state["left"] is not None:
            answer.read()
            state["left"] -= 1
            if state["left"] < 0:
                raise Killed
        return answer

    monkeypatch.setattr(httpx2.HTTPTransport, "handle_request", die_after)
    return lambda number: state.update(left=number)


def attempt(action) -> str | None:
    """Do something; return what stood against it, None if nothing did."""
    try:
        action()
    except InputError as error:
        assert "\n" not in str(error)
        return str(error)
    except Killed:
        return "killed"
    return None


def every_fault(hub, kill, action, repository: Repository, judge) -> int:
    """Try an action with each of its requests going wrong, and again; return how many tries."""
    hub.repository = repository.copy()
    hub.requests.clear()
    assert attempt(action) is None
    asked = len(hub.requests)
    for number in range(asked):
        for what, how in FAULTS.items():
            hub.repository, hub.faults = repository.copy(), [Fault(number=number, **how)]
            judge(f"request {number} {what}", attempt(action))
        hub.repository, hub.faults = repository.copy(), []
        kill(number)
        told = attempt(action)
        kill(None)
        judge(f"killed after {number}", told)
    return asked


def test_each_request_of_stage_may_fail_and_the_process_die_after_each(desk, hub, kill):
    desk.names = FEW
    desk.release("one", "1.0.0")
    before, published = desk.production(), desk.versions()

    def judge(what, told):
        assert (desk.production(), desk.versions()) == (before, published), what
        desk.stage("two", "1.1.0")
        files = hub.repository.files()
        for path in desk.contents("two", "1.1.0"):
            assert files[f"staging/two/{path}"], what
        assert (desk.production(), desk.versions()) == (before, published), what

    repository = hub.repository
    asked = every_fault(hub, kill, lambda: desk.stage("two", "1.1.0"), repository, judge)
    assert asked > 15


def test_each_request_of_promote_may_fail_and_the_process_die_after_each(desk, hub, kill):
    desk.names = FEW
    desk.release("one", "1.0.0")
    old, old_versions = desk.production(), desk.versions()
    desk.stage("two", "1.1.0")
    repository = hub.repository.copy()
    desk.promote("two", "1.1.0")
    new = desk.production()
    outcomes = set()

    def judge(what, told):
        found = desk.versions()["current"]
        outcomes.add((told is None, found))
        assert desk.production() == (old if found == "1.0.0" else new), what
        if found == "1.0.0":
            assert desk.versions() == old_versions
        receipt = desk.promote("two", "1.1.0")
        assert desk.production() == new, what
        assert [entry["version"] for entry in desk.versions()["versions"]] == ["1.1.0", "1.0.0"]
        assert hub.repository.tags["1.1.0"] == receipt["commit"], what
        assert desk.versions()["versions"][0]["hf"]["commit"] == receipt["commit"], what
        assert hub.repository.files("1.1.0")["states/CA.h5"], what
        hub.requests.clear()
        assert desk.promote("two", "1.1.0") == receipt, what
        assert not {"commit", "tag"} & set(hub.names()), what

    asked = every_fault(hub, kill, lambda: desk.promote("two", "1.1.0"), repository, judge)
    assert asked > 15
    # Failed and old, failed and new, and done all the same.
    assert outcomes == {(False, "1.0.0"), (False, "1.1.0"), (True, "1.1.0")}


PROCESS = """
import sys
from pathlib import Path
from localcal.release.hub import Hub
from localcal.release.promote import promote
from localcal.release.stage import stage
from localcal.run.sections import Release

what, run, *names = sys.argv[1:]
settings, hub = Release(version="1.1.0", repo_id="me/data"), Hub("me/data", "model")
if what == "stage":
    stage(Path(run), names, settings, hub, lambda state: [])
else:
    promote(Path(run), settings, hub, None, lambda state: [])
"""


@pytest.mark.parametrize(
    ("what", "request_name", "number", "current"),
    [
        ("stage", "put", 1, "1.0.0"),
        ("stage", "commit", 0, "1.0.0"),
        ("promote", "commit", 0, "1.1.0"),
        ("promote", "tag", 0, "1.1.0"),
        ("promote", "commit", 1, "1.1.0"),
    ],
)
def test_a_process_that_is_killed_leaves_the_old_or_the_new_release(
    desk, hub, what, request_name, number, current
):
    desk.names = FEW
    desk.release("one", "1.0.0")
    old = desk.production()
    desk.run("two")
    if what == "promote":
        desk.stage("two", "1.1.0")
    started = []

    def kill():
        started[0].kill()
        started[0].wait()

    hub.faults = [Fault(request_name, number=number, done=True, cut=True, act=kill)]
    command = [sys.executable, "-c", PROCESS, what, str(desk.runs / "two"), *FEW]
    variables = {"HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(WORKFLOW)}
    started.append(subprocess.Popen(command, env=os.environ | variables))
    assert started[0].wait(60) == -signal.SIGKILL
    assert desk.versions()["current"] == current
    if current == "1.0.0":
        assert desk.production() == old
    else:
        assert desk.contents("two", "1.1.0").items() <= desk.production().items()
    hub.faults = []
    desk.stage("two", "1.1.0")
    receipt = desk.promote("two", "1.1.0")
    assert desk.contents("two", "1.1.0").items() <= desk.production().items()
    assert hub.repository.tags["1.1.0"] == receipt["commit"]
    assert not [path for path in hub.repository.files() if path.startswith("staging/")]


@pytest.mark.network
@pytest.mark.skipif("LOCALCAL_HF_REPO" not in os.environ, reason="LOCALCAL_HF_REPO is not set")
def test_the_real_hub_does_what_ours_does(tmp_path):
    """A repository of one's own for such tests, which keeps what they release; needs HF_TOKEN."""
    repo_id = os.environ["LOCALCAL_HF_REPO"]
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime())
    released = []
    for number in (1, 2):
        run = write_run(tmp_path / f"smoke-{stamp}-{number}", f"{stamp} {number}")
        settings = Release(version=f"0.0.{stamp}{number}", repo_id=repo_id)
        stage(run, FEW, settings, Hub(repo_id, "model"), lambda state: [])
        receipt = promote(run, settings, Hub(repo_id, "model"), None, lambda state: [])
        assert promote(run, settings, Hub(repo_id, "model"), None, lambda state: []) == receipt
        released.append((run, receipt))
    hub = Hub(repo_id, "model")
    first, receipt = released[0]
    rolled = rollback(first.name, f"0.0.{stamp}3", hub, lambda generations: None)
    there = hub.paths(["states/CA.h5"], rolled["commit"])
    assert read_file(first, "areas/states/CA.h5").is_kept(there["states/CA.h5"])
    assert hub.tags()[receipt["version"]] == receipt["commit"]
