"""Runs on a volume, looked at from a machine that has neither the run nor Snakemake at work."""

import io
import json
import os
import shutil
import time

import modal
import pytest

from localcal.command import main
from localcal.errors import InputError
from localcal.evidence.lines import read_run
from localcal.status.folder import LocalRuns
from localcal.status.look import Looker
from localcal.status.tables import LocalTables
from localcal.status.volume import VolumeRuns
from tests.runs_case import RunFolder

COORDINATORS = ".smk-modal/coordinators"


@pytest.fixture
def volume(emulator):
    return modal.Volume.from_name("data", version=2, create_if_missing=True).hydrate()


@pytest.fixture
def files(emulator, volume):
    """What is committed on the volume."""
    return emulator.volumes.committed("data")


@pytest.fixture
def run(tmp_path, files):
    """A run here, and the same on the volume, with two hundred logs."""
    made = RunFolder(tmp_path / "runs")
    made.freeze()
    made.finish_all(ago=20)
    for number in range(200):
        made.write(f"logs/build_chunk/{number:06d}.log", "error: no\n", ago=9)
    shutil.copytree(tmp_path / "runs", files / "runs")
    (files / "runs/other").mkdir()
    (files / "runs/other/run.json").write_text("{}")
    return made


def put(volume, path: str, content: str) -> None:
    with volume.batch_upload(force=True) as batch:
        batch.put_file(io.BytesIO(content.encode()), f"/{path}")


def test_a_run_there_looks_as_it_does_here_and_takes_one_listing(run, emulator, finding):
    there, here = VolumeRuns("modal://data"), LocalRuns(run.folder.parent)
    assert there.names() == ["demo", "other"]
    tables = LocalTables(run.folder.parent.parent)
    looks = [Looker(one, tables).look("demo", time.time(), with_logs=True) for one in (there, here)]
    assert looks[0] == looks[1]
    assert looks[0].expected and looks[0].cost
    assert emulator.calls["VolumeListFiles2"] == 1
    assert 200 < emulator.calls["VolumeGetFile2"] < 250
    # And so do the figures of its jobs.
    assert read_run(there, "demo") == read_run(here, "demo")
    assert read_run(there, "demo").attempts
    assert emulator.calls["VolumeListFiles2"] == 1
    assert there.files("gone") == {}
    with pytest.raises(InputError, match="modal://data/runs/demo/absent: no such file"):
        there.read("demo", "absent")
    finding(f"200 logs: {dict(emulator.calls)}")


def test_a_log_is_read_again_only_where_it_has_changed(run, volume, files, emulator):
    there = VolumeRuns("modal://data")
    name = "logs/build_chunk/000000.log"
    assert there.read("demo", name) == b"error: no\n"
    before = emulator.calls["VolumeGetFile2"]
    assert there.read("demo", "logs/build_chunk/000001.log") == b"error: no\n"
    assert emulator.calls["VolumeGetFile2"] == before
    put(volume, f"runs/demo/{name}", "error: yes, after all\n")
    there._volume._known_at = float("-inf")
    assert there.read("demo", name) == b"error: yes, after all\n"
    assert emulator.calls["VolumeGetFile2"] == before + 1


def test_a_run_is_held_by_a_coordinator_that_has_just_written_its_record(run, volume, files):
    put(volume, f"{COORDINATORS}/1.json", json.dumps({"folder": "runs/demo/areas", "calls": {}}))
    there = VolumeRuns("modal://data")
    assert there.is_held("demo") and not there.is_held("other")
    old = time.time() - 200
    os.utime(files / COORDINATORS / "1.json", (old, old))
    assert not VolumeRuns("modal://data").is_held("demo")


def test_a_detached_coordinator_is_seen_before_it_has_made_anything_and_says_why_it_could_not(
    run, volume, files, capsys
):
    desk = f"{COORDINATORS}/new"
    put(volume, f"{desk}/request.json", "{}")
    assert VolumeRuns("modal://data").names() == ["demo", "new", "other"]
    assert main(["status", "new", "--runs", "modal://data", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["state"] == "active"

    put(volume, f"{desk}/state.json", json.dumps({"state": "failed"}))
    put(volume, f"{desk}/log_001.txt", "Building\nerror: config: seed: no number\n")
    assert main(["status", "new", "--runs", "modal://data", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["runs"]
    assert found["state"] == "stalled"
    assert found["last_error"]["message"] == "config: seed: no number"


def test_the_command_says_it_and_names_what_is_not_there(run, capsys):
    assert main(["status", "--runs", "modal://data", "--json"]) == 0
    assert [one["run"] for one in json.loads(capsys.readouterr().out)["runs"]] == ["demo", "other"]
    for words, says in (
        (["status", "dema", "--runs", "modal://data"], "modal://data/runs/dema: no such run"),
        (["status", "--runs", "modal://dada"], "There is no Modal volume 'dada'"),
        (["status", "--runs", "modal://"], "not of the form modal://VOLUME"),
        (["clean", "--runs", "modal://data", "--keep", "2"], "modal volume rm -r data runs/RUN"),
    ):
        assert main(words) != 0
        assert says in capsys.readouterr().err


def test_what_dead_coordinators_left_is_removed_when_that_is_said(run, volume, files, capsys):
    dead, live = (f"snakemake-workflow-sources.{letter * 64}.tar.xz" for letter in "ab")
    for name in (dead, live):
        put(volume, name, "")
        os.utime(files / name, (0, 0))
    record = {"folder": "runs/demo", "archive": f"modal://data/{live}", "calls": {}}
    put(volume, f"{COORDINATORS}/1.json", json.dumps(record))
    assert main(["clean", "--runs", "modal://data"]) == 0
    assert "1 files, 0.0 MB: would be removed; add --yes to do it" in capsys.readouterr().out
    assert (files / dead).exists()
    assert main(["clean", "--runs", "modal://data", "--yes"]) == 0
    assert not (files / dead).exists() and (files / live).exists()
    assert (files / "runs/demo/matrix/plan.json").exists()
