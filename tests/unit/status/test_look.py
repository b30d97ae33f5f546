"""What became of a run, of what its folder holds."""

import os
import time

import pytest

from localcal.run.lock import release_locks, take_lock
from localcal.run.sessions import record_begin, record_end
from localcal.status.folder import LocalRuns
from localcal.status.look import Looker
from localcal.status.tables import LocalTables
from tests.runs_case import CONFIG, NOW, RunFolder, used

HOUR = 3600.0


@pytest.fixture
def runs(tmp_path):
    """The folder of runs; what was locked is given back."""
    yield tmp_path / "runs"
    release_locks()


@pytest.fixture
def run(runs):
    """A frozen run."""
    made = RunFolder(runs)
    made.freeze()
    return made


def look(run: RunFolder, with_logs: bool = True, now: float = NOW):
    runs = run.folder.parent
    looker = Looker(LocalRuns(runs), LocalTables(runs.parent))
    return looker.look(run.folder.name, now, with_logs)


def begin(run: RunFolder, ago: float = 0.0, holder: str = "process 1") -> None:
    """Begin a session; its record has the time of the test's clock, as files have."""
    record_begin(run.folder, holder, 3)
    _settle(run, ago)


def end(run: RunFolder, succeeded: bool = False, failed=(), ago: float = 0.0) -> None:
    record_end(run.folder, "process 1", succeeded, failed)
    _settle(run, ago)


def _settle(run: RunFolder, ago: float) -> None:
    for file in run.folder.iterdir():
        if file.is_file():
            os.utime(file, (NOW - ago, NOW - ago))


def job_of(run: RunFolder, rule: str, name: str | None = None):
    return next(job for job in run.jobs if job.rule == rule and name in (None, job.name))


# The state of a run.


def test_a_run_with_everything_is_completed_whatever_its_sessions_say(run):
    run.finish_all()
    found = look(run)
    assert (found.state, found.reason) == ("completed", "")
    assert found.done == found.expected == sum(len(job.files) for job in run.jobs)
    begin(run)
    end(run, failed=["logs/x.log"])
    assert look(run).state == "completed"


@pytest.mark.parametrize("lost", ["matrix/matrix.h5", "made/matrix/matrix.h5.json"])
def test_a_file_or_record_that_is_lost_is_not_done(run, lost):
    run.finish_all()
    (run.folder / lost).unlink()
    found = look(run)
    assert found.state == "stalled"
    assert found.done == found.expected - 1


def test_a_run_that_somebody_holds_is_active(run):
    take_lock(run.folder)
    begin(run, ago=5)
    found = look(run)
    assert (found.state, found.reason, found.holder) == ("active", "", "process 1")


def test_one_that_is_held_but_silent_for_long_is_stalled(run):
    take_lock(run.folder)
    begin(run, ago=3 * HOUR)
    found = look(run)
    assert found.state == "stalled"
    assert "nothing was written for 3.0 h" in found.reason


def test_one_whose_process_was_killed_is_stalled(run):
    begin(run)
    assert look(run).state == "stalled"


def test_one_whose_jobs_failed_is_failed_and_says_which(run):
    begin(run)
    end(run, failed=["logs/build_chunk/000001.log", "logs/fit_weights/fit_weights.log"])
    found = look(run)
    assert (found.state, found.reason) == ("failed", "build_chunk/000001, fit_weights")


def test_many_failed_jobs_are_counted(run):
    begin(run)
    end(run, failed=[f"logs/build_chunk/{chunk:06d}.log" for chunk in range(9)])
    assert look(run).reason.endswith("build_chunk/000002 and 6 more")


def test_one_that_is_taken_up_after_a_failure_is_active(run):
    begin(run)
    end(run, failed=["logs/build_chunk/000001.log"])
    take_lock(run.folder)
    begin(run)
    assert look(run).state == "active"


def test_snakemake_that_tidies_up_after_the_end_is_not_at_work(run):
    take_lock(run.folder)
    begin(run)
    end(run, failed=["logs/build_chunk/000001.log"])
    # Of the session that has ended, by the clock that sessions are recorded by.
    os.utime(run.folder / ".lock")
    assert look(run).state == "failed"


def test_one_that_was_started_again_and_has_not_begun_yet_is_active(run):
    begin(run)
    end(run, failed=["logs/build_chunk/000001.log"], ago=1)
    # A detached one has this lock while Snakemake still reads the workflow.
    take_lock(run.folder / "logs")
    # Sessions have the time of the real clock.
    assert look(run, now=time.time()).state == "failed"
    os.utime(run.folder / "logs/.lock", (NOW, NOW))
    assert look(run).state == "active"


def test_one_of_which_a_part_was_asked_for_is_partial(run):
    begin(run)
    end(run, succeeded=True)
    assert look(run).state == "partial"


def test_one_that_was_stopped_is_stalled_and_says_so(run):
    begin(run)
    end(run)
    found = look(run)
    assert found.state == "stalled"
    assert "was stopped" in found.reason


@pytest.mark.parametrize("folder", ["", "logs"])
def test_one_that_died_before_its_record_was_written_is_a_run(runs, folder):
    run = RunFolder(runs)
    take_lock(run.folder / folder)
    os.utime(run.folder / folder / ".lock", (NOW - 1, NOW - 1))
    assert look(run).state == "active"
    release_locks()
    assert look(run).state == "stalled"


@pytest.mark.parametrize("file", ["notes.txt", "data/a.csv"])
def test_a_foreign_folder_is_no_run(runs, file):
    run = RunFolder(runs)
    run.write(file, "mine")
    found = look(run)
    assert (found.state, found.reason) == ("foreign", "no run: holds no run.json")
    run.write(".lock", "")
    assert look(run).state == "foreign"


def test_a_file_among_the_runs_is_no_run(runs):
    run = RunFolder(runs)
    (runs / "notes.txt").write_text("mine")
    found = Looker(LocalRuns(runs), LocalTables(runs)).look("notes.txt", NOW, with_logs=True)
    assert found.state == "foreign"
    assert run.folder.name == "demo"


@pytest.mark.parametrize(
    "file, text, words",
    [
        ("run.json", "{", "run.json: not JSON"),
        ("run.json", "[]", "run.json: does not say what the run was made from"),
        ("history.jsonl", "{}\n", "history.jsonl: line 1 is no list of changes"),
    ],
)
def test_damage_to_its_record_is_one_line(run, file, text, words):
    run.write(file, text)
    found = look(run)
    assert found.state == "damaged"
    assert found.reason.startswith(words)
    assert "\n" not in found.reason


def test_damage_to_its_sessions_is_a_problem_and_no_more(run):
    run.finish_all()
    run.write("sessions.jsonl", "nonsense\n")
    found = look(run)
    assert found.state == "completed"
    assert found.problems == ("sessions.jsonl: line 1 is damaged",)


def test_without_its_table_of_areas_nobody_can_tell_what_it_should_have(run):
    run.finish_all()
    run.table.write_text("another\n")
    found = look(run)
    assert found.state == "unknown"
    assert "not the table of areas that the run was made with" in found.reason
    assert found.expected is None


def test_a_config_of_another_version_is_said(runs):
    run = RunFolder(runs)
    run.freeze(areas={"national": ["US"]})
    found = look(run)
    assert found.state == "unknown"
    assert "of another version ('states')" in found.reason


def test_what_was_amended_counts(run):
    areas = CONFIG["areas"] | {"districts": ["CA-01"]}
    run.finish_all()
    change = {"what": "config.areas.states", "old": ["CA"], "new": ["CA", "NY"]}
    run.write("history.jsonl", f'{{"changes": [{_json(change)}]}}\n')
    found = look(run)
    # The state's file, its validation and its simulation.
    assert found.expected == found.done + 3
    assert areas["districts"] == ["CA-01"]


def _json(content: dict) -> str:
    return str(content).replace("'", '"')


# How far it is.


def test_stages_count_files_and_sum_what_their_jobs_took(run):
    first, second = (job_of(run, "build_chunk", name) for name in ("000000", "000001"))
    run.finish(job_of(run, "plan_chunks"), ago=100, wall_seconds=10, cpu_seconds=1, peak_mb=100)
    run.finish(first, ago=60, wall_seconds=30, cpu_seconds=36, peak_mb=1200)
    run.finish(second, ago=40, wall_seconds=40, cpu_seconds=35, peak_mb=1000)
    stage = next(stage for stage in look(run).stages if stage.name == "chunks")
    assert (stage.done, stage.expected, stage.at_work) == (3, 4, 0)
    # From 10 s before the first one's end, 100 s ago, to 40 s ago.
    assert stage.seconds == 70
    assert stage.cpu_hours == pytest.approx(72 / 3600)
    # 10 s of 0.1 GB, 30 s of 1.2 GB and 40 s of 1 GB.
    assert stage.gb_hours == pytest.approx(77 / 3600)
    assert stage.peak_mb == 1200
    idle = next(stage for stage in look(run).stages if stage.name == "areas")
    assert (idle.done, idle.expected, idle.seconds, idle.cpu_hours) == (0, 4, None, None)


def test_time_left_follows_from_finished_chunks_and_those_at_work(runs):
    run = RunFolder(runs)
    # 240 columns in 24 chunks.
    run.freeze(matrix={"workers": 2, "chunk_columns": 10})
    take_lock(run.folder)
    begin(run, ago=500)
    # Of earlier sessions: now two work, whatever it was then.
    for chunk in range(10):
        run.finish(job_of(run, "build_chunk", f"{chunk:06d}"), wall_seconds=60 + chunk)
        os.utime(run.folder / f"logs/build_chunk/{chunk:06d}.log", (1000, 1000))
    for chunk in (10, 11):
        run.log(f"logs/build_chunk/{chunk:06d}.log", "", ago=1)
    chunks = look(run, with_logs=False).chunks
    assert (chunks.done, chunks.expected, chunks.at_work) == (10, 24, 2)
    assert chunks.mean_seconds == pytest.approx(64.5)
    # 12 have not begun, two are half done, and two are built at a time.
    assert chunks.seconds_left == pytest.approx(13 * 64.5 / 2)
    assert chunks.per_hour == pytest.approx(2 * 3600 / 64.5)


def test_a_worker_that_waits_for_its_next_chunk_counts(runs):
    run = RunFolder(runs)
    run.freeze(matrix={"workers": 2, "chunk_columns": 10})
    take_lock(run.folder)
    begin(run, ago=500)
    # Two at a time, for 20 s each, one after the other.
    for chunk, ago in enumerate((40, 40, 20, 20)):
        run.finish(job_of(run, "build_chunk", f"{chunk:06d}"), ago=ago, wall_seconds=20)
    chunks = look(run, with_logs=False).chunks
    assert (chunks.at_work, chunks.seconds_left) == (0, pytest.approx(20 * 20 / 2))
    stage = next(one for one in look(run).stages if one.name == "chunks")
    # The plan's job is one more of the stage, and has not been.
    assert stage.seconds_left == pytest.approx(21 * 20 / 2)
    assert stage.per_hour == pytest.approx(2 * 3600 / 20)
    run.log("logs/build_chunk/000004.log", "")
    chunks = look(run, with_logs=False).chunks
    assert chunks.seconds_left == pytest.approx(19.5 * 20 / 2)
    # Of an earlier session nothing is known of those at work now.
    os.utime(run.folder / "logs/build_chunk/000004.log", (0, 0))
    for chunk in range(4):
        os.utime(run.folder / f"logs/build_chunk/{chunk:06d}.log", (100, 100))
    assert look(run, with_logs=False).chunks.seconds_left is None


def test_no_more_work_than_there_are_chunks_left(run):
    take_lock(run.folder)
    begin(run, ago=500)
    for chunk in ("000000", "000001"):
        run.finish(job_of(run, "build_chunk", chunk), ago=20, wall_seconds=20)
    assert look(run).chunks.seconds_left == pytest.approx(20)


def test_without_a_finished_chunk_or_one_at_work_nobody_knows_how_long(run):
    take_lock(run.folder)
    begin(run, ago=5)
    assert look(run).chunks.seconds_left is None
    release_locks()
    run.finish(job_of(run, "build_chunk", "000000"))
    assert look(run).chunks.mean_seconds == 36
    assert look(run).chunks.seconds_left is None


def test_a_log_of_a_killed_session_is_of_no_job_at_work(run):
    run.log("logs/build_chunk/000000.log", "", ago=0)
    os.utime(run.folder / "logs/build_chunk/000000.log", (0, 0))
    take_lock(run.folder)
    begin(run, ago=5)
    assert look(run).chunks.at_work == 0


# What it took, and why it failed.


def test_cost_says_how_many_jobs_it_knows_nothing_of(run):
    run.finish(job_of(run, "plan_chunks"), wall_seconds=3600, cpu_seconds=7200, peak_mb=2000)
    gone = job_of(run, "assemble_matrix")
    run.finish(gone)
    (run.folder / gone.log).unlink()
    run.log("logs/build_chunk/000000.log", "")
    run.log(
        "logs/build_chunk/000001.log",
        used(wall_seconds=1800, cpu_seconds=1800, peak_mb=1000) + "error: no\n",
    )
    cost = look(run).cost
    # The job, and the attempt that failed.
    assert cost.jobs == 2
    assert cost.cpu_hours == pytest.approx(2.5)
    assert cost.gb_hours == pytest.approx(2.5)
    # The job whose log is gone, the one that says nothing, and run.json, which has no log.
    assert cost.without_figures == 3


def test_the_newest_error_is_the_last(run):
    run.log("logs/fit_weights/local.log", "error: older\n", ago=50)
    run.log("logs/build_chunk/000001.log", "error: x.h5: broken; remove it\nTraceback\n", ago=9)
    run.finish(job_of(run, "plan_chunks"))
    error = look(run).last_error
    assert error.log == "logs/build_chunk/000001.log"
    assert error.message == "x.h5: broken; remove it"


def test_a_job_that_was_killed_said_nothing_and_that_is_said(run):
    begin(run)
    run.log("logs/build_chunk/000001.log", "")
    end(run, failed=["logs/build_chunk/000001.log"])
    error = look(run).last_error
    assert error.log == "logs/build_chunk/000001.log"
    assert "was it killed" in error.message


def test_a_summary_reads_no_logs(run, monkeypatch):
    run.finish_all()
    read = []
    own = LocalRuns.read
    monkeypatch.setattr(LocalRuns, "read", lambda *key: read.append(key[2]) or own(*key))
    found = look(run, with_logs=False)
    assert (found.cost, found.last_error, found.chunks) == (None, None, None)
    assert read == ["run.json"]
