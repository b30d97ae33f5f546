"""What a job took, as the last line of its log says.

Snakemake's benchmark files only know the script's own process, not the warm one in which most of
the work is done. What a job takes varies, so it is in the log: what else a job writes has the same
bytes every time.
"""

import json
import logging
import re
import resource
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from localcal.errors import InputError

logger = logging.getLogger(__name__)

# What `localcal.engine.client` logs of work in the warm process: seconds, CPU seconds and MB.
WARM_WORK = "the work took %.1f s (%.1f s of CPU) and at most %d MB"
LINE = re.compile(r"^\S+ \S+: used (\{.*\})$")
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Usage:
    """What one job took.

    Attributes:
        wall_seconds: from the start of the script's process; its imports by their CPU time.
        cpu_seconds: of the script's process, those it waited for, and the warm work.
        warm_cpu_seconds: of these, the warm work. Loading the model is not in it: many jobs share
            what is loaded.
        peak_mb: of the script's process and the warm one together, the loaded model included, as
            if both had been largest at the same time; in 10^6 bytes.
    """

    wall_seconds: float
    cpu_seconds: float
    warm_cpu_seconds: float
    peak_mb: int


class UsageCounter(logging.Handler):
    """Counts what this process takes, and listens to what the warm process says it took."""

    def __init__(self) -> None:
        super().__init__()
        # Before a script begins its work, it does nothing but import.
        self._start = time.monotonic() - time.process_time()
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
        usage = Usage(
            wall_seconds=round(time.monotonic() - self._start, 2),
            cpu_seconds=round(seconds + self._warm_seconds, 2),
            warm_cpu_seconds=round(self._warm_seconds, 2),
            peak_mb=max(peak_mb(), waited_for.ru_maxrss * 1024 // 10**6) + self._warm_mb,
        )
        logger.info("used %s", json.dumps(asdict(usage)), extra=extra)


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
        return Usage(**json.loads(match[1]))
    except (json.JSONDecodeError, TypeError):  # a line that was cut, or of another version
        return None


def peak_mb() -> int:
    """Return this process's peak memory in 10^6 bytes.

    `ru_maxrss` begins with that of whoever started the process.
    """
    if STATUS.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
        if found is not None:
            return int(found[1]) * 1024 // 10**6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 10**6
