"""What a job's processes use, and how they are ended, from /proc."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

MARK = "SNAKEMAKE_MODAL_JOB"
"""Variable in the environment of every program that a job starts, and of what that starts. So a
process that a job leaves behind on purpose, for later jobs to use, is still known to be a job's."""


def of_jobs(pid: int | None) -> list[int]:
    """The process `pid` of the running job, what descends from it, and what bears the mark."""
    marked = [one for one, _ in _parents() if _is_marked(one)]
    return descendants([*([] if pid is None else [pid]), *marked])


def descendants(pids: list[int]) -> list[int]:
    """Processes and all that descend from them, each once, parents first."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found = dict.fromkeys(pids)
    waiting = list(found)
    while waiting:
        new = [one for one in children.get(waiting.pop(), []) if one not in found]
        found |= dict.fromkeys(new)
        waiting += new
    return list(found)


def everything() -> list[int]:
    """All processes of this container."""
    return [pid for pid, _ in _parents()]


def memory_mb(pids: list[int]) -> float:
    """Memory of some processes; pages shared with others count in part."""
    return sum(_memory_kb(one) for one in pids) / 1024


def kill(pids: list[int]) -> None:
    """End processes at once."""
    for one in pids:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            # The name, in parentheses, may itself have spaces and parentheses.
            yield int(entry.name), int(stat.rpartition(")")[2].split()[1])


def _is_marked(pid: int) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return any(entry.startswith(f"{MARK}=".encode()) for entry in environment.split(b"\0"))


def _memory_kb(pid: int) -> int:
    """Proportional set size; where the kernel does not tell it, resident minus shared size."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass
    try:
        resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE") // 1024
