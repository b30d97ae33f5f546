"""What the lines of jobs' logs say that each job took, read and handed over.

A log on a disk is of one job; what comes through a pipe may be the logs of a whole run, one after
the other or as a coordinator printed them. A line that cannot be read is counted, not guessed at.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from localcal.errors import InputError
from localcal.jobs.usage import COLD, WARM, Usage
from localcal.run.expected import stage_of
from localcal.status.folder import Runs

FOLDER = "logs/"
ERROR = "error: "

# Others may have put something before the time, as those do that collect logs of containers.
LINE = re.compile(r"(?:^|\s)\d\d:\d\d:\d\d (?P<job>\S+): (?P<text>.*)$")
USED, FILES = "used ", "files "
SIMULATED, AGGREGATED = "SIM_TIMING: ", "AGG_TIMING: "
PAIR = re.compile(r"(\w+)=(\S+)")

# Bytes, seconds or MB beyond which a figure is none.
_LARGEST = 1e18
_REQUIRED = ("wall_seconds", "cpu_seconds", "warm_cpu_seconds", "peak_mb")
_NUMBERS = (
    *("begun", "attempt", "asked_mb", "read_bytes", "made_bytes", "handed_bytes"),
    "throttled_seconds",
)
_KNOWN = (*_REQUIRED, *_NUMBERS, "worker", "start", "phases")


class _DamagedError(ValueError):
    """A line that should hold figures holds none."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a job, which said what it took.

    Attributes:
        job: the rule and its wildcards: build_chunk/000003.
        usage: what it took; None in there for what is not known.
        read: bytes of the files of the run that it read, by path; None where its log does not say.
        made: bytes of those that it made; None where its log does not say.
    """

    job: str
    usage: Usage
    read: Mapping[str, float] | None = None
    made: Mapping[str, float] | None = None

    @property
    def rule(self) -> str:
        """Return the rule of the job."""
        return self.job.partition("/")[0]


@dataclass(frozen=True)
class Simulated:
    """One simulation.

    Attributes:
        job: the job that it was a part of.
        seconds: how long it took.
    """

    job: str
    seconds: float


@dataclass(frozen=True)
class Aggregated:
    """Results of simulations, put together.

    Attributes:
        job: the job that it was a part of.
        target: what they were put together to.
        results: how many there were.
        n_bytes: of all of them.
        largest_bytes: of the largest one.
        seconds: how long it took.
    """

    job: str
    target: str
    results: int
    n_bytes: float
    largest_bytes: float
    seconds: float


@dataclass
class Reading:
    """What was read.

    Attributes:
        attempts: at jobs, as far as they say what they took, in the order of their lines.
        simulated: simulations.
        aggregated: results that were put together.
        silent: jobs that are at work, were killed, or failed before they could say what they took;
            only known where each job has a log of its own.
        failed: jobs whose last attempt failed; only known where each job has a log of its own.
        damaged: lines that should hold figures and hold none, by job.
    """

    attempts: list[Attempt] = field(default_factory=list)
    simulated: list[Simulated] = field(default_factory=list)
    aggregated: list[Aggregated] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Say whether there is no figure of any job."""
        return not (self.attempts or self.simulated or self.aggregated)


def read_lines(lines: Iterable[str]) -> Reading:
    """Return what lines of logs say; an attempt that is told of twice counts once.

    A coordinator prints what a job took too, without what its log says more.

    Args:
        lines: with or without their ends; those of several jobs may be mixed.
    """
    reader = _Reader()
    for line in lines:
        found = LINE.search(line)
        if found is not None:
            reader.read(found["job"], found["text"].strip())
    return reader.end()


@dataclass
class _Details:
    """What an attempt's log says before what the attempt took."""

    files: tuple[Mapping[str, float] | None, Mapping[str, float] | None] = (None, None)
    simulated: list[Simulated] = field(default_factory=list)
    aggregated: list[Aggregated] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return self == _Details()


class _Reader:
    """Puts together what lines say of the same attempt."""

    def __init__(self) -> None:
        self._open: dict[str, _Details] = {}
        # By what an attempt took, which says when it began.
        self._ended: dict[tuple[str, str], tuple[Attempt, _Details]] = {}
        self._damaged: list[str] = []

    def read(self, job: str, text: str) -> None:
        details = self._open.get(job, _Details())
        try:
            if text.startswith(USED + "{"):
                self._end(job, text.removeprefix(USED))
                return
            if text.startswith(FILES + "{"):
                details.files = _files(text.removeprefix(FILES))
            elif text.startswith(SIMULATED):
                details.simulated.append(_simulated(job, text))
            elif text.startswith(AGGREGATED):
                details.aggregated.append(_aggregated(job, text))
            else:
                return
        except _DamagedError:
            self._damaged.append(job)
        self._open[job] = details

    def _end(self, job: str, text: str) -> None:
        usage = _usage(text)
        details = self._open.pop(job, _Details())
        known = self._ended.get((job, text))
        if known is None or known[1].is_empty:
            self._ended[job, text] = Attempt(job, usage, *details.files), details

    def end(self) -> Reading:
        told = [details for _, details in self._ended.values()] + list(self._open.values())
        return Reading(
            attempts=[attempt for attempt, _ in self._ended.values()],
            simulated=[one for details in told for one in details.simulated],
            aggregated=[one for details in told for one in details.aggregated],
            damaged=self._damaged,
        )


def read_run(runs: Runs, run: str) -> Reading:
    """Return what the logs of a run's jobs say: of each job, those of its last attempt.

    Args:
        runs: the folder of runs, here or elsewhere.
        run: the run.

    Raises:
        InputError: a log cannot be read.
    """
    whole = Reading()
    for name in sorted(filter(_is_of_job, runs.files(run))):
        job = "/".join(dict.fromkeys(PurePosixPath(name).with_suffix("").parts[1:]))
        try:
            text = runs.read(run, name).decode(errors="replace")
        except InputError:
            if name in runs.files(run):
                raise
            # The next attempt has just removed it, to begin its own.
            whole.silent.append(job)
            continue
        part = read_lines(text.splitlines())
        if not part.attempts:
            whole.silent.append(job)
        # What it took is the last line of a job that did not fail.
        if any(line.startswith(ERROR) for line in text.splitlines()):
            whole.failed.append(job)
        whole.attempts += part.attempts
        whole.simulated += part.simulated
        whole.aggregated += part.aggregated
        whole.damaged += part.damaged
    return whole


def _is_of_job(name: str) -> bool:
    """Say whether a file is a job's log: coordinators have theirs in the same folder."""
    parts = PurePosixPath(name).parts
    is_log = name.startswith(FOLDER) and name.endswith(".log") and len(parts) > len(("logs", "x"))
    return is_log and stage_of(parts[1]) is not None


def _usage(text: str) -> Usage:
    content = _object(text)
    for name in (*_REQUIRED, *_NUMBERS):
        value = content.get(name)
        if name in _REQUIRED or value is not None:
            content[name] = _number(value)
    for name in ("attempt", "asked_mb", "read_bytes", "made_bytes", "handed_bytes"):
        if content.get(name) is not None:
            content[name] = int(content[name])
    phases = content.get("phases")
    if phases is not None:
        content["phases"] = _numbers(phases)
    if content.get("start") not in (None, WARM, COLD):
        raise _DamagedError
    worker = content.get("worker")
    if worker is not None and not isinstance(worker, str):
        raise _DamagedError
    # What a later version says more is not known here.
    return Usage(**{name: content[name] for name in _KNOWN if name in content})


def _files(text: str) -> tuple[Mapping[str, float], Mapping[str, float]]:
    content = _object(text)
    return _numbers(content.get("read")), _numbers(content.get("made"))


def _simulated(job: str, text: str) -> Simulated:
    (duration,) = _named(text, ["duration_ms"])
    return Simulated(job, duration / 1000)


def _aggregated(job: str, text: str) -> Aggregated:
    names = ["n_sim_returns", "total_inline_mb", "max_single_kb", "duration_ms"]
    results, total, largest, duration = _named(text, names)
    target = dict(PAIR.findall(text)).get("target")
    if target is None:
        raise _DamagedError
    # A figure without results has no largest one.
    return Aggregated(job, target, int(results), total * 1e6, largest * 1e3, duration / 1000)


def _named(text: str, names: Sequence[str]) -> list[float]:
    found = dict(PAIR.findall(text))
    try:
        return [_number(float(found[name])) for name in names]
    except (KeyError, ValueError) as error:
        raise _DamagedError from error


def _object(text: str) -> dict:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _DamagedError from error
    if not isinstance(content, dict):
        raise _DamagedError
    return content


def _numbers(content: object) -> dict[str, float]:
    if not isinstance(content, dict):
        raise _DamagedError
    return {name: _number(value) for name, value in content.items()}


def _number(value: object) -> float:
    # Not a number that JSON has no word for is neither above nor below any other.
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
        return value
    raise _DamagedError
