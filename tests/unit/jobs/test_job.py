"""What surrounds a script's work."""

import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localcal.errors import InputError
from localcal.jobs import job
from localcal.jobs.job import announce_lock, refuse_without_lock, same_arithmetic
from tests.record import record, screen

PREAMBLE = "from localcal.jobs.job import logged\nfrom localcal.errors import InputError\n"
PREAMBLE += "from localcal.errors import OutOfMemory, OverLimit\n"


def command(tmp_path: Path, body: str) -> list[str]:
    """Write a script whose work is `body`, and return what runs it."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    script = tmp_path / "script.py"
    script.write_text(f"{PREAMBLE}with logged(r'{log(tmp_path)}'):\n{lines}")
    return [sys.executable, str(script)]


def run(tmp_path: Path, body: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a script whose work is `body`."""
    return subprocess.run(
        command(tmp_path, body),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def log(tmp_path: Path) -> Path:
    """Return the path of the script's log."""
    return tmp_path / "logs" / "build_chunk" / "000003.log"


def test_lines_and_warnings_go_to_log_and_terminal(tmp_path):
    body = "import logging, warnings\nlogging.getLogger('x').info('half')\nwarnings.warn('odd')"
    result = run(tmp_path, body)
    assert result.returncode == 0
    for text in (result.stderr, log(tmp_path).read_text()):
        assert "build_chunk/000003: half" in text
        assert "UserWarning: odd" in text


def test_what_the_logger_shows_is_only_in_the_log(tmp_path):
    body = (
        "import logging, warnings\nlogging.getLogger('x').info('half')\nwarnings.warn('odd')\n"
        "raise InputError('a.h5: broken')"
    )
    result = run(tmp_path, body, SNAKEMAKE_STAGES_SHOWN="1")
    assert result.returncode == 1
    assert "UserWarning: odd" in result.stderr
    assert "half" not in result.stderr and "broken" not in result.stderr
    assert "half" in log(tmp_path).read_text()
    assert log(tmp_path).read_text().endswith("error: a.h5: broken\n")


def test_on_a_terminal_a_line_leaves_nothing_of_what_was_there_before(tmp_path, capsys):
    # Above two lines of a display is where Snakemake's logger leaves the cursor.
    body = (
        "import logging, sys\n"
        f"sys.stderr.write({2 * ('-' * 99 + chr(10)) + chr(27) + '[2A'!r})\n"
        "sys.stderr.flush()\n"
        "for done in ('half', 'all'): logging.getLogger('x').info(done)"
    )
    assert record(tmp_path / "cast", command(tmp_path, body)) == 0
    capsys.readouterr()
    ends = [line.rpartition(": ")[2] for line in screen(tmp_path / "cast") if line]
    assert ends == ["half", "all"]
    assert "\x1b" not in log(tmp_path).read_text()


def test_what_the_user_can_mend_is_one_line_without_a_traceback(tmp_path):
    result = run(tmp_path, "raise InputError('a.h5: broken; remove it')")
    assert result.returncode == 1
    assert result.stderr == "error: a.h5: broken; remove it\n"
    used, reason = log(tmp_path).read_text().splitlines(keepends=True)
    assert "used {" in used
    assert reason == result.stderr


def test_a_message_of_several_lines_becomes_one(tmp_path):
    result = run(tmp_path, "raise InputError('a\\n  b')")
    assert result.stderr == "error: a b\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "raise MemoryError('12 GB')",
            "error: out of memory: build_chunk/000003: 12 GB; run fewer jobs at once, or ask for "
            "more: --set-resources RULE:mem_mb=...",
        ),
        ("raise OverLimit('it took 12 GB')", "000003: it took 12 GB; ask for more: --set-res"),
        ("raise OutOfMemory('killed; cut it')", "000003: killed; cut it; ask for more: --set-res"),
        ("import errno\nraise OSError(errno.ENOSPC, 'No space left')", "free some and run"),
    ],
)
def test_a_full_machine_is_one_line(tmp_path, body, message):
    result = run(tmp_path, body)
    assert result.returncode == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_programming_error_keeps_its_traceback(tmp_path):
    result = run(tmp_path, "[][1]")
    assert result.returncode == 1
    assert "error: list index out of range" in log(tmp_path).read_text()
    assert "Traceback" in log(tmp_path).read_text()
    assert result.stderr.count("Traceback") == 1


def test_linear_algebra_has_one_thread(tmp_path):
    body = "import os\nimport logging\nlogging.info(os.environ['OMP_NUM_THREADS'])"
    assert ": 1\n" in run(tmp_path, body, OMP_NUM_THREADS="8").stderr


@pytest.mark.skipif(
    platform.machine() != "x86_64" or " avx2 " not in Path("/proc/cpuinfo").read_text(),
    reason="the variables are for processors of this kind",
)
def test_a_newer_processor_computes_as_others_do(tmp_path):
    """Where it could do otherwise: what numpy would only do on some machines is off."""
    body = (
        "import logging\nimport numpy as np\nimport scipy.linalg\nimport threadpoolctl\n"
        "from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__\n"
        "on = [name for name in __cpu_dispatch__ if __cpu_features__[name]]\n"
        "blas = {info['architecture'] for info in threadpoolctl.threadpool_info()\n"
        "        if info['internal_api'] == 'openblas'}\n"
        "logging.info('%s %s', on, blas)"
    )
    result = run(tmp_path, body, OPENBLAS_CORETYPE="Nehalem", NPY_DISABLE_CPU_FEATURES="")
    assert "['X86_V3'] {'Haswell'}" in result.stderr


@pytest.mark.parametrize(
    ("machine", "flags", "set_"),
    [
        ("x86_64", "flags : fma avx2 rtm", True),
        ("x86_64", "flags : fma avx rtm", False),
        ("x86_64", None, True),
        ("aarch64", "Features : fp asimd", False),
    ],
)
def test_processors_that_lack_what_is_asked_for_are_let_alone(
    machine, flags, set_, tmp_path, monkeypatch
):
    if flags:
        (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr(job, "_PROCESSORS", tmp_path / "cpuinfo")
    monkeypatch.setattr(job.platform, "machine", lambda: machine)
    job._knows_avx2.cache_clear()
    assert ("OPENBLAS_CORETYPE" in same_arithmetic()) == set_
    job._knows_avx2.cache_clear()


def test_an_old_log_is_replaced(tmp_path):
    run(tmp_path, "raise InputError('first')")
    run(tmp_path, "pass")
    assert "first" not in log(tmp_path).read_text()


def test_the_last_line_says_what_the_work_took(tmp_path):
    run(tmp_path, "import logging\nlogging.info('half')")
    *_, before, last = log(tmp_path).read_text().splitlines()
    assert before.endswith("half")
    assert ": used {" in last


def test_failed_work_ends_with_its_error(tmp_path):
    run(tmp_path, "raise InputError('broken')")
    assert log(tmp_path).read_text().splitlines()[-1] == "error: broken"


PARENT = """
import subprocess, sys
from localcal.jobs.job import announce_coordinator
announce_coordinator()
child = subprocess.Popen({command}, stdout=subprocess.PIPE)
print(int(child.stdout.readline()), flush=True)
child.wait()
"""
CHILD = """
import os, time
from localcal.jobs.job import logged
with logged(r'{log}'):
    print(os.getpid(), flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("between", ["", "shell"])
def test_a_script_dies_with_its_coordinator(tmp_path, between):
    child = tmp_path / "child.py"
    child.write_text(CHILD.format(log=log(tmp_path)))
    command = [sys.executable, str(child)]
    if between:
        command = ["sh", "-c", f"{sys.executable} {child}; true"]
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(command=command)], stdout=subprocess.PIPE, text=True
    )
    script = int(parent.stdout.readline())
    assert is_alive(script)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    end = time.monotonic() + 20
    while is_alive(script) and time.monotonic() < end:
        time.sleep(0.1)
    assert not is_alive(script)


def is_alive(process: int) -> bool:
    """Say whether a process runs; one that is dead but not yet reaped does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_a_script_ends_when_another_coordinator_takes_its_run(tmp_path):
    lock = tmp_path / ".lock"
    lock.write_text("process 1 on a\n")
    child = tmp_path / "child.py"
    child.write_text(CHILD.format(log=log(tmp_path)))
    environment = {"LOCALCAL_LOCK": str(lock), "LOCALCAL_LOCK_HOLDER": "process 1 on a"}
    script = subprocess.Popen(
        [sys.executable, str(child)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    script.stdout.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        script.wait(timeout=3)
    lock.write_text("process 1 on b\n")
    _, errors = script.communicate(timeout=20)
    assert script.returncode == -signal.SIGKILL
    assert errors == "error: process 1 on b has taken this run over; this job ends\n"


def test_a_job_of_a_replaced_coordinator_is_refused(tmp_path, monkeypatch):
    for name in ("LOCALCAL_LOCK", "LOCALCAL_LOCK_HOLDER"):
        monkeypatch.setenv(name, "")  # so that what is announced is forgotten after the test
        monkeypatch.delenv(name)
    refuse_without_lock()
    lock = tmp_path / ".lock"
    lock.write_text("process 1 on a since today\n")
    announce_lock(lock)
    refuse_without_lock()
    lock.write_text("")
    with pytest.raises(InputError, match="process 1 on a since today, but now another process"):
        refuse_without_lock()
    lock.unlink()
    refuse_without_lock()


def test_a_script_that_finds_its_coordinator_dead_does_nothing(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    result = run(tmp_path, "print('worked')", LOCALCAL_COORDINATOR=str(gone.pid))
    assert result.returncode == -signal.SIGKILL
    assert "worked" not in result.stdout


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_a_log_that_is_a_link_is_replaced_and_what_it_names_stays(tmp_path, link):
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    log(tmp_path).parent.mkdir(parents=True)
    link(log(tmp_path), victim)
    run(tmp_path, "import logging\nlogging.getLogger('x').info('new')")
    assert "new" in log(tmp_path).read_text()
    assert victim.read_text() == "mine"


def test_no_log_line_and_no_traceback_shows_credentials(tmp_path):
    body = (
        "import logging\n"
        "address = 'https://user:s3cret@host/x'\n"
        "logging.getLogger('some.library').warning('retrying %s', address)\n"
        "raise RuntimeError(f'cannot reach {address}')"
    )
    result = run(
        tmp_path,
        body.replace(
            "'https://user:s3cret@host/x'",
            "'//'.join(('https:', ':'.join(('user', 's3' + 'cret')) + '@host/x'))",
        ),
    )
    shown = log(tmp_path).read_text() + result.stdout + result.stderr
    assert "Traceback" in shown
    assert "https://***@host/x" in shown
    assert "s3cret" not in shown
