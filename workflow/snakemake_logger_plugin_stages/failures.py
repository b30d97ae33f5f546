"""What the log files of jobs say: why one failed, how far one is, and how much memory one took."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

# What is said in one line for people; else the last line of a traceback, else the last lines.
SAID = re.compile(r"^error: *(.+)$", re.IGNORECASE)
RAISED = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b.*$")
LAST_LINES = 5
LAST_BYTES = 1 << 16


def end_of(path: str) -> str:
    """The end of a log file; empty if there is none here, as of a job elsewhere."""
    try:
        with Path(path).open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - LAST_BYTES, 0))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def reason(logs: Iterable[str]) -> list[str]:
    """Why a job failed, in as few lines as its log files allow; none if they are empty."""
    lines = [line.rstrip() for path in logs for line in end_of(path).splitlines() if line.strip()]
    for pattern in (SAID, RAISED):
        found = [match for line in lines if (match := pattern.match(line))]
        if found:
            return [found[-1][found[-1].re.groups]]
    return lines[-LAST_LINES:]


def memory(logs: Iterable[str], pattern: re.Pattern[str]) -> int | None:
    """MB that a job took by its log files: the largest of their last figures."""
    figures = []
    for path in logs:
        found = pattern.findall(end_of(path))
        if found:
            figures.append(round(float(found[-1].replace(",", ""))))
    return max(figures, default=None)


def progress(logs: Iterable[str], pattern: re.Pattern[str]) -> str:
    """How far a job says it is: the last of it in its log files; empty where they do not say."""
    found = [text for path in logs for text in pattern.findall(end_of(path))]
    return str(found[-1]) if found else ""
