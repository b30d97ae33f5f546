"""The command `localcal experiment` on a run, with processes that have the toy model."""

import json

import pytest

from localcal.command import main
from localcal.commands import experiment
from localcal.experiments.experiment import PLAN
from localcal.files.atomic import write_json
from tests.experiment_case import ENGINE, make_run
from tests.served_work import own_folder

__all__ = ["own_folder"]

VARY = ["--vary", "work", "simulate", "simulate+evaluate"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a run, and with the result of an experiment on it."""
    made = tmp_path_factory.mktemp("experiments")
    make_run(made)
    return made


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_a_run_is_measured_and_its_result_is_stored_and_compared(folder, capsys):
    asked = [*VARY, "--repeat", "1", "--columns", "20", "--output", "one.json"]
    assert main(["experiment", "demo", "--engine", ENGINE, *asked]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("A     work simulate\nB     work simulate+evaluate\n")
    assert "A's CPU in 1 pairs: fewer than 5 give no verdict" in out
    assert err.startswith("loading the model\nnot counted: A took ")
    found = json.loads((folder / "one.json").read_text())
    assert found["conditions"]["columns"] == 20 and len(found["measurements"]) == 4
    assert all(one["cpu_seconds"] > 0 for one in found["measurements"])
    evaluated = ["evaluate" in one["phases"] for one in found["measurements"]]
    assert evaluated == [one["arm"] == "B" for one in found["measurements"]]
    # Others work on this machine, so wall time may not be compared.
    assert main(["experiment", "--compare", "one.json", "one.json", "--json"]) == 0
    same = json.loads(capsys.readouterr().out)
    assert {one["figure"] for one in same["comparisons"]} >= {"cpu_seconds", "peak_mb"}
    assert {one["ratio"] for one in same["comparisons"]} == {1.0}
    # The same result, as if of another machine and another seed.
    del found["seal"]
    found["conditions"] |= {"host": "there", "seed": 7}
    write_json("two.json", found)
    assert main(["experiment", "--compare", "one.json", "two.json", "--vary", "seed"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("error: host: ") and "'there' in two.json; seed is under test" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo"], "nothing to compare; add --vary VARIABLE A B"),
        (VARY, "name a run, or two results after --compare"),
        (
            ["demo", *VARY, "--vary", "workers", "1", "2"],
            "the arms would differ in work and workers",
        ),
        (["demo", "--vary", "targets", "1", "999"], "targets: 999 are asked for, the run has 270"),
        (["demo", "--compare", "a.json", "b.json"], "--compare takes two files"),
        (["--compare", "a.json", "b.json", *VARY], "--compare takes two files"),
    ],
)
def test_unlike_conditions_and_bad_calls_are_refused(arguments, said, capsys):
    assert main(["experiment", *arguments, "--engine", ENGINE]) == experiment.REFUSED == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and said in err


def test_a_run_without_a_plan_has_no_data(folder, capsys):
    plan = folder / "runs/demo" / PLAN
    away = plan.rename(folder / "plan.json")
    try:
        assert main(["experiment", "demo", *VARY]) == experiment.NO_DATA == 3
    finally:
        away.rename(plan)
    assert (
        "runs/demo/matrix/plan.json: no such file; an experiment works" in capsys.readouterr().err
    )


def test_what_the_user_can_mend_is_one_line(capsys, monkeypatch):
    assert main(["experiment", "dmo", *VARY]) == 1
    assert "runs/dmo: no such run (did you mean demo?)" in capsys.readouterr().err
    # This run has no run.json.
    assert main(["experiment", "demo", *VARY]) == 1
    assert "does not say with which model it was made; add --engine" in capsys.readouterr().err
    assert main(["experiment", "--compare", "no.json", "no.json"]) == 1
    assert "no.json: no such file" in capsys.readouterr().err

    def full(*_):
        raise MemoryError("was killed")

    monkeypatch.setattr("localcal.experiments.experiment.make", full)
    assert main(["experiment", "demo", *VARY, "--engine", ENGINE]) == 1
    assert capsys.readouterr().err == (
        "error: out of memory: was killed; take fewer --columns, smaller chunks or fewer workers\n"
    )


def test_a_run_elsewhere_is_refused(capsys, monkeypatch):
    monkeypatch.setattr("localcal.status.watch.find_run", lambda folder, run: (object(), run))
    assert main(["experiment", "demo", "--runs", "modal://volume", *VARY]) == 2
    assert "modal://volume: not on this machine" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1", "x", "1.5"])
def test_counts_are_counts(count, capsys):
    with pytest.raises(SystemExit) as end:
        main(["experiment", "demo", *VARY, f"--repeat={count}"])
    assert end.value.code == 2 and "is no integer of at least 1" in capsys.readouterr().err
