"""What came out of two runs, side by side."""

import math

import pytest

from localcal.errors import InputError
from localcal.status import results
from localcal.status.results import Absent
from tests.results_case import ERRORS, TARGETS, Results


@pytest.fixture
def runs(tmp_path):
    """Two complete runs that are the same."""
    return [Results(tmp_path / "runs" / name).complete() for name in ("a", "b")]


def compare(function, runs, *scope):
    return function(runs[0].folder, runs[1].folder, *scope)


def test_the_same_targets_differ_in_nothing(runs):
    assert compare(results.targets, runs) == {
        "count": [3, 3],
        "families": [],
        "only": [0, 0],
        "shared": 3,
        "changed": 0,
        "largest_changes": [],
    }


def test_targets_are_found_by_what_they_are_about(runs):
    # In another order, one changed by a quarter of the larger value, one gone and two new.
    runs[1].targets(
        [
            ("state", "6", "snap", 5e6),
            ("nation", "US", "household_count", 75.0),
            ("state", "36", "snap", 1.0),
            ("state", "48", "snap", 1.0),
        ]
    )
    found = compare(results.targets, runs)
    assert (found["count"], found["shared"], found["only"]) == ([3, 4], 2, [1, 2])
    assert found["changed"] == 1
    [change] = found["largest_changes"]
    assert change == {
        "name": "nation_US/household_count",
        "values": [100.0, 75.0],
        "change": -0.25,
    }
    assert found["families"] == [
        {"level": "state", "variable": "household_count", "domain": "", "count": [1, 0]},
        {"level": "state", "variable": "snap", "domain": "", "count": [1, 3]},
    ]


def test_targets_are_the_same_however_their_constraints_are_spelled(runs):
    runs[0].targets(TARGETS, '[["age", ">=", "18"], ["age", "<", "65"]]')
    runs[1].targets(TARGETS, '[["age", "<", "65.0"], ["age", ">=", "18"]]')
    assert compare(results.targets, runs)["shared"] == 3
    runs[1].targets(TARGETS, '[["age", "<", "64"], ["age", ">=", "18"]]')
    assert compare(results.targets, runs)["shared"] == 0


def test_several_targets_alike_are_paired_once_each(runs):
    runs[0].targets([*TARGETS, TARGETS[0]])
    found = compare(results.targets, runs)
    assert (found["shared"], found["only"]) == (3, [1, 0])


def test_a_target_that_became_zero_has_changed_wholly(runs):
    runs[1].targets([(*TARGETS[0][:3], 0.0), *TARGETS[1:]])
    assert compare(results.targets, runs)["largest_changes"][0]["change"] == -1.0
    runs[0], runs[1] = runs[1], runs[0]
    assert compare(results.targets, runs)["largest_changes"][0]["change"] == 1.0
    runs[1].targets([(*TARGETS[0][:3], 0.0), *TARGETS[1:]])
    assert compare(results.targets, runs)["changed"] == 0


def test_weights_of_the_same_columns_are_compared_one_by_one(runs):
    # Columns 0 and 1 are of one household, 2 and 3 of another.
    runs[1].weights([2, 4, 0, 3])
    found = compare(results.weights, runs, "local")
    assert found["columns"] == [4, 4]
    assert found["records"] == [3, 3]
    assert found["sum_of_weights"] == [6.0, 9.0]
    assert found["design_effect"] == [1.25, 1.25]
    # Totals of (3, 3) do not vary; the second household's is the same, the first's doubled.
    assert found["households"]["count"] == [2, 2]
    assert found["households"]["correlation"] is None
    ratio = found["households"]["ratio"]
    assert ratio["p50"] == 1.5
    assert ratio["p5"] == pytest.approx(1.05)
    # By hand: deviations (-.5, .5, 1.5, -1.5) and (-.25, 1.75, -2.25, .75).
    expected = (0.125 + 0.875 - 3.375 - 1.125) / math.sqrt(5 * 8.75)
    assert found["same_columns"]["correlation"] == pytest.approx(expected)


def test_of_other_columns_only_households_are_compared(runs):
    runs[1].places([0, 0, 0, 1, 1, 1])
    runs[1].weights([1, 1, 4, 1, 1, 1])
    found = compare(results.weights, runs, "local")
    assert found["columns"] == [4, 6]
    assert found["same_columns"] == {"not_compared": "the runs have other columns"}
    assert found["households"]["ratio"]["p50"] == 1.5


def test_of_other_households_only_sums_are_compared(runs):
    runs[1].places([0, 0, 1, 1], population="others")
    found = compare(results.weights, runs, "local")
    assert found["households"] == {"not_compared": "the runs have other households"}
    assert found["same_columns"] == {"not_compared": "the runs have other columns"}
    assert found["sum_of_weights"] == [6.0, 6.0]


def test_errors_by_level_and_family_of_either_run(runs):
    runs[1].errors([*ERRORS[:2], ("state", "eitc", "fitted", 0.5)])
    found = compare(results.errors, runs, "local")
    levels = {(one["level"], one["role"]): one for one in found["levels"]}
    # Median of 0.02 and 0.04, and of 0.02 and 0.5.
    assert levels["state", "fitted"]["median"] == pytest.approx([0.03, 0.26])
    assert levels["state", "left_out"]["count"] == [1, 0]
    # Of no error there is no median.
    assert levels["state", "left_out"]["median"] == [None, None]
    families = {(one["level"], one["variable"], one["role"]): one for one in found["families"]}
    assert families["state", "eitc", "fitted"]["median"] == [None, 0.5]
    assert families["state", "snap", "fitted"]["median"] == [0.04, None]
    assert families["nation", "household_count", "fitted"]["p90"] == [0.01, 0.01]


def test_validation_by_level(runs):
    runs[1].validation(0.02)
    found = compare(results.validation, runs)
    assert (found["areas"], found["insane"]) == ([4, 4], [0, 0])
    assert found["levels"] == [
        {
            "level": "state",
            "count": [2, 2],
            "median": [0.01, 0.02],
            "p90": [0.02, 0.04],
            "largest": [0.03, 0.06],
        }
    ]


FILES = {
    "targets/targets.parquet": (results.targets,),
    "weights/local/weights.npy": (results.weights, "local"),
    "weights/local/diagnostics.csv": (results.errors, "local"),
    "validation/summary.json": (results.validation,),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_missing_is_absent_and_what_was_changed_is_damaged(runs, name):
    path = runs[1].folder / name
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: damaged") as refused:
        compare(FILES[name][0], runs, *FILES[name][1:])
    assert not isinstance(refused.value, Absent)
    path.unlink()
    with pytest.raises(Absent, match=f"b: has no {name} yet"):
        compare(FILES[name][0], runs, *FILES[name][1:])
