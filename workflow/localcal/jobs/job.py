"""What surrounds the work of every script: its log, its end with Snakemake, and clear errors."""

import contextlib
import functools
import json
import logging
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from localcal.errors import InputError, OutOfMemory, OverLimit, without_secrets
from localcal.files.limits import limit_of
from localcal.files.made import record_outputs, refuse_changed_inputs
from localcal.files.origins import compared
from localcal.jobs.processes import die_with_parent, is_alive
from localcal.jobs.usage import Asked, UsageCounter
from localcal.timing import CHECK, counting_imports, phase

logger = logging.getLogger(__name__)

# The process that parsed the workflow; it tells the scripts it starts. A job that a scheduler runs
# on another machine inherits a number that means nothing there, but parses the workflow again.
COORDINATOR_VARIABLE = "LOCALCAL_COORDINATOR"
# A process that outlives Snakemake and for whose sake warm processes are kept, see `keep_warm`.
KEEPER_VARIABLE = "LOCALCAL_KEEPER"
# The run's lock file and what it says while the coordinator of this job holds it; unlike process
# numbers they mean the same on every machine that shares the files.
LOCK_VARIABLE = "LOCALCAL_LOCK"
HOLDER_VARIABLE = "LOCALCAL_LOCK_HOLDER"

# Jobs run side by side, one thread each; and sums only come out the same on every machine where
# linear algebra does not divide them by the number of cores.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

# Nor may it choose the order of sums by the kind of processor, as numpy may not choose how powers,
# exponentials and logarithms are approximated: all do as any with AVX2 can, which Intel's have
# known since 2013 and AMD's since 2017.
PROCESSOR_VARIABLES = {
    "OPENBLAS_CORETYPE": "Haswell",
    "MKL_CBWR": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
_PROCESSORS = Path("/proc/cpuinfo")

# What rules call the records of what they read and make.
RECORDS = "made"

# What a job read and made, by path below the run's folder, with bytes.
FILES = "files %s"

# What has a terminal erase the rest of the line.
ERASE_REST = "\x1b[K"
# Set where Snakemake's logger shows how far stages are and why jobs failed.
STAGES_VARIABLE = "SNAKEMAKE_STAGES_SHOWN"
# Of a record: a terminal never shows it.
QUIET = "only_in_log"
ONLY_IN_LOG = {QUIET: True}

_SECONDS_BETWEEN_LOOKS = 1.0


class Named(Protocol):
    """Files by name, as Snakemake hands them to scripts."""

    def __iter__(self) -> Iterator[str]:
        """Return all files."""

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return names and files."""


class Task(Protocol):
    """What Snakemake hands to a script."""

    rule: str
    input: Named
    output: Named
    params: Named
    resources: Any
    log: Sequence[str]
    wildcards: Any


@contextlib.contextmanager
def job(task: Task) -> Iterator[None]:
    """Run a script's work on files that are what was made, and record what it makes.

    Import heavy modules inside, so that they see how they are to compute and that their warnings
    and errors reach the log.

    Args:
        task: what Snakemake hands to the script.

    Raises:
        SystemExit: as `logged` says; also where a file that the script reads is damaged.
    """
    run = f"runs/{task.wildcards.run_id}"
    asked = asked_of(task)
    with logged(task.log[0], more_memory(task), asked):
        with phase(CHECK):
            inputs = refuse_changed_inputs(task.input, run)
        read = _sizes(inputs, run)
        asked.read_bytes = sum(read.values())
        with compared(inputs), counting_imports():
            yield
        with phase(CHECK):
            record_outputs(task.output, run, task.rule, dict(task.params.items()), inputs)
        made = _sizes((path for name, path in _single(task.output) if name != RECORDS), run)
        asked.made_bytes = sum(made.values())
        logger.info(FILES, json.dumps({"read": read, "made": made}), extra=ONLY_IN_LOG)


def asked_of(task: Task) -> Asked:
    """Return what is known of a job before it begins."""
    resources = getattr(task, "resources", None)
    numbers = {
        name: value
        for name in ("attempt", "mem_mb")
        if isinstance(value := getattr(resources, name, None), int)
    }
    return Asked(task.wildcards.run_id, numbers.get("attempt"), numbers.get("mem_mb"))


def _single(named: Named) -> Iterator[tuple[str, str]]:
    """Yield the files that a script's output names, one after the other, with their names."""
    for name, files in named.items():
        yield from ((name, str(file)) for file in ([files] if isinstance(files, str) else files))


def _sizes(files: Iterable[str], run: str) -> dict[str, int]:
    """Return the sizes of files of the run, by their paths below its folder."""
    paths = {path.rpartition(f"{run}/")[2]: Path(path) for path in files}
    # Of a folder, what is in it is not counted here.
    return {name: path.stat().st_size for name, path in paths.items() if path.is_file()}


def more_memory(task: Task) -> str:
    """Return what gives a job more memory, as Snakemake is told."""
    asked = getattr(getattr(task, "resources", None), "mem_mb", None)
    if not isinstance(asked, int):
        return f"--set-resources {task.rule}:mem_mb=..."
    return f"--set-resources {task.rule}:mem_mb={2 * asked} (now {asked})"


@contextlib.contextmanager
def logged(
    log_path: str | Path,
    remedy: str = "--set-resources RULE:mem_mb=...",
    asked: Asked | None = None,
) -> Iterator[None]:
    """Run some work: logged, the same on any machine, never outliving Snakemake.

    Args:
        log_path: the job's log file; the same lines go to the terminal, or only warnings where
            Snakemake's logger shows the rest.
        remedy: what gives the job more memory.
        asked: what is known of the job.

    Raises:
        SystemExit: the work failed. The log ends with one line that starts with `error:`, or with
            a traceback where the reason is not one the user can act on. Before that, or at the end
            of a job that did not fail, it says what the job took (`localcal.jobs.usage`).
    """
    usage = UsageCounter(asked)
    _die_with_coordinator()
    os.environ.update(same_arithmetic())
    with _logging_to(Path(log_path), usage):
        try:
            try:
                yield
            finally:
                usage.log_timings(ONLY_IN_LOG)
                usage.log(ONLY_IN_LOG)
        except InputError as error:
            _fail(str(error), error)
        except MemoryError as error:
            _fail(_out_of_memory(error, _label(Path(log_path)), remedy), error)
        except KeyboardInterrupt as error:
            logger.error("interrupted")
            raise SystemExit(128 + signal.SIGINT) from error
        except Exception as error:
            if isinstance(error, OSError) and (limit := limit_of(error)) is not None:
                _fail(f"{error}: {limit}", error)
            logger.exception("%s", error)
            raise SystemExit(1) from error


def same_arithmetic() -> dict[str, str]:
    """Return the environment in which libraries compute the same, to the bit, on any machine.

    They read it when they are imported. On another architecture, such as ARM, last digits differ.
    """
    return dict.fromkeys(THREAD_VARIABLES, "1") | (PROCESSOR_VARIABLES if _knows_avx2() else {})


@functools.cache
def _knows_avx2() -> bool:
    """Return whether the variables are for this processor: on others they end a process."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    return not _PROCESSORS.exists() or " avx2 " in _PROCESSORS.read_text()


def _out_of_memory(error: MemoryError, label: str, remedy: str) -> str:
    """Return what was seen, in which job, and which number to change."""
    # Another job's memory is only to blame where it was not the limit, or a part did not fit.
    fewer = "" if isinstance(error, OverLimit | OutOfMemory) else "run fewer jobs at once, or "
    return f"out of memory: {label}: {error}; {fewer}ask for more: {remedy}"


def paths(named: Named) -> dict[str, Path]:
    """Return the files that a script's input or output names, by name, without their records."""
    return {name: Path(path) for name, path in named.items() if name != RECORDS}


def _fail(message: str, error: BaseException) -> NoReturn:
    logger.error("%s", " ".join(message.split()))
    raise SystemExit(1) from error


class _LineFormatter(logging.Formatter):
    """Progress with time and job; errors so that they stand out and can be searched for."""

    def __init__(self, label: str) -> None:
        super().__init__(f"%(asctime)s {label}: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        # With the traceback, and what libraries say.
        return without_secrets(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        if record.levelno >= logging.ERROR:
            return f"error: {record.message}"
        return super().formatMessage(record)


def _label(log_path: Path) -> str:
    """Return rule and wildcards as they are in the log's path: build_chunk/000003."""
    parts = log_path.with_suffix("").parts
    within = parts[parts.index("logs") + 1 :] if "logs" in parts else parts[-1:]
    return "/".join(dict.fromkeys(within))


def _new_log(path: Path) -> logging.FileHandler:
    """Begin a log, as a new file: never in one that a link of this name leads to."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        return logging.FileHandler(path, mode="x")
    except OSError as error:
        if (limit := limit_of(error)) is None:
            raise
        # There is no log yet to say it in.
        sys.exit(f"error: {path}: {limit}")


def _is_for_terminal(record: logging.LogRecord) -> bool:
    """Return whether a line is shown beside the log, where it is not said by Snakemake's logger."""
    if STAGES_VARIABLE in os.environ:
        return record.levelno == logging.WARNING
    return not hasattr(record, QUIET)


@contextlib.contextmanager
def _logging_to(path: Path, usage: UsageCounter) -> Iterator[None]:
    """Send log lines and warnings to a file and to stderr, and have usage counted."""
    terminal = logging.StreamHandler()
    terminal.addFilter(_is_for_terminal)
    if sys.stderr.isatty():
        # Several lines at once are written over those that show how far the run is.
        terminal.terminator = ERASE_REST + terminal.terminator
    handlers: list[logging.Handler] = [_new_log(path), terminal, usage]
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.INFO)
    for handler in handlers:
        handler.setFormatter(_LineFormatter(_label(path)))
        root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


def announce_coordinator() -> None:
    """Tell the scripts that this process starts whom they must not outlive."""
    os.environ[COORDINATOR_VARIABLE] = str(os.getpid())


def announce_lock(path: str | Path) -> None:
    """Tell all jobs, wherever they run, which lock this process holds and what is in it."""
    os.environ[LOCK_VARIABLE] = str(Path(path).resolve())
    os.environ[HOLDER_VARIABLE] = Path(path).read_text().strip()


def refuse_without_lock() -> None:
    """Refuse to work for a coordinator that is gone and that another one has replaced.

    A scheduler goes on with the jobs of a dead coordinator; those it begins late would remove or
    overwrite files of the new one's jobs.

    Raises:
        InputError: the run's lock names another coordinator.
    """
    if (holder := _other_holder()) is not None:
        raise InputError(
            f"{os.environ[LOCK_VARIABLE]}: this job was begun for {os.environ[HOLDER_VARIABLE]}, "
            f"but now {holder} works on the run; nothing was done"
        )


def _other_holder() -> str | None:
    """Return who has taken the run's lock since this job's coordinator held it."""
    path, expected = os.environ.get(LOCK_VARIABLE), os.environ.get(HOLDER_VARIABLE)
    if path is None or expected is None:
        return None
    try:
        found = Path(path).read_text().strip()
    except OSError:  # a file that cannot be read just now says nothing about another holder
        return None
    return (found or "another process") if found != expected else None


def _die_with_coordinator() -> None:
    """Make this process end when Snakemake does, even by `kill -9`.

    An orphan would go on and rename its file into the middle of the next run's work. A cluster
    keeps a job without the Snakemake that submitted it, until another one takes the run over.
    """
    parent = os.getppid()
    die_with_parent()
    coordinator = int(os.environ.get(COORDINATOR_VARIABLE, parent))
    if not is_alive(coordinator):
        os.kill(os.getpid(), signal.SIGKILL)
    # Elsewhere than on Linux, or with a shell between the two, the kernel does not see to it.
    if sys.platform != "linux" or parent != coordinator or LOCK_VARIABLE in os.environ:
        threading.Thread(target=_watch, args=(coordinator,), daemon=True).start()


def _watch(coordinator: int) -> None:
    while is_alive(coordinator):
        if (holder := _other_holder()) is not None:
            # Not to the log, which may be that of the new coordinator's job by now.
            os.write(2, f"error: {holder} has taken this run over; this job ends\n".encode())
            break
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGKILL)
