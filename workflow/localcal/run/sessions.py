"""When Snakemake worked on a run and how that ended: `sessions.jsonl`, beside the run's history.

Each session adds a line when it begins and one when it ends. One that was killed, or whose machine
was, leaves no second line. Nothing that a run contains depends on it, and a run without it is none
the worse.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from localcal.files.atomic import atomic_path
from localcal.files.seal import is_whole, sealed

SESSIONS_FILE = "sessions.jsonl"

BEGUN = "begun"
ENDED = "ended"
# How a session ends.
SUCCEEDED = "succeeded"
FAILED = "failed"
# By a person, or by the machine's shutdown, without a job that failed.
STOPPED = "stopped"


class Session(NamedTuple):
    """What is known of one session.

    Attributes:
        begun: seconds since 1970.
        holder: the process, machine and time, as the run's lock has them.
        jobs: how many there were to do; None where that is not known.
        ended: seconds since 1970; None where nothing says so.
        outcome: SUCCEEDED, FAILED or STOPPED; None where nothing says so.
        failed: logs of the jobs that failed, by their paths below the run's folder.
    """

    begun: float
    holder: str
    jobs: int | None
    ended: float | None
    outcome: str | None
    failed: tuple[str, ...]


def record_begin(folder: str | Path, holder: str, jobs: int | None) -> Path:
    """Add a session that begins to a run's record; return the record."""
    return _add(folder, {"what": BEGUN, "holder": holder, "jobs": jobs})


def record_end(folder: str | Path, holder: str, succeeded: bool, failed: Iterable[str]) -> Path:
    """Add the end of a session to a run's record; return the record.

    Args:
        folder: where the record is.
        holder: as it was when the session began.
        succeeded: whether everything was made that was asked for.
        failed: logs of the jobs that failed, by their paths below the run's folder.
    """
    logs = sorted(set(failed))
    outcome = SUCCEEDED if succeeded else FAILED if logs else STOPPED
    return _add(folder, {"what": ENDED, "holder": holder, "outcome": outcome, "failed": logs})


def _add(folder: str | Path, entry: Mapping[str, Any]) -> Path:
    path = Path(folder) / SESSIONS_FILE
    # Whatever is in it: a damaged line must not keep anybody from working on the run.
    before = path.read_bytes() if path.exists() else b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    line = json.dumps(sealed({"when": _now(), **entry}), sort_keys=True)
    with atomic_path(path) as part:
        part.write_bytes(before + line.encode() + b"\n")
    return path


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def parse_sessions(text: str) -> tuple[list[Session], list[int]]:
    """Return the sessions that a record's text tells of, oldest first, and its damaged lines.

    Returns:
        The sessions, and the numbers of the lines that are not what was written.
    """
    sessions: list[Session] = []
    damaged = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = _entry(line)
        if entry is None:
            damaged.append(number)
        elif entry["what"] == BEGUN:
            begun = datetime.fromisoformat(entry["when"]).timestamp()
            sessions.append(Session(begun, entry["holder"], entry["jobs"], None, None, ()))
        elif sessions and sessions[-1].holder == entry["holder"]:
            sessions[-1] = sessions[-1]._replace(
                ended=datetime.fromisoformat(entry["when"]).timestamp(),
                outcome=entry["outcome"],
                failed=tuple(entry["failed"]),
            )
    return sessions, damaged


def _entry(line: str) -> dict[str, Any] | None:
    """Return what a line says; None where it is not what was written."""
    try:
        entry = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return None
    # What carries its seal has all that is written with one.
    return entry if isinstance(entry, dict) and is_whole(entry) else None


def failed_logs(paths: Iterable[str]) -> Iterator[str]:
    """Yield paths of logs as they are below the run's folder, wherever that is."""
    for path in paths:
        _, found, name = str(path).partition("/logs/")
        if found:
            yield f"logs/{name}"
