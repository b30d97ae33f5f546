"""The status of runs, to be read by people and by programs."""

import json
from dataclasses import replace

from localcal.status.look import Chunks, Cost, Failure, RunStatus, Stage
from localcal.status.receipts import Release
from localcal.status.show import as_json, as_line, as_page, as_table

NOW = 1_800_000_000.0
FULL = RunStatus(
    run="demo",
    state="active",
    created="2027-01-15T07:00:00+00:00",
    begun=NOW - 600,
    holder="process 7 on here",
    written=NOW - 3,
    size=1_234_567_890,
    done=40,
    expected=58,
    release=Release("promoted", "1.2.0"),
    problems=("sessions.jsonl: line 3 is damaged",),
    stages=(Stage("chunks", 12, 51, 2, 600.0, 1.5, 0.00001, 1800, 160.0, 877.5),),
    chunks=Chunks(12, 51, 2, 45.0, 160.0, 877.5),
    cost=Cost(1.5, 12_345.678, 14, 2),
    last_error=Failure("logs/build_chunk/000001.log", "x: broken; remove it"),
)


def test_the_keys_of_the_json_are_these():
    """A reader counts on them: count FORMAT up when one goes or changes its meaning."""
    content = json.loads(as_json([FULL, RunStatus("x", "foreign")]))
    assert content.keys() == {"format", "runs"}
    assert content["format"] == 1
    full, bare = content["runs"]
    assert full.keys() == {
        "run",
        "state",
        "reason",
        "created",
        "begun",
        "holder",
        "written",
        "size",
        "done",
        "expected",
        "release",
        "problems",
        "stages",
        "chunks",
        "cost",
        "last_error",
    }
    assert bare.keys() == full.keys()
    assert full["release"].keys() == {"state", "version"}
    assert full["chunks"].keys() == {
        "done",
        "expected",
        "at_work",
        "mean_seconds",
        "per_hour",
        "seconds_left",
    }
    assert full["cost"].keys() == {"cpu_hours", "gb_hours", "jobs", "without_figures"}
    assert full["last_error"].keys() == {"log", "message"}
    assert full["stages"][0].keys() == {
        "name",
        "done",
        "expected",
        "at_work",
        "seconds",
        "cpu_hours",
        "gb_hours",
        "peak_mb",
        "per_hour",
        "seconds_left",
    }


def test_a_table_has_one_line_for_each_run():
    bad = RunStatus("old", "failed", "build_chunk/000001", written=NOW - 7200, done=3, expected=58)
    lines = as_table([FULL, bad, RunStatus("notes", "foreign", "no run: holds no run.json")], NOW)
    header, full, failed, foreign = lines.splitlines()
    assert header.split() == ["RUN", "STATE", "FILES", "WRITTEN"]
    assert full == (
        "demo   active   40/58  3 s ago    chunks: 12 of 51, 2 at work, 45 s each, 160 an hour, "
        "about 15 min left for them; promoted 1.2.0; problem: sessions.jsonl: line 3 is damaged"
    )
    assert failed == "old    failed   3/58   2.0 h ago  build_chunk/000001"
    assert foreign.split() == ["notes", "foreign", "no", "run:", "holds", "no", "run.json"]
    assert as_table([], NOW) == "no runs"


def test_of_an_active_run_the_stage_is_told_that_it_is_at():
    done, next_one = FULL.stages[0], Stage("weights", 3, 12, 0, None, None, None, None)
    run = replace(FULL, stages=(replace(done, done=51), next_one), release=None, problems=())
    assert as_line(run) == "demo  active  40/58  weights: 3 of 12"
    assert as_line(replace(run, stages=())) == "demo  active  40/58"


def test_a_page_says_everything():
    page = as_page(FULL, NOW)
    for words in (
        "active\n",
        "promoted 1.2.0\n",
        "2027-01-15T07:50:00+00:00 (process 7 on here)\n",
        "3 s ago, 1,234.6 MB\n",
        "1.5000 CPU hours, 12,345.7 GB-hours of 14 jobs; 2 more have no figures\n",
        "x: broken; remove it\n",
        "see logs/build_chunk/000001.log\n",
        "sessions.jsonl: line 3 is damaged\n",
    ):
        assert words in page, words
    stage = page.splitlines()[-1].split("  ")
    # What is small is not nothing.
    assert [text.strip() for text in stage if text] == [
        "chunks",
        "━━━━────────────────",
        "12/51",
        "2",
        "2.7/min",
        "15 min",
        "10 min",
        "1.5000",
        "<0.0001",
        "1,800 MB",
    ]


def test_what_is_left_takes_no_room_once_nothing_is():
    done = replace(FULL.stages[0], done=51, at_work=0)
    header, line = as_page(replace(FULL, stages=(done,)), NOW).splitlines()[-2:]
    assert header.split() == ["STAGE", "FILES", "TOOK", "CPU", "HOURS", "GB-HOURS", "LARGEST"]
    assert line.split()[:3] == ["chunks", "━" * 20, "51/51"]


def test_a_page_of_what_is_no_run_is_short():
    page = as_page(RunStatus("notes", "foreign", "no run: holds no run.json"), NOW)
    assert page == "run           notes\nstate         foreign: no run: holds no run.json"


def test_what_should_be_made_may_be_unknown():
    unknown = RunStatus("x", "unknown", "lost", created="2027", done=0, written=NOW)
    assert "?" in as_table([unknown], NOW)
    assert as_line(unknown) == "x  unknown  0/?  lost"
