"""When a run was worked on, and how that ended."""

from localcal.run.sessions import (
    SESSIONS_FILE,
    failed_logs,
    parse_sessions,
    record_begin,
    record_end,
)

HOLDER = "process 1 on here since 2027-01-15T07:00:00+00:00"


def read(folder):
    return parse_sessions((folder / SESSIONS_FILE).read_text())


def test_a_session_is_open_until_it_ends(tmp_path):
    record_begin(tmp_path, HOLDER, 12)
    [session], damaged = read(tmp_path)
    assert (session.holder, session.jobs) == (HOLDER, 12)
    assert session.ended is None and session.outcome is None
    record_end(tmp_path, HOLDER, succeeded=True, failed=[])
    [session], damaged = read(tmp_path)
    assert session.outcome == "succeeded"
    assert session.ended >= session.begun
    assert damaged == []


def test_one_that_was_killed_is_followed_by_the_next(tmp_path):
    record_begin(tmp_path, HOLDER, 12)
    record_begin(tmp_path, "process 2", 7)
    record_end(tmp_path, "process 2", succeeded=False, failed=["logs/b.log", "logs/a.log"])
    first, second = read(tmp_path)[0]
    assert first.outcome is None
    assert second.outcome == "failed"
    assert second.failed == ("logs/a.log", "logs/b.log")


def test_an_end_without_a_failed_job_was_a_wish(tmp_path):
    record_begin(tmp_path, HOLDER, 1)
    record_end(tmp_path, HOLDER, succeeded=False, failed=[])
    assert read(tmp_path)[0][0].outcome == "stopped"


def test_a_damaged_line_hides_no_other_and_keeps_nobody_from_working(tmp_path):
    record_begin(tmp_path, HOLDER, 1)
    path = tmp_path / SESSIONS_FILE
    path.write_text(path.read_text().replace("begun", "bogus") + '{"cut')
    record_begin(tmp_path, "process 2", None)
    sessions, damaged = read(tmp_path)
    assert [session.holder for session in sessions] == ["process 2"]
    assert damaged == [1, 2]


def test_the_end_of_a_session_whose_beginning_is_lost_is_nobody_elses(tmp_path):
    record_begin(tmp_path, HOLDER, 1)
    record_end(tmp_path, "process 2", succeeded=True, failed=[])
    assert read(tmp_path)[0][0].outcome is None


def test_logs_are_named_as_they_are_below_the_runs_folder():
    paths = ["runs/x/logs/fit/local.log", "fs/runs/x/logs/a/b/c.log", "elsewhere.log"]
    assert list(failed_logs(paths)) == ["logs/fit/local.log", "logs/a/b/c.log"]
