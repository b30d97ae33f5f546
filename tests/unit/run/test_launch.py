"""Snakemake is started with what it was given, and ends as it is asked to.

What is started as `python -m snakemake` is a small stand-in of the test's.
"""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localcal.errors import InputError
from localcal.jobs.processes import is_alive
from localcal.run import launch
from localcal.run.launch import (
    CONFIG_OPTIONS,
    LOG_FILE,
    RUN_ID,
    check_run_id,
    coordinator_of,
    detach,
    executor_of,
    given_run_id,
    is_here,
    snakemake,
    snakemake_of,
    start_on_modal,
    stop,
    values_of,
    with_config,
    with_values,
)
from localcal.run.lock import Holder, holder_of, release_locks, take_lock
from localcal.run.sections import Config

RUN = Path("runs/x")

# Begins a job that removes what it has written if it is interrupted, and waits for it.
SNAKEMAKE = """
import os, signal, subprocess, sys, time
from pathlib import Path
from localcal.run.lock import take_lock
if "refuse" in sys.argv:
    sys.exit("error: no such option")
Path("arguments").write_text("\\n".join(sys.argv[1:]))
take_lock("runs/x")
print("begun", flush=True)
if "end" in sys.argv:
    sys.exit(3)
if "deaf" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Path("job.part").write_text("")
    time.sleep(600)
job = subprocess.Popen([sys.executable, "job.py"])
try:
    sys.exit(job.wait())
except KeyboardInterrupt:
    job.wait()
    sys.exit(1)
"""
JOB = """
import time
from pathlib import Path
part = Path("job.part")
try:
    part.write_text("half")
    while not Path("go").exists():
        time.sleep(0.02)
    part.rename("job.txt")
except KeyboardInterrupt:
    part.unlink(missing_ok=True)
    raise SystemExit(130)
"""
# What the launcher would be, without its words.
COMMAND = "from localcal.run.launch import snakemake; import sys; sys.exit(snakemake(sys.argv[1:]))"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder in which `python -m snakemake` is the stand-in."""
    monkeypatch.chdir(tmp_path)
    Path("snakemake.py").write_text(SNAKEMAKE)
    Path("job.py").write_text(JOB)
    Path("go").write_text("")
    yield tmp_path
    # Whatever has failed, nothing goes on.
    Path("go").write_text("")
    release_locks()


def until(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("typed", "values", "added"),
    [
        ("", "", "--config a=1"),
        ("-n x.h5", "", "-n x.h5 --config a=1"),
        ("-n -- x.h5", "", "-n --config a=1 -- x.h5"),
        ("-n -- --config b=2", "", "-n --config a=1 -- --config b=2"),
        ("--config b=2 -n", "b=2", "--config b=2 a=1 -n"),
        ("--config b=2 c=3", "b=2 c=3", "--config b=2 c=3 a=1"),
        ("-C b=2 -- x.h5", "b=2", "--config b=2 a=1 -- x.h5"),
        ("--config=b=2 -n", "b=2", "--config b=2 a=1 -n"),
        ("--config b=2 --config c=3 -n", "c=3", "--config b=2 --config c=3 a=1 -n"),
        ("--configfile b.yaml", "", "--configfile b.yaml --config a=1"),
        ("--config -n", "", "--config a=1 -n"),
    ],
)
def test_values_are_added_to_those_that_count(typed, values, added):
    arguments = typed.split()
    assert values_of(arguments, CONFIG_OPTIONS) == values.split()
    assert with_values(arguments, CONFIG_OPTIONS, ["a=1"]) == added.split()
    assert arguments == typed.split()


def test_the_executor_is_the_options_or_the_profiles(folder, monkeypatch):
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    Path("there").mkdir()
    Path("there/config.yaml").write_text("executor: modal\n")
    assert executor_of(["--profile", "there", "--config", "a=1"]) == "modal"
    assert executor_of(["--profile", "there", "--executor", "slurm"]) == "slurm"
    assert executor_of(["--profile", "absent"]) is None
    assert executor_of(["--cores", "2"]) is None
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "there")
    assert executor_of(["--cores", "2"]) == "modal"


@pytest.mark.parametrize(
    ("profile", "typed", "told"),
    [
        ("config: [seed=1, period=2025]", "", "seed=1 period=2025 run_id=x"),
        (
            "config: {seed: 1, period: '2025', a: {b: null}}",
            "",
            'seed=1 period="2025" a={"b": null}',
        ),
        # On the command line as with Snakemake itself: then a profile's do not count.
        ("config: [seed=1]", "--config period=2025", "period=2025 run_id=x"),
        ("config: [run_id=other, seed=1]", "", "seed=1 run_id=x"),
        ("cores: 2", "", "run_id=x"),
    ],
)
def test_what_a_profile_configures_is_not_lost(folder, monkeypatch, profile, typed, told):
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    Path("there").mkdir()
    Path("there/config.yaml").write_text(profile)
    arguments = ["--profile", "there", *typed.split()]
    made = with_config(arguments, ["run_id=x"])
    assert " ".join(values_of(made, CONFIG_OPTIONS)).startswith(told)
    assert values_of(made, CONFIG_OPTIONS)[-1] == "run_id=x"
    # The workflow's own is the stronger one.
    Path("profiles/default").mkdir(parents=True)
    Path("profiles/default/config.yaml").write_text("config: [seed=9]\n")
    mine = [] if typed else ["seed=9"]
    assert values_of(with_config(arguments, ["run_id=x"]), CONFIG_OPTIONS)[:-1] == mine or typed


def test_a_run_is_here_unless_a_profile_has_it_in_a_storage(folder, monkeypatch):
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    for name, content in (("local", "cores: 2"), ("far", "default-storage-provider: modal")):
        Path(name).mkdir()
        Path(name, "config.yaml").write_text(content)
    assert is_here(["-n"]) and is_here(["--profile", "local"])
    assert not is_here(["--profile", "far"])
    assert not is_here(["--default-storage-provider", "s3"])
    # It may be in a folder of the user's.
    assert not is_here(["--profile", "unknown"])
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "local")
    assert is_here([])
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "far")
    assert not is_here([])


def test_a_damaged_profile_is_named(folder):
    Path("there").mkdir()
    Path("there/config.yaml").write_text("a: [")
    with pytest.raises(InputError, match=r"^there/config\.yaml: cannot be read"):
        executor_of(["--profile", "there"])


def test_a_config_that_is_not_there_is_named(folder):
    Path("mine.yaml").write_text("")
    with pytest.raises(InputError, match=r"^--configfile mne\.yaml: no such file \(did you mean m"):
        snakemake(["--configfile", "mine.yaml", "mne.yaml", "-n"])


def test_a_coordinator_on_modal_gets_the_run_its_arguments_and_variables(folder, monkeypatch):
    monkeypatch.setattr(launch, "COORDINATOR", "coordinator")
    Path("coordinator.py").write_text("import sys; print(*sys.argv[1:], file=open('said', 'w'))")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert start_on_modal("x", ["--profile", "modal"]) == 0
    assert Path("said").read_text() == "start x --profile modal\n"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    start_on_modal("x", ["--profile", "modal"])
    assert Path("said").read_text() == "start x --env HF_TOKEN --profile modal\n"
    monkeypatch.setenv("LOCALCAL_SWEEP_BATCH_SIZE", "3")
    start_on_modal("x", ["-n"])
    names = "HF_TOKEN,LOCALCAL_SWEEP_BATCH_SIZE"
    assert Path("said").read_text() == f"start x --env {names} -n\n"


def test_the_run_id_is_what_follows_config_as_typed():
    assert given_run_id(["--config", "seed=1", "run_id=2026_04_25", "-n"]) == "2026_04_25"
    assert given_run_id(["--config", "run_id=a", "run_id=b"]) == "b"
    assert given_run_id(["--config", "seed=1", "--", "run_id=a"]) is None
    assert given_run_id([]) is None


@pytest.mark.parametrize("text", ["", "../x", "a/b", ".x", "-n", "x y", "x\n", "x" * 101])
def test_what_is_no_run_id_is_refused(text):
    with pytest.raises(InputError, match="is no run id; allowed: letters"):
        check_run_id(text)


def test_a_run_id_is_what_the_config_allows():
    rule = Config.model_json_schema()["properties"]["run_id"]
    assert rule["pattern"].strip("^$") == RUN_ID.pattern.replace("{0,99}", "*")
    assert rule["maxLength"] == 100
    assert check_run_id("x" * 100) == "x" * 100


def test_snakemake_gets_every_argument_and_its_status_is_ours():
    arguments = ["end", "--config", "matrix={chunk_columns: 5}", "", "-j4", "--", "x.h5"]
    assert snakemake(arguments) == 3
    assert Path("arguments").read_text().split("\n") == arguments
    assert snakemake(["refuse"]) == 1


def test_a_snakemake_that_was_killed_has_a_status_too(folder):
    Path("snakemake.py").write_text("import os; os.kill(os.getpid(), 9)")
    assert snakemake([]) == 137


def test_an_interrupted_terminal_interrupts_snakemake_and_waits_for_it():
    Path("go").unlink()
    # A shell makes what it starts in the background deaf to interruptions.
    deaf = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    process = subprocess.Popen([sys.executable, "-c", deaf + COMMAND], start_new_session=True)
    until(Path("job.part").exists)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 1
    assert not Path("job.part").exists()
    assert coordinator_of("x") is None


def test_what_ends_the_launcher_ends_snakemake():
    Path("go").unlink()
    process = subprocess.Popen([sys.executable, "-c", COMMAND])
    until(Path("job.part").exists)
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM
    assert coordinator_of("x") is None
    Path("go").write_text("")


def start(*arguments: str) -> int:
    """Begin a run without the terminal; return the process that works on it."""
    assert detach("x", ["run", "--config", "run_id=x", *arguments]) is None
    holder = coordinator_of("x")
    assert holder.text == Path(RUN, ".lock").read_text().strip()
    assert holder.host == socket.gethostname()
    return holder.process


def test_a_detached_run_is_of_another_session_and_goes_on():
    Path("go").unlink()
    process = start()
    assert os.getsid(process) not in (os.getsid(0), process)
    # Nobody's terminal can end it.
    os.kill(os.getsid(process), signal.SIGHUP)
    Path("go").write_text("")
    until(lambda: coordinator_of("x") is None)
    assert Path("job.txt").exists()
    until(lambda: "ended with status 0" in (RUN / LOG_FILE).read_text())
    assert (RUN / LOG_FILE).read_text().startswith("run x\nbegun\n")


def test_a_command_that_ends_at_once_is_told_and_forgotten():
    ended = detach("x", ["run", "--config", "run_id=x", "refuse"])
    assert ended.status == 1
    assert "error: no such option\n" in ended.said
    assert not RUN.exists()


def test_what_was_there_before_a_refused_start_stays():
    (RUN / LOG_FILE).parent.mkdir(parents=True)
    (RUN / LOG_FILE).write_text("earlier\n")
    ended = detach("x", ["run", "--config", "run_id=x", "refuse"])
    assert "earlier" not in ended.said
    assert (RUN / LOG_FILE).read_text() == "earlier\n" + ended.said


def test_on_a_full_disk_nothing_is_started_that_would_go_on(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(launch, "_started", lambda *_: pytest.fail("started"))
    with pytest.raises(InputError, match=r"^the run's \.lock: ") as caught:
        detach("x", ["run", "--config", "run_id=x"])
    assert "\n" not in str(caught.value)
    assert not RUN.exists()


def test_a_run_that_another_process_works_on_is_refused():
    Path("go").unlink()
    process = start()
    with pytest.raises(InputError, match=rf"runs/x: process {process} on .*localcal stop x"):
        detach("x", ["run"])
    assert stop("x", 10)


def test_of_two_that_begin_at_a_time_one_is_refused():
    Path("go").unlink()
    begin = "import sys; from localcal.run.launch import detach; detach('x', sys.argv[1:])"
    command = [sys.executable, "-c", begin, "run", "--config", "run_id=x"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=60)[1] for process in both]
    (refused,) = [text for text in errors if text]
    assert "works on this run" in refused
    assert stop("x", 30)
    assert (RUN / LOG_FILE).read_text().count("begun") == 1


def test_one_that_has_not_begun_yet_is_stopped_and_keeps_others_out(monkeypatch):
    slow = "import time\nfrom pathlib import Path\nPath('slow').touch()\ntime.sleep(600)\n"
    Path("snakemake.py").write_text(slow)
    monkeypatch.setattr(launch, "_SECONDS_TO_BEGIN", 0.5)
    assert detach("x", ["run", "--config", "run_id=x"]) is None
    until(Path("slow").exists)
    assert snakemake_of("x") is None
    with pytest.raises(InputError, match=r"runs/x: process .* works on this run"):
        detach("x", ["run", "--config", "run_id=x"])
    assert stop("x", 30)
    assert "ended with status" in (RUN / LOG_FILE).read_text()


def test_what_leads_a_group_of_its_own_is_not_interrupted():
    parent = """
import subprocess, sys, time
from pathlib import Path
wait = [sys.executable, "-c", "import time; time.sleep(600)"]
jobs = [subprocess.Popen(wait, start_new_session=own) for own in (False, True)]
Path("children").write_text(" ".join(str(job.pid) for job in jobs))
Path("ready").touch()
time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", parent], stderr=subprocess.DEVNULL)
    until(Path("ready").exists)
    time.sleep(0.2)
    job, other = map(int, Path("children").read_text().split())
    launch._signal(process.pid, signal.SIGINT)
    assert process.wait(30) != 0
    until(lambda: not is_alive(job))
    assert is_alive(other)
    os.kill(other, signal.SIGKILL)


@pytest.mark.parametrize("name", [LOG_FILE, "logs", "logs/.lock"])
def test_nothing_is_written_through_a_link_out_of_the_run(folder, name):
    (RUN / name).parent.mkdir(parents=True)
    Path("victim").mkdir()
    (RUN / name).symlink_to(folder / ("victim" if name == "logs" else "victim/mine"))
    with pytest.raises(InputError, match=rf"^runs/x/{name}: is a link to .*; remove it"):
        detach("x", ["run"])
    assert list(Path("victim").iterdir()) == []


def test_what_a_start_has_written_is_kept_although_it_ended_at_once():
    ended = detach("x", ["run", "--config", "run_id=x", "end"])
    if ended is not None:
        assert ended.status == 3
    until(lambda: coordinator_of("x") is None)
    assert (
        (RUN / LOG_FILE)
        .read_text()
        .endswith(
            "Snakemake ended with status 3; `localcal run "
            "--resume x` with the same options goes on\n"
        )
    )


def test_a_stopped_run_leaves_nothing_half_written():
    Path("go").unlink()
    process = start()
    until(Path("job.part").exists)
    assert stop("x", 30)
    assert not Path("job.part").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert not stop("x", 30)


def test_a_snakemake_that_is_deaf_to_interruptions_is_stopped_too():
    Path("go").unlink()
    start("deaf")
    until(Path("job.part").exists)
    assert stop("x", 0.5)
    assert coordinator_of("x") is None


def test_a_run_of_another_machine_is_not_stopped_from_here(monkeypatch):
    elsewhere = Holder("process 1 on elsewhere since now", 1, "elsewhere")
    monkeypatch.setattr(launch, "coordinator_of", lambda run_id: elsewhere)
    with pytest.raises(InputError, match="process 1 on elsewhere .* run `localcal stop x` there"):
        stop("x", 1)


def test_a_process_of_another_user_is_named(monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    mine = Holder("process 1 on here since now", 1, socket.gethostname())
    monkeypatch.setattr(launch, "coordinator_of", lambda run_id: mine)
    monkeypatch.setattr(launch, "_signal", refuse)
    with pytest.raises(InputError, match="process 1 on here .* belongs to another user"):
        stop("x", 1)


def test_the_lock_of_a_run_in_a_storage_is_found():
    folder = Path(".snakemake/localcal/modal/localcal/runs/x")
    take_lock(folder)
    script = "from localcal.run.launch import coordinator_of as c; print(c('x').process, c('y'))"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert said.stdout.split() == [str(os.getpid()), "None"]
    assert holder_of(folder).process == os.getpid()
