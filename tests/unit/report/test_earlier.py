"""The run before."""

import pytest

from localcal.errors import InputError
from localcal.report.earlier import previous_run


def test_the_run_before_is_the_newest_validated_one_begun_before(recorded_run):
    now = recorded_run("now", 20)
    assert previous_run(now) == (None, [])
    (
        recorded_run("old", 3),
        recorded_run("later", 25),
        recorded_run("unfinished", 19, validated=False),
    )
    before = recorded_run("before", 18)
    assert previous_run(now) == (before, [])
    (before / "run.json").write_text("{")
    found, (problem,) = previous_run(now)
    assert found.name == "old" and "before/run.json" in problem
    (now / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"now/run\.json"):
        previous_run(now)
