"""The records of what files are and were made from."""

import random
from pathlib import Path

import pytest

from localcal.errors import InputError
from localcal.files.made import (
    Made,
    read_made,
    read_records,
    record_outputs,
    record_path,
    refuse_changed,
    refuse_changed_inputs,
)


@pytest.fixture
def run(tmp_path, monkeypatch) -> str:
    """The folder of a run with one file that has a record."""
    monkeypatch.chdir(tmp_path)
    make("runs/x/matrix/plan.json", b"a plan of some length")
    return "runs/x"


def make(path: str, content: bytes, inputs=(), **params) -> None:
    """Write a file as a job does."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)
    digests = refuse_changed_inputs(with_records(inputs), "runs/x")
    record_outputs(with_records([path]), "runs/x", "plan_chunks", params, digests)


def with_records(paths) -> list[str]:
    return [*paths, *(record_path(path, "runs/x") for path in paths)]


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("runs/x/matrix/m.h5", "runs/x", "runs/x/made/matrix/m.h5.json"),
        ("runs/{run_id}/a/{b}.csv", "runs/{run_id}", "runs/{run_id}/made/a/{b}.csv.json"),
        ("/runs/x/cache/runs/x/m.h5", "runs/x", "/runs/x/cache/runs/x/made/m.h5.json"),
    ],
)
def test_a_record_lies_where_its_file_does(path, folder, expected):
    assert record_path(path, folder) == expected


def test_a_path_elsewhere_has_no_record():
    with pytest.raises(ValueError, match="given/x is not in runs/x"):
        record_path("given/x", "runs/x")


def test_a_record_says_what_the_file_was_made_with_and_from(run):
    make("runs/x/matrix/m.h5", b"m", ["runs/x/matrix/plan.json"], seed=1, fit={"penalty": 0.5})
    plan, matrix = (read_made(record_path(f"{run}/matrix/{name}", run)) for name in NAMES)
    assert matrix == Made(
        file="matrix/m.h5",
        rule="plan_chunks",
        params={"seed": 1, "fit": {"penalty": 0.5}},
        inputs={"matrix/plan.json": plan.sha256},
        sha256="62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a",
        size=1,
    )
    assert read_records(run) == {"matrix/plan.json": plan, "matrix/m.h5": matrix}


NAMES = ("plan.json", "m.h5")


def test_files_from_elsewhere_have_no_records_and_are_left_to_who_reads_them(run):
    assert refuse_changed_inputs(["given/x", f"{run}/run.json"], run) == {}


def test_whatever_bit_flips_and_wherever_a_file_is_cut_it_is_refused(run):
    path = Path(run, "matrix/plan.json")
    paths, whole = with_records([str(path)]), path.read_bytes()
    damaged = [whole[:n] for n in range(len(whole))]
    damaged += [flipped(whole, bit) for bit in range(8 * len(whole))]
    damaged += [b"\0" + whole, whole + b"\0", whole[::-1]]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"^runs/x/matrix/plan.json: damaged, .*; remove it"):
            refuse_changed_inputs(paths, run)
    path.write_bytes(whole)
    assert refuse_changed_inputs(paths, run).keys() == {str(path)}


def flipped(content: bytes, bit: int) -> bytes:
    """Return some bytes with one bit flipped."""
    found = bytearray(content)
    found[bit // 8] ^= 1 << bit % 8
    return bytes(found)


def test_a_damaged_record_says_the_same_or_is_refused(run):
    path = Path(record_path(f"{run}/matrix/plan.json", run))
    whole, known = path.read_bytes(), read_made(path)
    draw = random.Random(1)
    refused = 0
    for bit in draw.sample(range(8 * len(whole)), 500):
        path.write_bytes(flipped(whole, bit))
        try:
            assert read_made(path) == known
        except InputError as error:
            assert str(error).startswith(f"{path}: damaged, ")
            assert str(error).endswith("; remove it and run the same command again")
            refused += 1
    # Space between words may be another space.
    assert refused > 450


@pytest.mark.parametrize("path", ["matrix/plan.json", "made/matrix/plan.json.json"])
def test_a_file_or_record_that_is_gone_is_named(run, path):
    paths, lost = with_records([f"{run}/matrix/plan.json"]), Path(run, path)
    lost.unlink()
    with pytest.raises(InputError, match=f"{lost}: .*run the same command again"):
        refuse_changed_inputs(paths, run)


def test_a_record_of_another_file_s_content_is_no_record_of_this_one(run):
    make("runs/x/matrix/m.h5", b"a plan of other length")
    with pytest.raises(InputError, match=r"m\.h5: damaged, .*22 bytes instead of 21"):
        refuse_changed("runs/x/matrix/m.h5", read_made(record_path(f"{run}/matrix/plan.json", run)))
