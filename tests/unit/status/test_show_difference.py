"""How two runs differ, as text."""

import pytest

from localcal.status.difference import compare
from localcal.status.show_difference import as_text
from tests.results_case import ERRORS, TARGETS, Results


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two complete runs, the second with another seed."""
    monkeypatch.chdir(tmp_path)
    return [
        Results(tmp_path / "runs/a").complete(),
        Results(tmp_path / "runs/b", seed=7).complete(),
    ]


def text(runs):
    return as_text(compare(*(f"runs/{run.folder.name}" for run in runs)).content)


def test_what_differs_stands_side_by_side(runs):
    runs[1].targets([(*TARGETS[0][:3], 75.0), *TARGETS[1:], ("state", "36", "snap", 1.0)])
    runs[1].weights([2, 4, 0, 3])
    runs[1].errors([*ERRORS[:2], ("state", "snap", "fitted", 0.5)])
    runs[1].validation(0.02)
    found = text(runs)
    for line in (
        "runs/a and runs/b, in this order",
        "  seed  0  7",
        "Inputs: the same",
        "  commits      dddddddddddd  dddddddddddd",
        "  targets                       3  4",
        "  of these, with another value  1",
        "  state / snap  1  2",
        "  nation_US/household_count  100  75  -25 %",
        "  sum of weights  6.0   9.0",
        "  state / snap, fitted  1        1  4 %     50 %  4 %         50 %",
        "  state  2        2  1 %     2 %  2 %         4 %",
    ):
        assert line in found.splitlines(), line
    assert "    p5 1.05, p25 1.25, p50 1.5, p75 1.75, p95 1.95" in found.splitlines()


def test_what_cannot_be_compared_says_why(runs):
    (runs[1].folder / "validation/summary.json").unlink()
    runs[1].places([0, 0, 1, 1], population="others")
    found = text(runs)
    assert "Validation: not compared: runs/b: has no validation/summary.json yet" in found
    assert "weight per household: not compared: the runs have other households" in found


def test_long_lists_are_cut_and_say_so(runs):
    runs[1].amend(**{f"config.key{number:02}": "x" * 99 for number in range(40)})
    lines = text(runs).splitlines()
    assert len([line for line in lines if line.startswith("  key")]) == 15
    assert "  and 26 more, see --json" in lines
    assert max(map(len, lines)) < 80
