"""A staged run becomes what everybody reads, whole and once."""

import json
import threading

import pytest

from localcal.errors import InputError
from localcal.release.hub import TRIES
from localcal.release.names import place, source
from localcal.release.promote import promote
from tests.hub_server import Fault, Request
from tests.release_case import NAMES, record

# As the reference writes it, with a field that nobody here knows.
FOREIGN = {
    "current": "1.88.0",
    "schema": 7,
    "versions": [
        {
            "version": "1.88.0",
            "created_at": "2026-04-20T00:00:00+00:00",
            "hf": {"repo": "me/data", "commit": "1.88.0"},
            "gcs": {"bucket": "theirs", "generations": {"states/CA.h5": 17}},
            "note": "theirs",
        },
        {"version": "1.87.0", "created_at": "2026-04-01T00:00:00+00:00", "hf": None},
    ],
}


def test_production_is_the_staged_run(desk, hub):
    desk.stage("one", "1.0.0")
    assert "version_manifest.json" not in hub.repository.files()
    receipt = desk.promote("one", "1.0.0")
    contents = desk.contents("one", "1.0.0")
    assert contents.items() <= desk.production().items()
    assert desk.production().keys() - contents == {"manifest.json"}
    assert not [path for path in hub.repository.files() if path.startswith("staging/")]
    (entry,) = desk.versions()["versions"]
    assert desk.versions()["current"] == "1.0.0" == entry["version"]
    assert entry["hf"] == {"repo": "me/data", "commit": hub.repository.tags["1.0.0"]}
    assert entry["pipeline_run_id"] == "one"
    assert entry["diagnostics_path"] == "runs/one/diagnostics"
    assert entry["policyengine_us"] == "1.2.3"
    assert entry["gcs"] is None
    assert receipt["commit"] == entry["hf"]["commit"]
    tagged = hub.repository.files("1.0.0")
    assert tagged["states/CA.h5"] == (desk.runs / "one/areas/states/CA.h5").read_bytes()
    assert tagged["releases/1.0.0/manifest.json"] == tagged["manifest.json"]
    assert tagged["manifest.json"] == (desk.runs / "one/release/manifest.json").read_bytes()


def test_no_byte_of_an_area_file_is_moved(desk, hub):
    desk.stage("one", "1.0.0")
    hub.requests.clear()
    desk.promote("one", "1.0.0")
    assert not {"put", "batch"} & set(hub.names())
    assert max(len(request.body) for request in hub.requests) < 20_000


def test_a_repository_for_datasets_is_written_to_by_its_own_addresses(desk, hub):
    hub.kind = "dataset"
    desk.release("one", "1.0.0")
    assert desk.contents("one", "1.0.0").items() <= desk.production().items()
    assert all("/api/models" not in request.path for request in hub.requests)


def test_what_others_wrote_into_the_manifest_stays(desk, hub):
    hub.repository.put({"version_manifest.json": json.dumps(FOREIGN).encode()})
    desk.release("one", "1.89.0")
    desk.release("two", "1.90.0")
    found = desk.versions()
    assert found["versions"][2:] == FOREIGN["versions"]
    assert [entry["version"] for entry in found["versions"][:2]] == ["1.90.0", "1.89.0"]
    assert (found["schema"], found["current"]) == (7, "1.90.0")


def test_a_version_of_somebody_else_is_refused_before_anything_is_sent(desk, hub):
    hub.repository.put({"version_manifest.json": json.dumps(FOREIGN).encode()})
    head = hub.repository.head
    with pytest.raises(InputError, match=r"1\.88\.0 is the release of run \(unknown\)"):
        desk.stage("one", "1.88.0")
    assert hub.repository.head == head
    assert "batch" not in hub.names()


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"versions": [1]}', b"\xff\xfe"])
def test_a_damaged_manifest_is_refused(desk, hub, text):
    desk.stage("one", "1.0.0")
    head = hub.repository.put({"version_manifest.json": text})
    with pytest.raises(InputError, match=r"^model me/data, version_manifest\.json: .*restore it"):
        desk.promote("one", "1.0.0")
    assert hub.repository.head == head


def test_the_same_version_of_the_same_run_is_finished(desk, hub):
    receipt = desk.release("one", "1.0.0")
    commits = len(hub.repository.commits)
    assert desk.promote("one", "1.0.0") == receipt
    assert desk.stage("one", "1.0.0")["version"] == "1.0.0"
    assert len(hub.repository.commits) == commits


def test_the_same_version_of_another_run_is_refused(desk, hub):
    desk.release("one", "1.0.0")
    with pytest.raises(InputError, match=r"version 1\.0\.0 is the release of run one,"):
        desk.stage("two", "1.0.0")
    desk.stage("two", "1.1.0")
    manifest = desk.runs / "two/release/manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": "1.1.0"', '"version": "1.0.0"'))
    with pytest.raises(InputError, match=r"version 1\.0\.0 is the release of run one,"):
        desk.promote("two", "1.0.0")
    assert hub.repository.files()["states/CA.h5"] == hub.repository.files("1.0.0")["states/CA.h5"]
    assert desk.versions()["current"] == "1.0.0"


def test_other_files_under_a_finished_version_are_refused(desk, hub):
    desk.release("one", "1.0.0")
    area = desk.runs / "one/areas/states/CA.h5"
    area.write_bytes(b"\0another")
    record(desk.runs / "one", "areas/states/CA.h5")
    head = hub.repository.head
    desk.stage("one", "1.0.0")
    with pytest.raises(InputError, match=r"release 1\.0\.0 is there with another states/CA\.h5"):
        desk.promote("one", "1.0.0")
    assert hub.repository.head == head


def test_a_tag_that_is_no_release_is_refused(desk, hub):
    hub.repository.tags["1.0.0"] = hub.repository.head
    with pytest.raises(InputError, match=r"tag 1\.0\.0 is there .* but no such release"):
        desk.stage("one", "1.0.0")


def test_what_is_not_staged_is_not_promoted(desk, hub):
    desk.run("one")
    with pytest.raises(InputError, match=r"manifest\.json: no such file; run `localcal stage one`"):
        desk.promote("one", "1.0.0")
    desk.stage("one", "1.0.0")
    with pytest.raises(InputError, match=r"staged as version 1\.0\.0, not run one as 1\.1\.0"):
        desk.promote("one", "1.1.0")
    tree = dict(hub.repository.commits[hub.repository.head].tree)
    del tree["staging/one/states/CA.h5"]
    head = hub.repository.commit(tree, "lost")
    with pytest.raises(
        InputError, match=r"staging/one/states/CA\.h5: not as it was to be .1 of 10"
    ):
        desk.promote("one", "1.0.0")
    assert hub.repository.head == head
    desk.stage("one", "1.0.0")
    desk.promote("one", "1.0.0")


def test_what_was_made_anew_since_it_was_staged_is_refused(desk, hub):
    """A bucket would get other files than the repository, and gates would have seen other ones."""
    desk.stage("one", "1.0.0")
    commits = len(hub.repository.commits)
    for name in ("areas/states/CA.h5", "targets/policy_data.db", "weights/local/weights.npy"):
        path = desk.runs / "one" / name
        before = path.read_bytes()
        path.write_bytes(before + b"more")
        record(desk.runs / "one", name)
        with pytest.raises(InputError, match=f"{name}: was made anew since .*`localcal stage one`"):
            desk.promote("one", "1.0.0")
        path.write_bytes(before)
        record(desk.runs / "one", name)
    assert len(hub.repository.commits) == commits
    desk.promote("one", "1.0.0")
    assert desk.contents("one", "1.0.0").keys() == {
        place(name) for name in NAMES if place(name) is not None
    }
    assert all(source(place(name)) == name for name in NAMES if place(name) is not None)


def test_a_gate_is_asked_before_anything_changes_and_what_it_accepts_is_recorded(desk, hub):
    desk.release("one", "1.0.0")
    desk.stage("two", "1.1.0")
    head = hub.repository.head

    def refuse(state):
        assert state.versions.current == "1.0.0"
        raise InputError("gate worse_than_live: no")

    folder, settings = desk.runs / "two", desk.settings("1.1.0")
    with pytest.raises(InputError, match="worse_than_live"):
        promote(folder, settings, desk.hub(), None, refuse)
    assert hub.repository.head == head
    said = [
        {"name": "errors", "reasons": [], "accepted": False},
        {"name": "live", "reasons": ["worse"], "accepted": True},
    ]
    promote(folder, settings, desk.hub(), None, lambda state: said)
    found = desk.versions()["versions"]
    assert found[0]["accepted"] == [{"gate": "live", "reasons": ["worse"]}]
    assert "accepted" not in found[1]


def test_a_file_that_the_next_release_has_not_does_not_stay_from_the_last_one(desk, hub):
    desk.release("one", "1.0.0")
    hub.repository.put({"states/README": b"somebody's"})
    desk.names = [name for name in NAMES if "CA-12" not in name]
    desk.release("two", "1.1.0")
    assert "districts/CA-12.h5" not in hub.repository.files()
    assert "districts/CA-12.h5" in hub.repository.files("1.0.0")
    assert hub.repository.files()["states/README"] == b"somebody's"


def somebody_commits(hub, on="commit", number=0, files=None):
    """Have somebody else commit before a request is done."""
    files = files or {"notes.md": b"hello"}
    act = lambda: hub.repository.put(files)  # noqa: E731
    return Fault(on=on, number=number, status=None, act=act)


def test_a_commit_in_between_that_has_nothing_to_do_with_it_is_followed(desk, hub):
    desk.stage("one", "1.0.0")
    hub.faults = [somebody_commits(hub)]
    desk.promote("one", "1.0.0")
    assert hub.repository.files()["notes.md"] == b"hello"
    assert desk.contents("one", "1.0.0").items() <= desk.production().items()
    assert desk.waits == [1]


def test_who_commits_all_the_time_is_waited_for_only_so_long(desk, hub):
    desk.stage("one", "1.0.0")
    act = lambda: hub.repository.put({"notes.md": str(len(hub.requests)).encode()})  # noqa: E731
    hub.faults = [Fault(on="commit", status=None, act=act, times=99)]
    with pytest.raises(InputError, match="somebody else has committed meanwhile.*same command"):
        desk.promote("one", "1.0.0")
    assert hub.names().count("commit") == 2 + TRIES - 1
    hub.faults = []
    desk.promote("one", "1.0.0")


def test_of_two_promotes_at_once_one_wins_and_the_other_says_why(desk, hub):
    desk.stage("one", "1.0.0")
    desk.stage("two", "1.1.0")
    # Both have decided before one of them commits.
    meet = threading.Barrier(2, timeout=20)
    hub.faults = [Fault(on="commit", status=None, act=meet.wait, times=2)]
    told = {}

    def try_it(run_id, version):
        try:
            told[run_id] = desk.promote(run_id, version)
        except InputError as error:
            told[run_id] = str(error)

    tries = [
        threading.Thread(target=try_it, args=args) for args in (("one", "1.0.0"), ("two", "1.1.0"))
    ]
    for one in tries:
        one.start()
    for one in tries:
        one.join()
    (won,) = [run_id for run_id, said in told.items() if isinstance(said, dict)]
    lost = "two" if won == "one" else "one"
    version = {"one": "1.0.0", "two": "1.1.0"}
    assert desk.versions()["current"] == version[won]
    assert desk.contents(won, version[won]).items() <= desk.production().items()
    assert told[lost] == (
        f"model me/data: release {version[won]} of run {won} was published meanwhile, after no "
        "release is current that this one was to follow; run the same command again if it shall "
        "follow that one"
    )
    assert version[lost] not in hub.repository.tags
    # The loser's decision is its user's.
    desk.promote(lost, version[lost])
    assert desk.versions()["current"] == version[lost]


def test_two_promotes_of_the_same_run_at_once_are_one(desk, hub):
    desk.stage("one", "1.0.0")
    meet = threading.Barrier(2, timeout=20)
    hub.faults = [Fault(on="commit", status=None, act=meet.wait, times=2)]
    told = []
    tries = [
        threading.Thread(target=lambda: told.append(desk.promote("one", "1.0.0"))) for _ in range(2)
    ]
    for one in tries:
        one.start()
    for one in tries:
        one.join()
    assert told[0] == told[1]
    assert [entry["version"] for entry in desk.versions()["versions"]] == ["1.0.0"]


@pytest.mark.parametrize("how", [{"status": 500}, {"status": 503}, {"cut": True}])
def test_a_commit_that_was_done_although_it_failed_is_found_at_once(desk, hub, how):
    desk.stage("one", "1.0.0")
    hub.faults = [Fault(on="commit", done=True, **how)]
    desk.promote("one", "1.0.0")
    titles = [commit.title for commit in hub.repository.history()]
    assert titles.count("Release 1.0.0 of run one") == 1


def test_a_commit_that_was_done_while_the_hub_shows_the_old_head_is_found_by_the_next_try(
    desk, hub
):
    desk.stage("one", "1.0.0")
    stale = lambda: setattr(hub, "stale", 1)  # noqa: E731
    hub.faults = [Fault(on="commit", done=True, act=stale)]
    with pytest.raises(InputError, match="the Hub answered 500, it went wrong; run the same"):
        desk.promote("one", "1.0.0")
    desk.promote("one", "1.0.0")
    titles = [commit.title for commit in hub.repository.history()]
    assert titles.count("Release 1.0.0 of run one") == 1


def test_an_old_head_is_not_published_over(desk, hub):
    desk.release("one", "1.0.0")
    desk.stage("two", "1.1.0")
    hub.repository.put({"notes.md": b"new"})
    # What decides is read at the head before; the commit is refused by the parent.
    for stale in range(1, 9):
        hub.stale = stale
        before = hub.repository.copy()
        desk.promote("two", "1.1.0")
        assert desk.contents("two", "1.1.0").items() <= desk.production().items()
        assert hub.repository.files()["notes.md"] == b"new"
        hub.repository, hub.stale = before, 0


def test_a_copy_that_the_client_left_out_by_an_old_view_of_main_is_made_up_for(desk, hub):
    """The client compares with main as it is shown, whatever the parent is."""
    desk.release("one", "1.0.0")
    desk.names = NAMES
    desk.run("two", "two")
    desk.release("two", "1.1.0")
    # A third run that is the first again: at an old main its copies would change nothing.
    desk.run("three", "one")
    old = hub.repository.tags["1.0.0"]
    desk.stage("three", "1.2.0")
    resolve, shown = hub.resolve, []

    def resolve_main_as_it_was(revision):
        # Only in the client's own question, between ours and its commit.
        if revision == "main" and hub.requests[-1].name == "paths" and _follows(hub.requests):
            shown.append(True)
            return hub.repository.commits[old]
        return resolve(revision)

    hub.resolve = resolve_main_as_it_was
    desk.promote("three", "1.2.0")
    assert shown
    assert desk.contents("three", "1.2.0").items() <= desk.production().items()
    tagged = hub.repository.files("1.2.0")
    assert tagged["states/CA.h5"] == (desk.runs / "three/areas/states/CA.h5").read_bytes()


def test_while_main_is_shown_as_it_was_nothing_is_committed(desk, hub):
    desk.release("one", "1.0.0")
    old = hub.repository.tags["1.0.0"]
    desk.release("two", "1.1.0")
    desk.run("three", "one")
    desk.stage("three", "1.2.0")
    resolve, shown = hub.resolve, []

    def resolve_main_as_it_was(revision):
        if revision == "main" and hub.requests[-1].name == "paths" and not shown:
            shown.append(True)
            return hub.repository.commits[old]
        return resolve(revision)

    hub.resolve = resolve_main_as_it_was
    desk.promote("three", "1.2.0")
    titles = [commit.title for commit in hub.repository.history()]
    assert (shown, desk.waits) == ([True], [1])
    assert titles.count("Release 1.2.0 of run three") == 1
    assert desk.contents("three", "1.2.0").items() <= desk.production().items()


def test_staging_that_goes_away_meanwhile_is_said(desk, hub):
    desk.stage("one", "1.0.0")

    def empty():
        tree = hub.repository.commits[hub.repository.head].tree
        rest = {path: entry for path, entry in tree.items() if not path.startswith("staging/")}
        hub.repository.commit(rest, "tidy up")

    hub.faults = [Fault("commit", status=None, act=empty)]
    with pytest.raises(InputError, match=r"staging/one/.*: not as it was to be .10 of 10 files"):
        desk.promote("one", "1.0.0")
    assert desk.waits == [1]
    hub.faults = []
    desk.stage("one", "1.0.0")
    desk.promote("one", "1.0.0")


def _follows(requests: list[Request]) -> bool:
    """Say whether a question is the first of the client's own for its first commit."""
    names = [request.name for request in requests]
    return names[-2] == "preupload" and "commit" not in names[-12:]


def test_a_squashed_history_is_said(desk, hub):
    desk.stage("one", "1.0.0")
    hub.faults = [Fault(on="tag")]
    with pytest.raises(InputError, match="tag: the Hub answered 500"):
        desk.promote("one", "1.0.0")
    hub.faults = []
    tree = hub.repository.commits[hub.repository.head].tree
    hub.repository.head = None
    hub.repository.commit(tree, "squashed")
    with pytest.raises(InputError, match="no commit has the title 'Release 1.0.0 of run one'"):
        desk.promote("one", "1.0.0")


def test_an_older_release_is_finished_without_touching_the_newer_one(desk, hub):
    desk.stage("one", "1.0.0")
    hub.faults = [Fault(on="tag")]
    with pytest.raises(InputError):
        desk.promote("one", "1.0.0")
    hub.faults = []
    desk.release("two", "1.1.0")
    production = desk.production()
    receipt = desk.promote("one", "1.0.0")
    assert desk.production() == production
    assert desk.versions()["current"] == "1.1.0"
    assert hub.repository.tags["1.0.0"] == receipt["commit"]
    tagged = hub.repository.files("1.0.0")
    assert tagged["states/CA.h5"] == (desk.runs / "one/areas/states/CA.h5").read_bytes()
