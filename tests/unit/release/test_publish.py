"""Whatever happens to a request: the old release or the new one, and the same command finishes."""

import httpx2
import pytest

from localcal.errors import InputError
from tests.hub_server import Fault, Repository

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
