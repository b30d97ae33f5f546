"""What a run must have before its release is made of it, by its own record."""

import pytest

from localcal.errors import InputError
from localcal.release.complete import refuse_incomplete, refuse_unknown, wanted_names
from tests.runs_case import RunFolder


@pytest.fixture
def run(tmp_path, monkeypatch):
    # The run's record names its table of areas from there.
    monkeypatch.chdir(tmp_path)
    made = RunFolder(tmp_path / "runs", "demo")
    made.freeze()
    return made.folder


def test_a_run_is_known_by_its_record(run):
    refuse_unknown(run)
    with pytest.raises(
        InputError, match=r"demo2: no such run \(did you mean demo\?\); there are d"
    ):
        refuse_unknown(run.with_name("demo2"))
    with pytest.raises(InputError, match="no such run; there are none"):
        refuse_unknown(run.parents[1] / "elsewhere/demo")


def test_what_is_missing_is_named(run):
    wanted = wanted_names(run)
    assert {"targets/policy_data.db", "weights/national/weights.npy"} < set(wanted)
    for name in wanted:
        path = run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    refuse_incomplete(run)
    area = next(name for name in wanted if name.startswith("areas/states/"))
    (run / area).unlink()
    with pytest.raises(InputError, match=rf"it lacks {area} \(1 of {len(wanted)} files\); make it"):
        refuse_incomplete(run)
