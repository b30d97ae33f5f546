"""The command `localcal perf` on logs of a run, and through a pipe."""

import io
import json
import sys

import pytest

from localcal.command import main
from localcal.commands.perf import NO_DATA
from tests.perf_case import chunks, planted, used
from tests.runs_case import RunFolder


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with a straggler, a retry and an oversized payload, and one job at work."""
    monkeypatch.chdir(tmp_path)
    made = RunFolder(tmp_path / "runs")
    for at, line in enumerate(planted()):
        made.write(f"logs/build_chunk/{at:06}.log", f"{line}\n")
    made.write("logs/fit_weights/local.log", "10:00:00 fit_weights/local: begins\n")
    return made


def test_what_was_planted_is_named(run, capsys):
    for name in ("demo", "runs/demo"):
        assert main(["perf", name]) == 0
        text = capsys.readouterr().out
        for heading, said in (
            ("look     stragglers", "build_chunk/000006: 60.0 s"),
            ("look     retries", "build_chunk/000007: attempt 2"),
            ("look     oversized payloads", "build_chunk/000008: handed over 250 MB"),
        ):
            after = text.split(heading)[1].splitlines()[1]
            assert after.strip().startswith(said)
        # Eight jobs of 10 s and one of 60 s.
        assert "9 say what they took: 140.00 s of work" in text
        assert "without   1 " in text


def test_json_has_all_of_it_and_null_for_what_no_job_says(run, capsys):
    assert main(["perf", "demo", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["jobs"]["without_figures"] == ["fit_weights/local"]
    simulate = found["phases"]["simulate"]
    assert (simulate["jobs"], simulate["median"], simulate["largest"]) == (9, 8.0, 58.0)
    assert simulate["total"] == 8 * 8.0 + 58.0
    assert found["simulations"]["total"] is None and found["away_from_data"]["bytes_share"] is None
    [away] = [one for one in found["findings"] if one["name"] == "work away from its data"]
    assert (away["verdict"], away["unknown"]) == ("unknown", 9)


def test_many_cases_are_cut_off_in_text_alone(monkeypatch, capsys):
    lines = chunks(14, attempt=2)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
    assert main(["perf", "-"]) == 0
    assert "and 4 more, see --json" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
    assert main(["perf", "-", "--json"]) == 0
    retries = json.loads(capsys.readouterr().out)["findings"][1]
    assert (retries["name"], len(retries["cases"])) == ("retries", 14)


@pytest.mark.parametrize("lines", ["", "nothing of the kind\n", used("x")[:-9]])
def test_without_data_the_exit_status_says_so(lines, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    assert main(["perf", "-", "--json"]) == NO_DATA == 3
    out, err = capsys.readouterr()
    damaged = 1 if "used" in lines else 0
    assert out == ""
    assert err == (
        "error: standard input: no log says what a job took (0 logs without figures, "
        f"{damaged} damaged lines); look again when a job has ended\n"
    )


def test_a_run_whose_jobs_say_nothing_has_no_data_and_one_that_is_not_there_is_an_error(
    run, capsys
):
    RunFolder(run.folder.parent, "new").write("logs/build_chunk/000000.log", "begins\n")
    assert main(["perf", "new"]) == 3
    assert "runs/new: no log says what a job took (1 logs" in capsys.readouterr().err
    assert main(["perf", "dem"]) == 1
    assert "runs/dem: no such run (did you mean demo?)" in capsys.readouterr().err
    assert main(["perf", "elsewhere/demo"]) == 1
    assert "does not lie in runs; add --runs elsewhere" in capsys.readouterr().err
