"""An earlier run is what everybody reads again, without anything being built or sent."""

import json

import pytest

from localcal.errors import InputError
from tests.hub_server import Fault, Repository
from tests.release_case import NAMES


@pytest.fixture
def released(desk, hub):
    """Two releases: the second lacks an area of the first, and has others."""
    desk.release("one", "1.0.0")
    desk.names = [name for name in NAMES if "CA-12" not in name]
    desk.release("two", "1.1.0")
    hub.requests.clear()
    return desk


def test_production_is_what_it_was(released, hub):
    two = hub.repository.files()
    receipt = released.rollback("one", "1.2.0")
    contents = released.contents("one", "1.0.0")
    assert contents.items() <= released.production().items()
    assert released.production().keys() - contents == {"manifest.json"}
    assert hub.repository.files()["districts/CA-12.h5"]
    assert not {"put", "batch"} & set(hub.names())
    found = released.versions()
    assert [entry["version"] for entry in found["versions"]] == ["1.2.0", "1.1.0", "1.0.0"]
    entry = found["versions"][0]
    assert found["current"] == "1.2.0"
    assert (entry["special_operation"], entry["roll_back_version"]) == ("roll-back", "1.0.0")
    assert (entry["pipeline_run_id"], entry["policyengine_us"]) == ("one", "1.2.3")
    assert entry["diagnostics_path"] == "runs/one/diagnostics"
    assert entry["hf"] == {"repo": "me/data", "commit": hub.repository.tags["1.2.0"]}
    assert receipt["commit"] == entry["hf"]["commit"]
    manifest = json.loads(hub.repository.files()["releases/1.2.0/manifest.json"])
    assert (manifest["version"], manifest["run_id"]) == ("1.2.0", "one")
    # The release in between stays what it was.
    assert hub.repository.files("1.1.0")["states/CA.h5"] == two["states/CA.h5"]


def test_the_run_need_not_be_here(released, hub):
    for path in sorted((released.runs / "one").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    released.rollback("one", "1.2.0")
    assert released.versions()["current"] == "1.2.0"


def test_the_same_roll_back_is_finished(released, hub):
    receipt = released.rollback("one", "1.2.0")
    commits = len(hub.repository.commits)
    assert released.rollback("one", "1.2.0") == receipt
    assert len(hub.repository.commits) == commits


def test_back_and_forth(released, hub):
    released.rollback("one", "1.2.0")
    released.rollback("two", "1.3.0")
    assert "districts/CA-12.h5" not in hub.repository.files()
    released.rollback("one", "1.4.0")
    assert released.contents("one", "1.0.0").items() <= released.production().items()
    # A roll-back is a release, and may be gone back to.
    assert released.versions()["versions"][0]["roll_back_version"] == "1.2.0"


@pytest.mark.parametrize(
    ("run_id", "version", "told"),
    [
        ("three", "1.2.0", "no release is of run three; there are releases of two, one"),
        ("two", "1.2.0", "release 1.1.0 of run two is what is current; name another run"),
        ("one", "1.1.0", "version 1.1.0 is the release of run two, and a release is never changed"),
        ("one", "1.0.0", "version 1.0.0 is the release of run one, and a release is never changed"),
    ],
)
def test_what_cannot_be_gone_back_to_is_refused(released, hub, run_id, version, told):
    head = hub.repository.head
    with pytest.raises(InputError, match=f"^model me/data: {told}"):
        released.rollback(run_id, version)
    assert hub.repository.head == head


def test_a_version_that_is_a_roll_back_is_no_run_s_own(released, hub):
    released.rollback("one", "1.2.0")
    released.names = NAMES
    released.stage("one", "1.3.0")
    manifest = released.runs / "one/release/manifest.json"
    manifest.write_text(manifest.read_text().replace("1.3.0", "1.2.0"))
    with pytest.raises(InputError, match=r"1\.2\.0 is the release of run one, 1\.0\.0 again"):
        released.promote("one", "1.2.0")


def test_a_release_that_is_gone_is_refused(released, hub):
    entry = released.versions()["versions"][1]
    files = hub.repository.files()
    lost = json.loads(files["version_manifest.json"])
    lost["versions"][1] = entry | {"hf": {"repo": "me/data", "commit": "v1"}, "version": "0.9.0"}
    head = hub.repository.put({"version_manifest.json": json.dumps(lost).encode()})
    with pytest.raises(InputError, match=r"neither a commit nor a tag is known of release 0\.9\.0"):
        released.rollback("one", "1.2.0")
    assert hub.repository.head == head


def test_each_request_may_fail_before_or_after_it_was_done(released, hub):
    old, before = released.production(), hub.repository.copy()
    released.rollback("one", "1.2.0")
    new, asked = released.production(), len(hub.requests)
    outcomes = set()
    for number in range(asked):
        for done in (False, True):
            hub.repository: Repository = before.copy()
            hub.faults = [Fault(number=number, done=done)]
            try:
                released.rollback("one", "1.2.0")
                told = None
            except InputError as error:
                told = str(error)
            current = released.versions()["current"]
            outcomes.add((told is None, current))
            assert released.production() == (new if current == "1.2.0" else old)
            hub.faults = []
            receipt = released.rollback("one", "1.2.0")
            assert released.production() == new
            assert hub.repository.tags["1.2.0"] == receipt["commit"]
    assert outcomes == {(False, "1.1.0"), (False, "1.2.0"), (True, "1.2.0")}
