"""What was published of a run."""

import pytest

from localcal.status.folder import LocalRuns
from localcal.status.receipts import read_release
from tests.runs_case import RunFolder


@pytest.fixture
def run(tmp_path):
    """A run without receipts."""
    return RunFolder(tmp_path / "runs")


def release(run):
    runs = LocalRuns(run.folder.parent)
    found, problems = read_release(runs, "demo", runs.files("demo"))
    return (str(found) if found else None), problems


def test_a_run_without_receipts_was_not_published(run):
    run.write("release/generations.json", "{}")
    assert release(run) == (None, [])


def test_the_newest_publication_counts_and_staging_only_without_one(run):
    run.write("release/staged.json", '{"version": "1.2.0"}', ago=1)
    assert release(run) == ("staged 1.2.0", [])
    run.write("release/promoted.json", '{"version": "1.2.0"}', ago=9)
    assert release(run) == ("promoted 1.2.0", [])
    run.write("release/rollback_1.4.0.json", "{}", ago=5)
    assert release(run) == ("rolled back to 1.4.0", [])


@pytest.mark.parametrize("text", ["{", "[]", '{"version": "1.2.0", "seal": "0"}'])
def test_a_damaged_receipt_is_a_problem_but_still_a_receipt(run, text):
    run.write("release/promoted.json", text)
    found, [problem] = release(run)
    assert found == "promoted"
    assert problem.startswith("release/promoted.json: is damaged")
