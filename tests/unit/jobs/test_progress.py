"""Log lines about long work."""

import re

from localcal.jobs import progress
from localcal.jobs.progress import Progress


def test_a_line_comes_when_one_is_due_and_when_the_work_is_complete(caplog, monkeypatch):
    caplog.set_level("INFO")
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    work = Progress("columns", 10)
    seen = []
    for count, seconds in ((2, 1.0), (3, 5.0), (1, 1.0), (4, 1.0)):
        now[0] += seconds
        work.advance(count)
        seen.append(len(caplog.messages))
    # The second is due after six seconds; the third one is not; the last completes the work.
    assert seen == [0, 1, 1, 2]
    assert re.fullmatch(r"columns: 5/10, 0\.833/s, 6 s left, \d+ MB", caplog.messages[0])
    assert re.fullmatch(r"columns: 10/10, 1\.25/s, 0 s left, \d+ MB", caplog.messages[1])


def test_a_large_rate_is_written_out(caplog, monkeypatch):
    caplog.set_level("INFO")
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    for count in (999, 1000, 1_234_567):
        work = Progress("entries", count)
        now[0] += 1.0
        work.advance(count)
    rates = [message.split(", ")[1] for message in caplog.messages]
    assert rates == ["999/s", "1000/s", "1234567/s"]
