"""What the logs of a run's jobs say: what each took, and why one failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from localcal.errors import InputError
from localcal.jobs.usage import Usage, usage_in, usage_of_failed
from localcal.status.folder import File, Runs

FOLDER = "logs/"
ERROR = "error: "

FINISHED = "finished"
FAILED = "failed"
# It neither says what it took nor why it failed: the job is at work, or was killed.
OPEN = "open"


@dataclass(frozen=True)
class Log:
    """One job's log: that of its last attempt.

    Attributes:
        file: its path below the run's folder.
        written: when its last line was, seconds since 1970.
        outcome: FINISHED, FAILED or OPEN.
        usage: what the job took; None where it does not say.
        message: why the job failed.
    """

    file: str
    written: float
    outcome: str
    usage: Usage | None
    message: str | None

    @property
    def rule(self) -> str:
        """Return the rule of the job."""
        return PurePosixPath(self.file).parts[1]

    @property
    def begun(self) -> float | None:
        """Return when the job began, seconds since 1970; None where that is not known."""
        return None if self.usage is None else self.written - self.usage.wall_seconds


class LogReader:
    """Reads logs, and none twice that did not change: a run has thousands.

    Args:
        runs: the folder of runs.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._known: dict[tuple[str, str], tuple[File, Log]] = {}

    def read(self, run: str, files: Mapping[str, File], rule: str = "") -> list[Log]:
        """Return the logs of a run, or of one of its rules, the oldest first.

        Args:
            run: the run.
            files: those of the run.
            rule: all rules where it is empty.
        """
        below = f"{FOLDER}{rule}/" if rule else FOLDER
        found = [
            log
            for name, file in files.items()
            if name.startswith(below) and name.endswith(".log") and name.count("/") > 1
            if (log := self._log(run, name, file)) is not None
        ]
        return sorted(found, key=lambda log: (log.written, log.file))

    def _log(self, run: str, name: str, file: File) -> Log | None:
        known = self._known.get((run, name))
        if known is not None and known[0] == file:
            return known[1]
        try:
            text = self._runs.read(run, name).decode(errors="replace")
        except InputError:  # the next attempt has just removed it, to begin its own
            return None
        log = _parsed(name, file, text)
        self._known[run, name] = file, log
        return log


def _parsed(name: str, file: File, text: str) -> Log:
    if (usage := usage_in(text)) is not None:
        return Log(name, file.mtime, FINISHED, usage, None)
    errors = [line for line in text.splitlines() if line.startswith(ERROR)]
    if errors:
        return Log(name, file.mtime, FAILED, usage_of_failed(text), errors[-1].removeprefix(ERROR))
    return Log(name, file.mtime, OPEN, None, None)
