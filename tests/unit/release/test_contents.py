"""What of a run gets out, where it lies then, and what is said of it."""

import hashlib
import json

import pytest

from localcal.errors import InputError
from localcal.release.contents import (
    File,
    divided,
    read_file,
    read_files,
    read_manifest,
    write_manifest,
)
from localcal.release.hub import Kept
from localcal.release.names import names, place
from tests.release_case import AREAS, NAMES, write_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "runs/one")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("areas/states/CA.h5", "states/CA.h5"),
        ("areas/districts/CA-12.h5", "districts/CA-12.h5"),
        ("areas/national/US_replicates.h5", "national/US_replicates.h5"),
        ("targets/policy_data.db", "calibration/policy_data.db"),
        ("weights/local/weights.npy", "calibration/local/weights.npy"),
        ("weights/national/l0_weights.h5", "calibration/national/l0_weights.h5"),
        ("weights/local/fit.json", None),
        ("targets/preflight.csv", None),
        ("run.json", None),
        ("validation/states/CA.csv", None),
        ("report/index.html", None),
    ],
)
def test_where_files_lie(name, path):
    assert place(name) == path


def test_replicates_and_gates_of_l0_come_with_their_scope():
    without = set(names(AREAS, [], []))
    assert set(NAMES) - without == {
        "weights/local/replicates.h5",
        "weights/local/standard_errors.csv",
        "weights/local/diagnostics_with_errors.csv",
        "weights/local/areas_with_errors.csv",
        "weights/national/l0_weights.h5",
        "areas/states/CA_replicates.h5",
        "areas/districts/CA-12_replicates.h5",
    }
    assert without < set(NAMES)


def test_a_file_is_kept_beside_git_or_inside(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    file = File(path, hashlib.sha256(b"hello").hexdigest(), 5)
    assert file.is_kept(Kept(file.sha256, 5, is_object=True))
    # What `git hash-object` says of it.
    inside = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"
    assert file.is_kept(Kept(inside, 5, is_object=False))
    assert not file.is_kept(Kept(inside, 5, is_object=True))
    assert not file.is_kept(Kept(file.sha256, 6, is_object=True))
    assert not file.is_kept(None)


def test_a_file_without_a_record_is_taken_as_it_is(run):
    found = read_file(run, "run.json")
    assert found.size == (run / "run.json").stat().st_size
    with pytest.raises(InputError, match=r"one/history\.jsonl: No such file"):
        read_file(run, "history.jsonl")


def test_figures_and_history_are_kept_if_there_are_some(run):
    files = read_files(run, NAMES)
    _, about = divided(files, run, "one")
    assert not {path for path in about if path.endswith(("summary.json", "jsonl"))} - {
        "runs/one/diagnostics/validation/summary.json"
    }
    (run / "release/summary.json").write_text("{}")
    (run / "history.jsonl").write_text("{}\n")
    released, about = divided(files, run, "one")
    assert {f"runs/one/diagnostics/{name}" for name in ("summary.json", "history.jsonl")} < set(
        about
    )
    assert not set(released) & set(about)


def test_a_manifest_says_what_it_was_staged_as(run):
    files = divided(read_files(run, NAMES), run, "one")
    written = write_manifest(run, "one", "1.0.0", files)
    assert read_manifest(run, "one", "1.0.0") == written
    assert json.loads((run / "release/manifest.json").read_text()) == written
    assert list(written["files"]) == sorted(written["files"])
    with pytest.raises(
        InputError, match=r"run one was staged as version 1\.0\.0, not run one as 2"
    ):
        read_manifest(run, "one", "2.0.0")
