"""Snakemake, started for a run that has a name: before the terminal, or without one.

Snakemake's own options are handed on as they are; of them only the config's `run_id` is looked at.
"""

import contextlib
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from localcal.errors import InputError, near, one_line
from localcal.files.limits import limit_of
from localcal.run.lock import LOCK_FILE, Holder, claim, holder_of, write_holder
from localcal.run.overrides import overrides
from localcal.run.start import refuse_foreign

RUNS = "runs"
LOGS = "logs"
LOG_FILE = f"{LOGS}/coordinator.log"
# What a run may be called, as the config's schema has it.
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
CONFIG_OPTIONS = ("--config", "-C")
# The executor that has a coordinator of its own, and what starts it.
MODAL = "modal"
COORDINATOR = "snakemake_executor_plugin_modal.coordinator"
HUB_TOKEN = "HF_TOKEN"
# Which Snakemake reads unless it is told another one.
WORKFLOW_PROFILE = "profiles/default"

# Snakemake needs some seconds to read the workflow, and longer where the first container is made.
_SECONDS_TO_BEGIN = 60.0
_SECONDS_BETWEEN_LOOKS = 0.1

# Commands that go on without this process, which Python would complain of if they were dropped.
_detached: list[subprocess.Popen[bytes]] = []


def values_of(arguments: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the values that the last of some equal options has, none without one.

    Args:
        arguments: a command line's, as Snakemake would read it.
        names: the option's names.
    """
    span = _span(arguments, names)
    if span is None:
        return []
    start, end = span
    _, joined, first = arguments[start].partition("=")
    return [*([first] if joined else []), *arguments[start + 1 : end]]


def with_values(arguments: Sequence[str], names: Sequence[str], added: Sequence[str]) -> list[str]:
    """Return a command line in which an option has more values than before.

    Given twice, only an option's last values would count.

    Args:
        arguments: the command line.
        names: the option's names.
        added: the values to add.
    """
    head = list(arguments)
    span = _span(arguments, names)
    if span is None:
        # At the end, where it swallows no target.
        end = head.index("--") if "--" in head else len(head)
        return [*head[:end], names[0], *added, *head[end:]]
    start, end = span
    return [*head[:start], names[0], *values_of(arguments, names), *added, *head[end:]]


def _span(arguments: Sequence[str], names: Sequence[str]) -> tuple[int, int] | None:
    """Return where the last of some equal options begins, and where its values end."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    starts = [i for i in range(end) if arguments[i].partition("=")[0] in names]
    if not starts:
        return None
    following = range(starts[-1] + 1, end)
    return starts[-1], next((i for i in following if arguments[i].startswith("-")), end)


def given_run_id(arguments: Sequence[str]) -> str | None:
    """Return the run id that follows --config, None without one."""
    given = [text.partition("=") for text in values_of(arguments, CONFIG_OPTIONS)]
    return next((value for name, _, value in reversed(given) if name == "run_id"), None)


def with_config(arguments: Sequence[str], added: Sequence[str]) -> list[str]:
    """Return a command line whose --config has more values than before.

    What a profile has under `config` counts only where the command line has no --config, so that
    it is handed on by name where there was none.

    Raises:
        InputError: a profile cannot be read.
    """
    names = {text.partition("=")[0] for text in added}
    kept = [text for text in config_of_profiles(arguments) if text.partition("=")[0] not in names]
    return with_values(arguments, CONFIG_OPTIONS, [*kept, *added])


def config_of_profiles(arguments: Sequence[str]) -> list[str]:
    """Return the values of --config that a profile gives, none where the command line has its own.

    Raises:
        InputError: a profile cannot be read.
    """
    if _span(arguments, CONFIG_OPTIONS) is not None:
        return []
    given = next((content["config"] for content in _profiles(arguments) if "config" in content), [])
    if isinstance(given, dict):
        return [f"{key}={_typed(value)}" for key, value in given.items()]
    return [str(text) for text in (given if isinstance(given, list) else [given])]


def _typed(value: object) -> str:
    """Return a value as it would be typed after --config; a number that is quoted stays a text."""
    if isinstance(value, str) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, default=str)


def _profiles(arguments: Sequence[str]) -> Iterator[dict[str, object]]:
    """Yield the profiles that Snakemake will read, the strongest first."""
    by_default = os.environ.get("SNAKEMAKE_PROFILE", "none")
    for option, default in (("--workflow-profile", WORKFLOW_PROFILE), ("--profile", by_default)):
        for name in values_of(arguments, [option]) or [default]:
            path = Path(name, "config.yaml")
            if not path.is_file():
                continue
            try:
                content = yaml.safe_load(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
                raise InputError(f"{path}: cannot be read ({one_line(error)})") from error
            if isinstance(content, dict):
                yield content


def check_run_id(text: str) -> str:
    """Return a run id as it is.

    Raises:
        InputError: nothing can be called that.
    """
    if RUN_ID.fullmatch(text):
        return text
    raise InputError(
        f"{text!r} is no run id; allowed: letters, digits, '.', '_' and '-', starting with a "
        "letter or digit, at most 100"
    )


def locks_of(run_id: str) -> Iterator[Path]:
    """Yield the folders in which a Snakemake of this machine may have the lock of a run."""
    yield Path(RUNS, run_id)
    # Of a run in a storage only the record is here, see rules/record.smk.
    for path in sorted(Path(".snakemake/localcal").glob(f"**/{RUNS}/{run_id}/{LOCK_FILE}")):
        yield path.parent


def snakemake_of(run_id: str) -> Holder | None:
    """Return the Snakemake that works on a run, None where none does or has begun to.

    Raises:
        InputError: the lock cannot be looked at.
    """
    return _first(locks_of(run_id))


def coordinator_of(run_id: str) -> Holder | None:
    """Return who works on a run: its Snakemake, or who is about to start it without a terminal.

    Raises:
        InputError: a lock cannot be looked at.
    """
    return _first([*locks_of(run_id), Path(RUNS, run_id, LOGS)])


def _first(folders: Iterable[Path]) -> Holder | None:
    return next((holder for holder in map(holder_of, folders) if holder is not None), None)


def refuse_coordinated(run_id: str) -> None:
    """Refuse to work on a run that another process works on.

    Raises:
        InputError: it says who does, how to follow it and how to stop it.
    """
    if (holder := coordinator_of(run_id)) is not None:
        raise InputError(
            f"{RUNS}/{run_id}: {holder.text} works on this run; follow it with `localcal status "
            f"{run_id} --watch`, or end it with `localcal stop {run_id}`"
        )


def executor_of(arguments: Sequence[str]) -> str | None:
    """Return the executor that a command line or its profile names; None where neither does."""
    if given := values_of(arguments, ["--executor", "-e"]):
        return given[0]
    found = (content["executor"] for content in _profiles(arguments) if "executor" in content)
    return next(map(str, found), None)


def is_here(arguments: Sequence[str]) -> bool:
    """Say whether a run's files are on this machine, and not in a storage of Snakemake's.

    Of a profile that is not in this folder nobody knows here.

    Raises:
        InputError: a profile cannot be read.
    """
    option = "default-storage-provider"
    if values_of(arguments, [f"--{option}"]):
        return False
    named = values_of(arguments, ["--profile"]) or [os.environ.get("SNAKEMAKE_PROFILE", "none")]
    known = all(name == "none" or Path(name, "config.yaml").is_file() for name in named)
    return known and not any(option in content for content in _profiles(arguments))


def start_on_modal(run_id: str, arguments: Sequence[str]) -> int:
    """Have Snakemake run in a container of Modal; return the exit status of whoever starts it.

    The plugin does that, in a process of its own: nothing here knows Modal. A token for downloads
    goes along, as it would be read here, and variables that override something.
    """
    names = [*([HUB_TOKEN] if HUB_TOKEN in os.environ else []), *overrides()]
    sent = ["--env", ",".join(names)] if names else []
    command = [sys.executable, "-m", COORDINATOR, "start", run_id, *sent, *arguments]
    return subprocess.run(command, check=False).returncode


def refuse_missing_configs(arguments: Sequence[str]) -> None:
    """Refuse configs that are not there, of which Snakemake only says where it looked for them.

    Raises:
        InputError: it names the first one.
    """
    for path in map(Path, values_of(arguments, ["--configfile", "--configfiles"])):
        if not path.is_file():
            known = [str(one) for one in path.parent.glob("*.y*ml")]
            raise InputError(f"--configfile {path}: no such file{near(str(path), known)}")


def snakemake(arguments: Sequence[str]) -> int:
    """Run Snakemake to its end and return its exit status, 128 and the signal where one ended it.

    Interrupted from the terminal, Snakemake is waited for; what would end this process ends it.

    Raises:
        InputError: a config is not there.
    """
    refuse_missing_configs(arguments)
    process: subprocess.Popen[bytes] | None = None

    def hand_on(number: int, _frame: object) -> None:
        # The terminal itself interrupts Snakemake.
        if process is not None and number != signal.SIGINT:
            process.send_signal(number)

    with _handled(hand_on, signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen([sys.executable, "-m", "snakemake", *arguments])
        status = process.wait()
    return status if status >= 0 else 128 - status


@contextlib.contextmanager
def _handled(
    handler: Callable[[int, object], None] | signal.Handlers, *numbers: signal.Signals
) -> Iterator[None]:
    """Treat signals another way for a while.

    A program that is started meanwhile has a signal's usual effect where `handler` is a function,
    whatever this process was started with, and ignores what is ignored here.
    """
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


class Ended(NamedTuple):
    """A command that was to go on without the terminal and has ended already."""

    status: int
    said: str


def detach(run_id: str, arguments: Sequence[str]) -> Ended | None:
    """Start a command for a run that this process, its terminal and its session may leave alone.

    Returns once the command works on the run, has ended, or was given a minute. What it writes is
    added to `runs/{run_id}/logs/coordinator.log`.

    Args:
        run_id: the run's.
        arguments: the command's arguments.

    Returns:
        Exit status and output where the command has ended already; None where it goes on.

    Raises:
        InputError: another process works on the run or begins to, a link leads out of it, or the
            disk is full.
    """
    folder = Path(RUNS, run_id)
    is_new = not folder.exists()
    refuse_foreign(folder)
    refuse_coordinated(run_id)
    # The command has it until it ends, Snakemake and its jobs do not.
    lock = claim(folder / LOGS)
    try:
        _note_holder(lock, folder if is_new else None)
        log = _open_log(folder / LOG_FILE)
        try:
            begin = os.fstat(log).st_size
            process = _started(arguments, log, lock)
        finally:
            os.close(log)
        write_holder(lock, process.pid)
    finally:
        os.close(lock)
    status = _begun(process, run_id)
    if status is None:
        _detached.append(process)
        return None
    said = (folder / LOG_FILE).read_bytes()[begin:].decode(errors="replace")
    if is_new:
        _forget(folder)
    return Ended(status, said)


def _note_holder(lock: int, new: Path | None) -> None:
    """Say who holds a lock before anything is started, which would go on if it cannot be said."""
    try:
        write_holder(lock, os.getpid())
    except InputError:
        if new is not None:
            _forget(new)
        raise


def _started(arguments: Sequence[str], log: int, lock: int) -> subprocess.Popen[bytes]:
    with (
        _handled(signal.SIG_IGN, signal.SIGHUP),
        _handled(lambda *_: None, signal.SIGINT, signal.SIGTERM),
    ):
        return subprocess.Popen(
            [sys.executable, "-m", "localcal.command", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock],
            start_new_session=True,
        )


def _begun(process: subprocess.Popen[bytes], run_id: str) -> int | None:
    """Wait until Snakemake works on a run or a command has ended; return its status if it has."""
    end = time.monotonic() + _SECONDS_TO_BEGIN
    while time.monotonic() < end and snakemake_of(run_id) is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_SECONDS_BETWEEN_LOOKS)
    return process.poll()


def _open_log(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            words = f"{path}: is a link, which nothing is written through; remove it"
            raise InputError(words) from error
        raise InputError(f"{path}: {limit_of(error) or one_line(error)}") from error


def _forget(folder: Path) -> None:
    """Remove the folder of a run that never began: one in which nothing was written but the log."""
    own = {folder / LOG_FILE, folder / LOGS / LOCK_FILE}
    if any(path not in own for path in folder.rglob("*") if not path.is_dir()):
        return
    with contextlib.suppress(OSError):
        (folder / LOG_FILE).unlink(missing_ok=True)
        (folder / LOGS / LOCK_FILE).unlink()
        (folder / LOGS).rmdir()
        folder.rmdir()


def stop(run_id: str, seconds: float) -> bool:
    """Ask the coordinator of a run to end, jobs included, and wait until it has.

    Args:
        run_id: the run's.
        seconds: how long to wait until it is asked once more, which a Snakemake understands that
            the shell has made deaf to interruptions, and again until it is killed.

    Returns:
        Whether there was one.

    Raises:
        InputError: it is on another machine, is somebody else's, or cannot be ended.
    """
    if coordinator_of(run_id) is None:
        return False
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        holder = coordinator_of(run_id)
        if holder is None:
            return True
        if holder.process is None or holder.host != socket.gethostname():
            raise InputError(
                f"{RUNS}/{run_id}: {holder.text} works on this run, which cannot be ended from "
                f"here; run `localcal stop {run_id}` there"
            )
        try:
            _signal(holder.process, number)
        except PermissionError as error:
            raise InputError(
                f"{RUNS}/{run_id}: {holder.text} belongs to another user, who has to end it"
            ) from error
        if _is_left(run_id, seconds):
            return True
    raise InputError(f"{RUNS}/{run_id}: its process does not end, not even killed; see `ps`")


def _signal(coordinator: int, number: signal.Signals) -> None:
    """Signal a coordinator; interrupt its jobs, too, as a terminal would.

    Interrupted, a job removes what it has half written; Snakemake would wait until it is done.
    """
    import psutil

    jobs: list[psutil.Process] = []
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        if number == signal.SIGINT:
            jobs = psutil.Process(coordinator).children(recursive=True)
            group = os.getpgid(coordinator)
        os.kill(coordinator, number)
    for job in jobs:
        # Those that lead a group of their own are meant to outlive an interruption.
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(job.pid) == group:
                job.send_signal(number)


def _is_left(run_id: str, seconds: float) -> bool:
    """Wait until nobody works on a run; say whether it has come to that."""
    end = time.monotonic() + seconds
    while coordinator_of(run_id) is not None:
        if time.monotonic() > end:
            return False
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return True
