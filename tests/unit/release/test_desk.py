"""The repository, the bucket and the gates that the config asks for."""

import json

import pytest

from localcal.errors import InputError
from localcal.release import desk as desks
from localcal.release.desk import Desk, read_settings
from localcal.release.manifest import Versions
from localcal.release.publish import State
from localcal.release.storage import About
from localcal.run.sections import CloudStorage, Release
from tests.release_case import NAMES, write_run


@pytest.fixture
def at(hub, tmp_path):
    """A run and where it is released from."""
    run = write_run(tmp_path / "runs/two")
    gcs = CloudStorage(bucket="releases", prefix="us")
    return Desk(run, Release(version="1.1.0", repo_id="me/data", gcs=gcs, override=("live",)))


def state(hub, **entry) -> State:
    versions = [{"version": "1.0.0", **entry}]
    return State(hub.repository.head, Versions({"current": "1.0.0", "versions": versions}))


def test_a_bucket_gets_what_the_repository_gets(at):
    found = at.uploaded(NAMES)
    assert (found.bucket, found.prefix, found.about) == ("releases", "us/", About("1.1.0", "two"))
    assert found.files["states/CA.h5"] == at.run / "areas/states/CA.h5"
    assert found.files["calibration/policy_data.db"] == at.run / "targets/policy_data.db"
    assert len(found.files) == 10
    assert at.copied({"a": 1}).generations == {"a": 1}


def test_without_a_bucket_there_is_none(at):
    without = Desk(at.run, at.settings.model_copy(update={"gcs": CloudStorage()}))
    assert without.uploaded(NAMES) is None
    assert without.copied({}) is None


def test_a_damaged_file_is_not_uploaded(at):
    (at.run / "areas/states/CA.h5").write_bytes(b"\0")
    with pytest.raises(InputError, match=r"CA\.h5: damaged"):
        at.uploaded(NAMES)


@pytest.mark.parametrize(
    ("kept", "entry", "live"),
    [
        ({}, {}, {}),
        ({}, {"diagnostics_path": "runs/one/diagnostics"}, {}),
        ({"a": 1}, {"diagnostics_path": "runs/one/diagnostics"}, {"a": 1}),
    ],
)
def test_a_run_is_held_against_the_live_release(at, hub, monkeypatch, kept, entry, live):
    if kept:
        files = {"runs/one/diagnostics/summary.json": json.dumps(kept).encode()}
        hub.repository.put(files)
    asked = []
    monkeypatch.setattr(desks, "check", lambda *given: asked.append(given) or ["gates"])
    monkeypatch.setattr(desks, "refuse", lambda *given: [given])
    assert at.judge(state(hub, **entry)) == [(["gates"], ("live",))]
    assert asked == [(at.run, at.settings.gates, live, ("live",))]
    nothing = State(hub.repository.head, Versions.read(None, "it"))
    at.judge(nothing)
    assert asked[1][2] is None


@pytest.mark.parametrize("text", [b"{", b"[1]"])
def test_damaged_figures_of_the_live_release_are_refused(at, hub, text):
    hub.repository.put({"runs/one/diagnostics/summary.json": text})
    with pytest.raises(InputError, match=r"runs/one/diagnostics/summary\.json: damaged"):
        at.judge(state(hub, diagnostics_path="runs/one/diagnostics"))


def test_figures_are_written_for_the_next_release(at, monkeypatch):
    monkeypatch.setattr(desks, "summarize", lambda run: {"b": 1, "a": 2})
    at.write_summary()
    assert json.loads((at.run / "release/summary.json").read_text()) == {"b": 1, "a": 2}


def test_a_config_over_another_says_what_it_changes_only(tmp_path):
    (tmp_path / "one.yaml").write_text("release: {repo_id: me/one, gcs: {bucket: one, prefix: a}}")
    (tmp_path / "two.yaml").write_text("release: {gcs: {bucket: two}}")
    found = read_settings([tmp_path / "one.yaml", tmp_path / "two.yaml"], "1.0.0")
    assert (found.repo_id, found.gcs.bucket, found.gcs.prefix) == ("me/one", "two", "a")
    assert found.version == "1.0.0"
