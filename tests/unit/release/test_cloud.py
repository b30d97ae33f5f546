"""A release lies in a bucket too, and its manifest there says the same."""

import json

import pytest

from localcal.errors import InputError
from localcal.release.cloud import Copied, Uploaded, prefix_of
from localcal.release.storage import About
from localcal.run.sections import CloudStorage
from tests.hub_server import Fault
from tests.storage_server import Fault as StorageFault


def uploaded(desk, run_id: str, version: str) -> Uploaded:
    """Return the bucket for some files of a run."""
    run = desk.runs / run_id
    files = {"states/CA.h5": run / "areas/states/CA.h5"}
    return Uploaded("releases", "us/", About(version, run_id), files)


def live(server, name: str) -> bytes:
    return server.storage.buckets["releases"].live_version(f"us/{name}").content


def told(server) -> dict:
    return json.loads(live(server, "version_manifest.json"))


@pytest.fixture
def promoted(desk, server):
    """A release of one file in both places."""
    desk.names = ["run.json", "areas/states/CA.h5", "validation/states/CA.csv"]
    desk.stage("one", "1.0.0")
    desk.promote("one", "1.0.0", uploaded(desk, "one", "1.0.0"))
    return desk


def test_both_places_say_the_same(promoted, server):
    found = promoted.versions()
    assert told(server) == found
    (entry,) = found["versions"]
    generation = server.storage.buckets["releases"].live_version("us/states/CA.h5").generation
    assert entry["gcs"] == {"bucket": "releases", "generations": {"states/CA.h5": generation}}
    assert len(entry["hf"]["commit"]) == 40
    area = promoted.runs / "one/areas/states/CA.h5"
    assert live(server, "states/CA.h5") == area.read_bytes()


def test_what_others_said_in_the_bucket_stays(desk, server):
    theirs = {"version": "0.9.0", "gcs": {"bucket": "releases", "generations": {"a": 1}}}
    content = json.dumps({"current": "0.9.0", "versions": [theirs], "more": 1}).encode()
    server.storage.put("releases", "us/version_manifest.json", content)
    desk.stage("one", "1.0.0")
    desk.promote("one", "1.0.0", uploaded(desk, "one", "1.0.0"))
    found = told(server)
    assert (found["current"], found["more"], found["versions"][1]) == ("1.0.0", 1, theirs)


def test_a_version_that_the_bucket_has_of_somebody_else_is_refused(desk, hub, server):
    content = json.dumps({"current": "1.0.0", "versions": [{"version": "1.0.0"}]}).encode()
    server.storage.put("releases", "us/version_manifest.json", content)
    desk.stage("one", "1.0.0")
    head = hub.repository.head
    with pytest.raises(
        InputError, match=r"^gs://releases: version 1\.0\.0 is the release of run .u"
    ):
        desk.promote("one", "1.0.0", uploaded(desk, "one", "1.0.0"))
    assert hub.repository.head == head
    assert server.storage.buckets["releases"].live_version("us/states/CA.h5") is None


def test_nothing_is_sent_for_a_run_that_is_not_staged_whole(desk, hub, server):
    desk.stage("one", "1.0.0")
    tree = dict(hub.repository.commits[hub.repository.head].tree)
    del tree["staging/one/national/US.h5"]
    hub.repository.commit(tree, "lost")
    with pytest.raises(InputError, match="not as it was to be"):
        desk.promote("one", "1.0.0", uploaded(desk, "one", "1.0.0"))
    assert server.storage.buckets["releases"].live_version("us/states/CA.h5") is None


def test_each_request_to_the_bucket_may_fail(desk, hub, server):
    desk.stage("one", "1.0.0")
    before = hub.repository.copy()
    desk.promote("one", "1.0.0", uploaded(desk, "one", "1.0.0"))
    asked = len(server.requests)
    assert asked >= 6
    for number in range(asked):
        for kind in ("before", "after", "cut"):
            hub.repository = before.copy()
            server.storage.buckets["releases"].__init__()
            server.forget()
            # The client repeats what may be repeated, so only a refusal is one for sure.
            server.faults = {number: StorageFault(kind, status=403)}
            try:
                desk.promote("one", "1.0.0", uploaded(desk, "one", "1.0.0"))
            except InputError as error:
                assert "\n" not in str(error)
            server.forget()
            desk.promote("one", "1.0.0", uploaded(desk, "one", "1.0.0"))
            assert told(server) == desk.versions()
            area = desk.runs / "one/areas/states/CA.h5"
            assert live(server, "states/CA.h5") == area.read_bytes()


def test_a_promote_that_was_too_late_on_the_hub_leaves_the_winner_s_files(desk, hub, server):
    desk.stage("one", "1.0.0")
    desk.stage("two", "1.1.0")

    def win():
        desk.promote("one", "1.0.0", uploaded(desk, "one", "1.0.0"))

    hub.faults = [Fault("commit", status=None, act=win)]
    with pytest.raises(InputError, match=r"release 1\.0\.0 of run one was published meanwhile"):
        desk.promote("two", "1.1.0", uploaded(desk, "two", "1.1.0"))
    assert told(server) == desk.versions()
    assert told(server)["current"] == "1.0.0"
    area = desk.runs / "one/areas/states/CA.h5"
    assert live(server, "states/CA.h5") == area.read_bytes()


def test_an_older_release_that_is_finished_later_does_not_become_current(desk, hub, server):
    desk.stage("one", "1.0.0")
    hub.faults = [Fault("tag")]
    with pytest.raises(InputError):
        desk.promote("one", "1.0.0", uploaded(desk, "one", "1.0.0"))
    hub.faults = []
    desk.stage("two", "1.1.0")
    desk.promote("two", "1.1.0", uploaded(desk, "two", "1.1.0"))
    desk.promote("one", "1.0.0", uploaded(desk, "one", "1.0.0"))
    assert told(server)["current"] == "1.1.0"
    assert told(server) == desk.versions()
    area = desk.runs / "two/areas/states/CA.h5"
    assert live(server, "states/CA.h5") == area.read_bytes()


def test_a_roll_back_makes_old_generations_live_again(promoted, server):
    promoted.stage("two", "1.1.0")
    promoted.promote("two", "1.1.0", uploaded(promoted, "two", "1.1.0"))
    generations = promoted.versions()["versions"][1]["gcs"]["generations"]
    cloud = Copied("releases", "us/", About("1.2.0", "one"), generations)
    promoted.rollback("one", "1.2.0", cloud)
    area = promoted.runs / "one/areas/states/CA.h5"
    assert live(server, "states/CA.h5") == area.read_bytes()
    assert told(server) == promoted.versions()
    new = told(server)["versions"][0]["gcs"]["generations"]["states/CA.h5"]
    assert new not in (generations["states/CA.h5"], None)


def test_what_the_bucket_never_had_is_not_gone_back_to_there(promoted, hub, server):
    """Or its manifest would call current what its live objects are not."""
    promoted.names = [*promoted.names, "areas/national/US.h5"]
    promoted.stage("two", "1.1.0")
    promoted.promote("two", "1.1.0")
    promoted.stage("three", "1.2.0")
    promoted.promote("three", "1.2.0", uploaded(promoted, "three", "1.2.0"))
    before, commits = told(server), len(hub.repository.commits)
    cloud = Copied("releases", "us/", About("1.3.0", "two"), {})
    with pytest.raises(InputError, match=r"^gs://releases: release 1\.1\.0 was not put there"):
        promoted.rollback("two", "1.3.0", cloud)
    assert (told(server), len(hub.repository.commits)) == (before, commits)
    promoted.rollback("two", "1.3.0")
    assert promoted.versions()["current"] == "1.3.0"


def test_a_prefix_is_a_folder():
    assert prefix_of(CloudStorage(bucket="releases", prefix="")) == ""
    assert prefix_of(CloudStorage(bucket="releases", prefix="a/b")) == "a/b/"
