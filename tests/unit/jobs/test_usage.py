"""What a job says it took, against what it did."""

import json
import os
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from localcal import timing
from localcal.errors import InputError
from localcal.jobs import usage as usages
from localcal.jobs.usage import (
    LINE,
    Asked,
    Usage,
    UsageCounter,
    correct,
    read_usage,
    throttled_seconds,
    usage_in,
    usage_of_failed,
)
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
    # The first one loads what the next one finds.
    assert found.start == "cold" and found.phases["load"] > 0
    assert found.handed_bytes > 100
    assert sum(found.phases.values()) <= found.wall_seconds


def test_a_job_says_what_is_known_of_it_and_nothing_of_what_is_not(usage, monkeypatch):
    monkeypatch.setenv("MODAL_TASK_ID", "ta-01")
    before = time.time()
    found = usage("pass")
    assert before - 1 <= found.begun <= time.time()
    assert found.worker == "ta-01"
    assert found.phases.keys() == {"import"}
    unknown = (found.attempt, found.asked_mb, found.start, found.read_bytes, found.made_bytes)
    assert (*unknown, found.handed_bytes) == (None,) * 6


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
    assert re.fullmatch(r'\S+ a: used \{"wall_seconds": [\d.]+, .*"peak_mb": \d+, .*\}', line)


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


def test_what_a_later_version_says_more_is_passed_over():
    line = '10:00:00 rule/CA: used {"wall_seconds": 1, "cpu_seconds": 2, "warm_cpu_seconds": 0, '
    assert usage_in(f'{line}"peak_mb": 3, "colour": "red"}}\n') == Usage(1, 2, 0, 3)


def test_simulations_and_what_is_made_of_them_have_a_line_each(caplog, monkeypatch):
    monkeypatch.setenv("MODAL_TASK_ID", "ta-01")
    counter = UsageCounter(Asked(run_id="demo"))
    figures = timing.figures()
    figures.simulated = [timing.Simulated("abc", 42, 1.2345), timing.Simulated("d", None, 0.001)]
    figures.aggregated = [timing.Aggregated("cost", 10, 15, 2_340_000, 156_200, 0.5678)]
    with caplog.at_level("INFO"):
        counter.log_timings()
    # As the document that asked for them has them.
    assert caplog.messages == [
        "SIM_TIMING: param_id=abc seed=42 duration_ms=1234.5 worker=ta-01",
        "SIM_TIMING: param_id=d seed=- duration_ms=1.0 worker=ta-01",
        "AGG_TIMING: run_id=demo target=cost n_sim_returns=10 n_outputs=15 total_inline_mb=2.340 "
        "max_single_kb=156.2 duration_ms=567.8 worker=ta-01",
    ]


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/job\n", {"job/cpu.stat": "nr_throttled 4\nthrottled_usec 2500000\n"}, 2.5),
        # As a container sees it, whose own group is the root.
        ("0::/outside/name\n", {"cpu.stat": "throttled_usec 500000\n"}, 0.5),
        ("3:cpu,cpuacct:/job\n", {"cpu/job/cpu.stat": "throttled_time 1500000000\n"}, 1.5),
        ("4:memory:/job\n", {"cpu/job/cpu.stat": "throttled_time 1\n"}, None),
        ("0::/\n", {"cpu.stat": "usage_usec 1\n"}, None),
        ("0::/\n", {}, None),
    ],
)
def test_the_kernel_says_for_how_long_a_job_was_kept_from_the_processor(
    tmp_path, monkeypatch, groups, files, expected
):
    (tmp_path / "groups").write_text(groups)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(usages, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(usages, "CGROUP_FOLDER", tmp_path)
    assert throttled_seconds() == expected


def benchmark(**measured):
    """Return a record such as Snakemake's, of a script that took 50 MB."""
    memory = dict.fromkeys(("max_rss", "max_vms", "max_uss", "max_pss"), 50.0)
    rest = {"io_in": 1.0, "io_out": 2.0, "cpu_time": 0.4, "cpu_usage": 10.0}
    return SimpleNamespace(**(memory | rest | {"data_collected": True} | measured))


def line(**more):
    known = {"wall_seconds": 8.2, "cpu_seconds": 7.5, "warm_cpu_seconds": 7.1, "peak_mb": 1471}
    return f"10:00:00 rule/CA: used {json.dumps(known | more)}\n"


def test_a_benchmark_of_a_warm_job_holds_the_job_and_no_figure_of_the_script_alone():
    record = benchmark()
    correct(record, line(handed_bytes=300))
    assert record.max_rss == pytest.approx(1471 * 10**6 / 2**20)
    assert (record.cpu_time, record.cpu_usage) == (7.5, 750)
    alone = (record.max_vms, record.max_uss, record.max_pss, record.io_in, record.io_out)
    assert alone == (None,) * 5


def test_a_benchmark_of_a_job_by_itself_keeps_what_was_measured():
    record = benchmark()
    correct(record, line())
    assert (record.max_vms, record.io_out) == (50.0, 2.0)
    # Done before Snakemake looked at it.
    record = benchmark(data_collected=False, max_vms=None)
    correct(record, line())
    assert record.data_collected and record.max_rss > 1000 and record.max_vms is None


def test_a_benchmark_of_a_job_that_says_nothing_is_as_it_was():
    record = benchmark()
    correct(record, "10:00:00 rule/CA: half\n")
    assert vars(record) == vars(benchmark())
