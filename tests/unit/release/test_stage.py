"""A run is put where its release can be made of it, and can be tried again after anything."""

import json

import pytest

from localcal.errors import InputError
from localcal.files.atomic import write_json
from localcal.release.stage import stage
from tests.hub_server import READER, Fault
from tests.release_case import NAMES, record, write_run


def test_everything_lies_below_the_run_s_own_folders(desk, hub):
    receipt = desk.stage("one", "1.0.0")
    files = hub.repository.files()
    staged = {path.removeprefix("staging/one/") for path in files if path.startswith("staging/")}
    assert staged == {
        "national/US.h5",
        "states/CA.h5",
        "states/CA_replicates.h5",
        "districts/CA-12.h5",
        "districts/CA-12_replicates.h5",
        "calibration/policy_data.db",
        "calibration/local/weights.npy",
        "calibration/local/replicates.h5",
        "calibration/national/weights.npy",
        "calibration/national/l0_weights.h5",
        "manifest.json",
    }
    about = {path for path in files if path.startswith("runs/one/diagnostics/")}
    kept = ("run.json", "validation.csv", "validation/summary.json", "weights/local/fit.json")
    assert {f"runs/one/diagnostics/{name}" for name in kept} <= about
    assert staged | about | {".gitattributes"} == {
        path.removeprefix("staging/one/") for path in files
    }
    assert files["staging/one/states/CA.h5"] == (desk.runs / "one/areas/states/CA.h5").read_bytes()
    assert receipt["commit"] == hub.repository.head
    assert (receipt["files"], receipt["run_id"], receipt["version"]) == (10, "one", "1.0.0")


def test_one_table_has_the_validation_of_all_areas(desk, hub):
    desk.stage("one", "1.0.0")
    table = hub.repository.files()["runs/one/diagnostics/validation.csv"].decode()
    assert table == "level,area,error\nx,US,3\nx,CA,3\nx,CA-12,3\n"


def test_the_manifest_is_the_same_for_the_same_run(desk, hub, tmp_path):
    desk.stage("one", "1.0.0")
    first = hub.repository.files()["staging/one/manifest.json"]
    content = json.loads(first)
    path = desk.runs / "one/areas/states/CA.h5"
    assert content["files"]["states/CA.h5"]["size"] == path.stat().st_size
    other = write_run(tmp_path / "elsewhere/one")
    stage(other, NAMES, desk.settings("1.0.0"), desk.hub(), lambda state: [])
    assert hub.repository.files()["staging/one/manifest.json"] == first


def test_a_second_try_sends_only_what_is_missing(desk, hub):
    hub.faults = [Fault(on="put", number=3, times=99)]
    with pytest.raises(InputError, match="500, it went wrong.*it sends only what is missing"):
        desk.stage("one", "1.0.0")
    assert len(hub.repository.commits) == 1
    hub.faults = []
    hub.requests.clear()
    desk.stage("one", "1.0.0")
    # 10 files and 4 pictures are binary; three had arrived.
    assert hub.names().count("put") == 14 - 3
    assert hub.names().count("commit") == 1
    hub.requests.clear()
    desk.stage("one", "1.0.0")
    assert not {"put", "batch", "commit", "preupload"} & set(hub.names())


def test_many_files_are_a_few_commits(desk, hub, monkeypatch):
    monkeypatch.setattr("localcal.release.hub.FILES_AT_ONCE", 9)
    monkeypatch.setattr("localcal.release.stage.FILES_AT_ONCE", 9)
    hub.page = 5
    desk.stage("one", "1.0.0")
    files = [path for path in hub.repository.files() if path != ".gitattributes"]
    assert hub.names().count("commit") == -(-len(files) // 9)
    desk.promote("one", "1.0.0")


def test_large_files_are_sent_in_parts(desk, hub):
    hub.part_size = 50
    desk.stage("one", "1.0.0")
    assert {"part", "join"} <= set(hub.names())
    files = hub.repository.files()
    assert files["staging/one/states/CA.h5"] == (desk.runs / "one/areas/states/CA.h5").read_bytes()


def test_a_damaged_file_is_named_before_anything_is_sent(desk, hub):
    path = desk.run("one") / "areas/states/CA.h5"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"!")
    with pytest.raises(InputError, match=r"one/areas/states/CA\.h5: damaged, it is not what"):
        desk.stage("one", "1.0.0")
    path.unlink()
    with pytest.raises(InputError, match=r"one/areas/states/CA\.h5: No such file"):
        desk.stage("one", "1.0.0")
    assert hub.requests == []


def test_what_is_left_of_an_earlier_try_is_removed(desk, hub):
    desk.stage("one", "1.0.0")
    desk.names = [name for name in NAMES if "CA-12" not in name]
    # Diagnostics would be other ones too.
    desk.run("two", "one")
    hub.repository.put({"staging/two/districts/CA-99.h5": b"old"})
    desk.stage("two", "1.0.0")
    assert "staging/two/districts/CA-99.h5" not in hub.repository.files()


def test_what_was_said_about_a_run_is_never_changed(desk, hub):
    desk.stage("one", "1.0.0")
    before = hub.repository.files()
    name = "weights/local/fit.json"
    (desk.runs / "one" / name).write_text("{}")
    record(desk.runs / "one", name)
    with pytest.raises(
        InputError, match=r"runs/one/diagnostics/weights/local/fit\.json: is not what the run has"
    ):
        desk.stage("one", "1.0.0")
    assert hub.repository.files() == before


def test_the_history_of_a_run_may_only_grow(desk, hub):
    history = desk.run("one") / "history.jsonl"
    history.write_text('{"first": 1}\n')
    desk.stage("one", "1.0.0")
    history.write_text('{"first": 1}\n{"second": 2}\n')
    desk.stage("one", "1.0.0")
    kept = hub.repository.files()["runs/one/diagnostics/history.jsonl"]
    assert kept == history.read_bytes()
    history.write_text('{"second": 2}\n')
    with pytest.raises(InputError, match=r"history\.jsonl: is not what the run has now"):
        desk.stage("one", "1.0.0")


def test_tables_with_other_columns_are_not_joined(desk, hub):
    name = "validation/states/CA.csv"
    (desk.run("one") / name).write_text("level,area\nx,CA\n")
    record(desk.runs / "one", name)
    with pytest.raises(InputError, match=r"CA\.csv: has other columns than .*US\.csv"):
        desk.stage("one", "1.0.0")


@pytest.mark.parametrize("number", range(0, 14, 3))
def test_a_file_that_arrived_otherwise_is_named_and_sent_again(desk, hub, number):
    hub.faults = [Fault(on="put", number=number, status=None, corrupt=True)]
    with pytest.raises(
        InputError, match=r"one/.*: arrived otherwise than it is here \(1 of \d+ files\); run the"
    ):
        desk.stage("one", "1.0.0")
    hub.faults = []
    desk.stage("one", "1.0.0")
    desk.promote("one", "1.0.0")
    assert desk.contents("one", "1.0.0").items() <= desk.production().items()


def test_a_file_that_arrives_otherwise_every_time_is_not_sent_for_ever(desk, hub):
    hub.faults = [Fault(on="put", status=None, corrupt=True, times=99)]
    for _ in range(2):
        with pytest.raises(InputError, match="arrived otherwise"):
            desk.stage("one", "1.0.0")
    with pytest.raises(InputError, match="not as it was to be"):
        desk.promote("one", "1.0.0")


def test_a_file_that_changes_while_it_is_sent_is_named(desk, hub):
    area = desk.run("one") / "areas/states/CA.h5"
    content = area.read_bytes()
    act = lambda: area.write_bytes(content + b"!")  # noqa: E731
    hub.faults = [Fault(on="commit", status=None, act=act)]
    with pytest.raises(
        InputError, match=r"staging/one/states/CA\.h5: arrived otherwise than it is"
    ):
        desk.stage("one", "1.0.0")
    with pytest.raises(InputError, match=r"one/areas/states/CA\.h5: damaged"):
        desk.stage("one", "1.0.0")
    area.write_bytes(content)
    desk.stage("one", "1.0.0")


def test_a_head_that_moves_meanwhile_is_followed(desk, hub):
    act = lambda: hub.repository.put({"notes.md": b"hello"})  # noqa: E731
    hub.faults = [Fault(on="commit", status=None, act=act)]
    desk.stage("one", "1.0.0")
    assert hub.repository.files()["notes.md"] == b"hello"
    assert hub.repository.files()["staging/one/manifest.json"]


def test_an_old_head_costs_only_time(desk, hub):
    hub.repository.put({"notes.md": b"hello"})
    hub.stale = 3
    desk.stage("one", "1.0.0")
    assert hub.repository.files()["notes.md"] == b"hello"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault("head", status=404, code="RepoNotFound"), "no such repository, or the token may"),
        (
            Fault("preupload", status=401, message="Invalid credentials in Authorization header"),
            "the token is not accepted",
        ),
        (
            Fault("commit", status=403, message="storage limit reached"),
            "access refused .403, storage limit reached",
        ),
        (Fault("commit", status=413, message="too large"), "more than the Hub's quota allows"),
        (Fault("commit", status=429, message="slow down"), "more than the Hub's quota allows"),
        (Fault("batch", status=507, message="full"), "the Hub answered 507, full"),
        (Fault("commit", status=500), "the Hub answered 500, it went wrong"),
        (Fault("commit", cut=True), "the connection failed"),
        (Fault("head", cut=True, times=9), "the connection failed"),
        (Fault("put", status=403, message="expired"), "403, expired"),
    ],
)
def test_a_refusal_is_one_line_and_the_same_command_resumes(desk, hub, fault, told):
    hub.faults = [fault]
    with pytest.raises(InputError, match=f"^model me/data.*{told}") as caught:
        desk.stage("one", "1.0.0")
    assert "\n" not in str(caught.value)
    assert hub.url not in str(caught.value)
    hub.faults = []
    desk.stage("one", "1.0.0")
    desk.promote("one", "1.0.0")


def test_without_a_token_nothing_is_asked(desk, hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match="^model me/data: no token to write with; set HF_TOKEN"):
        desk.stage("one", "1.0.0")
    assert hub.requests == []


def test_a_token_that_may_only_read_is_refused(desk, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(InputError, match="access refused .403.*the token needs write access"):
        desk.stage("one", "1.0.0")
    assert len(hub.repository.commits) == 1


@pytest.mark.parametrize("section", [{"version": "1.0.0"}, {"repo_id": "me/data"}])
def test_a_config_that_does_not_say_what_and_where_is_refused(desk, section):
    settings = desk.settings("1.0.0").model_copy(
        update={"version": None, "repo_id": None, **section}
    )
    missing = "repo_id" if "version" in section else "version"
    with pytest.raises(InputError, match=rf"^release\.{missing}: null; name"):
        stage(desk.run("one"), NAMES, settings, desk.hub(), lambda state: [])


def test_what_was_staged_without_an_engine_has_no_version_of_one(desk, hub):
    run = desk.run("one")
    write_json(run / "run.json", {"run_id": "one"})
    desk.stage("one", "1.0.0")
    content = json.loads(hub.repository.files()["staging/one/manifest.json"])
    assert content["policyengine_us"] is None
