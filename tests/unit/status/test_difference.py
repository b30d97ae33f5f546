"""How two runs differ."""

import pytest

from localcal.errors import InputError
from localcal.status.difference import compare
from tests.results_case import Results


@pytest.fixture
def folders(tmp_path):
    """Two runs: a complete one, and another with another seed and nothing made yet."""
    Results(tmp_path / "runs/a").complete()
    other = Results(tmp_path / "runs/b", seed=7)
    other.amend(**{"inputs.areas.path": "b" * 64, "commit": "e" * 40, "clean": False})
    return tmp_path / "runs/a", tmp_path / "runs/b"


def test_the_keys_are_these(folders):
    """A reader counts on them: count FORMAT up when one goes or changes its meaning."""
    content = compare(folders[0], folders[0]).content
    assert content.keys() == {
        "format",
        "runs",
        "config",
        "inputs",
        "code",
        "versions",
        "commits",
        "targets",
        "weights",
        "errors",
        "validation",
    }
    assert content["targets"].keys() == {
        "not_compared",
        "count",
        "families",
        "only",
        "shared",
        "changed",
        "largest_changes",
    }
    assert content["weights"].keys() == content["errors"].keys() == {"local", "national"}
    assert content["weights"]["local"].keys() == {
        "not_compared",
        "columns",
        "records",
        "sum_of_weights",
        "design_effect",
        "households",
        "same_columns",
    }
    assert content["errors"]["local"].keys() == {"not_compared", "levels", "families"}
    assert content["validation"].keys() == {"not_compared", "areas", "insane", "levels"}


def test_what_they_were_made_from_is_told_as_amended(folders):
    content = compare(*folders).content
    assert content["config"] == [{"what": "seed", "values": [0, 7]}]
    assert content["inputs"] == [{"what": "areas.path", "values": ["a" * 64, "b" * 64]}]
    assert content["code"] == content["versions"] == []
    assert content["commits"] == [
        {"commits": ["d" * 40], "clean": True},
        {"commits": ["d" * 40, "e" * 40], "clean": False},
    ]


def test_what_one_run_does_not_have_yet_is_said_and_no_problem(folders):
    found = compare(*folders)
    assert found.problems == ()
    reason = found.content["targets"]["not_compared"]
    assert reason == f"{folders[1]}: has no targets/targets.parquet yet"
    for section in ("weights", "errors"):
        for scope in ("local", "national"):
            assert "yet" in found.content[section][scope]["not_compared"]
    assert "yet" in found.content["validation"]["not_compared"]


def test_damage_is_a_problem_and_hides_nothing_else(folders):
    (folders[0] / "weights/local/weights.npy").write_bytes(b"")
    found = compare(folders[0], folders[0])
    [problem] = found.problems
    assert "weights/local/weights.npy: damaged" in problem
    assert found.content["weights"]["local"]["not_compared"] == problem
    assert found.content["weights"]["national"]["not_compared"] is None


def test_what_is_no_run_is_refused(folders, tmp_path):
    with pytest.raises(InputError, match=r"holds no run\.json"):
        compare(folders[0], tmp_path)
    (folders[1] / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json: not JSON"):
        compare(*folders)
