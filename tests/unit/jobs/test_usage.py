"""What a job says it took, against what it did."""

import os
import re
import subprocess
import sys
import time

import psutil
import pytest

from localcal.errors import InputError
from localcal.jobs.usage import LINE, Usage, UsageCounter, read_usage, usage_in, usage_of_failed
from tests.served_work import ENGINE, REPOSITORY

JOB = "from localcal.jobs.job import logged\nwith logged(r'{log}'):\n{lines}"
BURN = "import time\nwhile time.process_time() < {seconds}: pass"


@pytest.fixture
def usage(tmp_path):
    """Return a function that runs a job whose work is some lines, and reads what it took."""

    def run(body: str) -> Usage:
        log = tmp_path / "logs/some_rule/CA.log"
        script = tmp_path / "script.py"
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        script.write_text(JOB.format(log=log, lines=lines))
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)}
        subprocess.run([sys.executable, str(script)], env=environment, check=True, timeout=60)
        return read_usage(log)

    return run


def test_work_and_the_start_of_python_count(usage):
    idle = usage("pass")
    assert 0 < idle.cpu_seconds < 1
    busy = usage(BURN.format(seconds=1.5))
    assert 1.5 <= busy.cpu_seconds < 2.5
    assert busy.wall_seconds >= 1.5
    assert busy.warm_cpu_seconds == 0


def test_time_counts_from_the_start_of_the_process(monkeypatch, caplog):
    monkeypatch.setattr(time, "process_time", lambda: 2.0)
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    counter = UsageCounter()
    monkeypatch.setattr(time, "monotonic", lambda: 103.0)
    with caplog.at_level("INFO"):
        counter.log()
    assert '"wall_seconds": 5.0' in caplog.text


def test_memory_is_the_jobs_own(usage):
    # The kernel's ru_maxrss of a process begins with that of the one that started it.
    burden = bytearray(b"x") * (500 * 10**6)
    assert psutil.Process().memory_info().rss > len(burden)
    assert usage("pass").peak_mb < 200
    assert 300 < usage("held = b'x' * 300_000_000").peak_mb < 500


def test_processes_that_a_job_waits_for_count(usage):
    body = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])"
    assert usage(body.replace("{seconds}", "1.5")).cpu_seconds >= 1.5


def test_work_in_the_warm_process_counts(usage):
    call = f"from localcal.engine.client import run_with_engine\nrun_with_engine({ENGINE!r}, "
    found = usage(call + "'tests.served_work:toil', seconds=1.0, megabytes=400)")
    assert 1.0 <= found.warm_cpu_seconds < 2.0
    assert found.cpu_seconds > found.warm_cpu_seconds
    # Both processes, each some dozens of MB without the work.
    assert 430 < found.peak_mb < 900


def test_a_log_without_it_is_refused(tmp_path):
    log = tmp_path / "CA.log"
    for text in ("", "error: a.h5: damaged\n", "12:00:00 some_rule/CA: half\n"):
        log.write_text(text)
        with pytest.raises(InputError, match="does not end with what the job used"):
            read_usage(log)


def test_the_record_is_one_line_of_json(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(JOB.format(log=tmp_path / "a.log", lines="    pass\n"))
    subprocess.run([sys.executable, str(script)], check=True, timeout=60)
    (line,) = (tmp_path / "a.log").read_text().splitlines()
    assert LINE.match(line)
    assert re.fullmatch(r'\S+ a: used \{"wall_seconds": [\d.]+, .*"peak_mb": \d+\}', line)


def test_what_a_failed_job_took_is_in_its_log_before_the_reason():
    line = '10:00:00 rule/CA: used {"wall_seconds": 1, "cpu_seconds": 2, "warm_cpu_seconds": 0, '
    text = f'{line}"peak_mb": 3}}\nerror: no\n'
    assert usage_in(text) is None
    assert usage_of_failed(text) == Usage(1, 2, 0, 3)
    assert usage_of_failed("error: no\n") is None


def test_a_line_of_another_version_or_cut_says_nothing():
    assert usage_in('10:00:00 rule/CA: used {"wall_seconds": 1}\n') is None
    assert usage_in('10:00:00 rule/CA: used {"wall_seconds": 1}}\n') is None
    assert usage_in("") is None
