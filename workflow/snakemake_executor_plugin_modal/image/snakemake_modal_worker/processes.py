"""What a job's processes use, and how they are ended, from /proc."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """A process and all that descend from it, parents first."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found = [pid]
    for one in found:
        found.extend(children.get(one, []))
    return found


def memory_mb(pid: int) -> float:
    """Memory of a process and its descendants; pages shared with others count in part."""
    return sum(_memory_kb(one) for one in descendants(pid)) / 1024


def kill(pid: int) -> None:
    """End a process and its descendants at once."""
    for one in descendants(pid):
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
