"""What a job took, as the last line of its log says.

Most of a job's work is done in the warm process, which hands its figures over (`localcal.timing`).
What a job takes varies, so it is in the log: what else a job writes has the same bytes every time.
"""

import json
import logging
import os
import re
import resource
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Protocol

from localcal import timing
from localcal.errors import InputError

logger = logging.getLogger(__name__)

# What `localcal.engine.client` logs of work in the warm process: seconds, CPU seconds and MB.
WARM_WORK = "the work took %.1f s (%.1f s of CPU) and at most %d MB"
LINE = re.compile(r"^\S+ \S+: used (\{.*\})$")
STATUS = Path("/proc/self/status")
CGROUPS = Path("/proc/self/cgroup")
CGROUP_FOLDER = Path("/sys/fs/cgroup")
# What says which machine or container this is, where not the host's name does.
WORKER_VARIABLES = ("MODAL_TASK_ID", "SLURMD_NODENAME")

WARM, COLD = "warm", "cold"


@dataclass(frozen=True)
class Usage:
    """What one job took; None for what is not known.

    Attributes:
        wall_seconds: from the start of the script's process; its imports by their CPU time.
        cpu_seconds: of the script's process, those it waited for, and the warm work.
        warm_cpu_seconds: of these, the warm work. Loading the model is not in it: many jobs share
            what is loaded.
        peak_mb: of the script's process and the warm one together, the loaded model included, as
            if both had been largest at the same time; in 10^6 bytes.
        begun: when the job began, seconds since 1970.
        worker: the machine or container.
        attempt: 1, or more where Snakemake began the job again.
        asked_mb: memory that was asked for, 10^6 bytes.
        start: WARM where the model was loaded already, COLD where the job waited until it was;
            None also where it needed no model.
        phases: seconds by phase (`localcal.timing.PHASES`); without those that did not happen.
        read_bytes: of the files of the run that it read.
        made_bytes: of the files that it made; None where it failed before.
        handed_bytes: that went to the warm process and back.
        throttled_seconds: for which the job's processes, and others of the same control group, were
            kept from the processor by its limit.
    """

    wall_seconds: float
    cpu_seconds: float
    warm_cpu_seconds: float
    peak_mb: int
    begun: float | None = None
    worker: str | None = None
    attempt: int | None = None
    asked_mb: int | None = None
    start: str | None = None
    phases: Mapping[str, float] | None = None
    read_bytes: int | None = None
    made_bytes: int | None = None
    handed_bytes: int | None = None
    throttled_seconds: float | None = None


@dataclass
class Asked:
    """What is known of a job beside what it takes; filled while it is at work.

    Attributes:
        run_id: the run.
        attempt: as in `Usage`.
        asked_mb: as in `Usage`.
        read_bytes: as in `Usage`.
        made_bytes: as in `Usage`.
    """

    run_id: str | None = None
    attempt: int | None = None
    asked_mb: int | None = None
    read_bytes: int | None = None
    made_bytes: int | None = None


class UsageCounter(logging.Handler):
    """Counts what this process takes, and listens to what the warm process says it took."""

    def __init__(self, asked: Asked | None = None) -> None:
        super().__init__()
        self._asked = asked or Asked()
        self._figures = timing.begin()
        # Before a script begins its work, it does nothing but import.
        imported = time.process_time()
        self._start = time.monotonic() - imported
        self._begun = time.time() - imported
        self._figures.add(timing.IMPORT, imported)
        self._throttled = throttled_seconds()
        self._warm_seconds = 0.0
        self._warm_mb = 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == WARM_WORK and isinstance(record.args, tuple):
            _, cpu_seconds, peak_mb = record.args
            assert isinstance(cpu_seconds, float) and isinstance(peak_mb, int)
            self._warm_seconds += cpu_seconds
            self._warm_mb = max(self._warm_mb, peak_mb)

    def log(self, extra: Mapping[str, object] | None = None) -> None:
        """Log what was used so far, as a record that has these attributes more."""
        own = resource.getrusage(resource.RUSAGE_SELF)
        waited_for = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = sum(used.ru_utime + used.ru_stime for used in (own, waited_for))
        throttled = throttled_seconds()
        known = self._throttled is not None and throttled is not None
        cold = self._figures.cold
        usage = Usage(
            wall_seconds=round(time.monotonic() - self._start, 2),
            cpu_seconds=round(seconds + self._warm_seconds, 2),
            warm_cpu_seconds=round(self._warm_seconds, 2),
            peak_mb=max(peak_mb(), waited_for.ru_maxrss * 1024 // 10**6) + self._warm_mb,
            begun=round(self._begun, 2),
            worker=worker(),
            attempt=self._asked.attempt,
            asked_mb=self._asked.asked_mb,
            start=None if cold is None else COLD if cold else WARM,
            phases={name: round(spent, 3) for name, spent in self._figures.seconds.items()},
            read_bytes=self._asked.read_bytes,
            made_bytes=self._asked.made_bytes,
            handed_bytes=self._figures.handed_bytes,
            throttled_seconds=round((throttled or 0.0) - (self._throttled or 0.0), 3)
            if known
            else None,
        )
        logger.info("used %s", json.dumps(asdict(usage)), extra=extra)

    def log_timings(self, extra: Mapping[str, object] | None = None) -> None:
        """Log a line for each simulation, and for whatever was put together of simulations."""
        here = worker()
        for one in self._figures.simulated:
            logger.info(
                "SIM_TIMING: param_id=%s seed=%s duration_ms=%.1f worker=%s",
                one.param_id,
                "-" if one.seed is None else one.seed,
                1000 * one.seconds,
                here,
                extra=extra,
            )
        for whole in self._figures.aggregated:
            logger.info(
                "AGG_TIMING: run_id=%s target=%s n_sim_returns=%d n_outputs=%d "
                "total_inline_mb=%.3f max_single_kb=%.1f duration_ms=%.1f worker=%s",
                self._asked.run_id or "-",
                whole.target,
                whole.results,
                whole.outputs,
                whole.n_bytes / 1e6,
                whole.largest_bytes / 1e3,
                1000 * whole.seconds,
                here,
                extra=extra,
            )


def worker() -> str:
    """Return the machine or container that this process is on."""
    named = (os.environ.get(name) for name in WORKER_VARIABLES)
    return next(filter(None, named), socket.gethostname())


def throttled_seconds() -> float | None:
    """Return how long this process's control group was kept from the processor by its limit.

    Since the group was made; None where the system does not say.
    """
    try:
        groups = [line.split(":", 2)[1:] for line in CGROUPS.read_text().splitlines()]
    except OSError:
        return None
    for controllers, group in groups:
        if controllers and "cpu" not in controllers.split(","):
            continue
        # The second version of control groups has no name for the controllers.
        folder, key, per_second = (
            (CGROUP_FOLDER / "cpu", "throttled_time", 1e9)
            if controllers
            else (CGROUP_FOLDER, "throttled_usec", 1e6)
        )
        # A container sees its own group as the root, whatever it is called outside.
        for place in (folder / group.strip("/"), folder):
            try:
                text = (place / "cpu.stat").read_text()
            except OSError:
                continue
            if (found := re.search(rf"^{key} (\d+)$", text, re.MULTILINE)) is not None:
                return int(found[1]) / per_second
    return None


def read_usage(log: str | Path) -> Usage:
    """Read what a finished job took from its log.

    Raises:
        InputError: the log does not say, because the job failed or never ended.
    """
    usage = usage_in(Path(log).read_text())
    if usage is None:
        raise InputError(f"{log}: does not end with what the job used; did the job end?")
    return usage


def usage_in(text: str) -> Usage | None:
    """Return what the last line of a finished job's log says it took; None if it does not."""
    lines = text.splitlines()
    return _usage(lines[-1]) if lines else None


def usage_of_failed(text: str) -> Usage | None:
    """Return what a job took that failed, which its log says before why; None if it does not."""
    found = [usage for line in text.splitlines() if (usage := _usage(line)) is not None]
    return found[-1] if found else None


def _usage(line: str) -> Usage | None:
    match = LINE.match(line)
    if match is None:
        return None
    try:
        found = json.loads(match[1])
        # What a later version says more is not known here.
        return Usage(**{name: found[name] for name in _NAMES if name in found})
    except (json.JSONDecodeError, TypeError):  # a line that was cut, or of another version
        return None


_NAMES = tuple(field.name for field in fields(Usage))


class Benchmark(Protocol):
    """What Snakemake measures of a job, for its benchmark file; None is a `-` there.

    Memory in 2^20 bytes, load in per cent times seconds.
    """

    data_collected: bool
    max_rss: float | None
    max_vms: float | None
    max_uss: float | None
    max_pss: float | None
    io_in: float | None
    io_out: float | None
    cpu_time: float
    cpu_usage: float


def correct(record: Benchmark, log: str) -> None:
    """Put what a job's log says that it took into what Snakemake measured.

    Snakemake looks now and then at the script's process alone: not at the one that does the work,
    and not at all at one that is done before the first look. What the log does not say of all of
    them is unknown where others did the work. The time is Snakemake's, since the script waits.

    Args:
        record: what Snakemake measured; as it is where the log does not say anything.
        log: the job's log.
    """
    usage = usage_in(log)
    if usage is None:
        return
    if usage.handed_bytes is not None or not record.data_collected:
        record.max_vms = record.max_uss = record.max_pss = record.io_in = record.io_out = None
    record.data_collected = True
    record.max_rss = usage.peak_mb * 10**6 / 2**20
    record.cpu_time = usage.cpu_seconds
    record.cpu_usage = 100 * usage.cpu_seconds


def peak_mb() -> int:
    """Return this process's peak memory in 10^6 bytes.

    `ru_maxrss` begins with that of whoever started the process.
    """
    if STATUS.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
        if found is not None:
            return int(found[1]) * 1024 // 10**6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 10**6
