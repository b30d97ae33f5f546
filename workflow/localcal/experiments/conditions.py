"""Under what an experiment is made: machine, code and data, each condition by name."""

import hashlib
import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

import psutil

import localcal

CPU_INFO = Path("/proc/cpuinfo")
PACKAGE = "package."

MACHINE = ("host", "cpu", "cores", "memory_mb", "system")
OF_TARGETS = ("A.targets", "B.targets", "A.targets_chosen", "B.targets_chosen")
DATA = ("population", "geography", "frozen", "run_targets", "simulated", "households", *OF_TARGETS)
OF_COLUMNS = ("A.columns_done", "B.columns_done", "A.chunks", "B.chunks")
COLUMNS = "columns"
GROUPS: Mapping[str, tuple[str, ...]] = {
    "machine": MACHINE,
    "data": DATA,
    COLUMNS: (COLUMNS, "households", *OF_COLUMNS),
}
"""Conditions that change together, by a name for all of them; `packages` is one more.

Those of an arm alone begin with its name.
"""
PACKAGES = "packages"

type Conditions = dict[str, str | int | None]


def machine() -> Conditions:
    """Return what is known of this machine."""
    return {
        "host": platform.node(),
        "cpu": _processor(),
        "cores": cores(),
        "memory_mb": psutil.virtual_memory().total // 10**6,
        "system": platform.platform(),
    }


def code() -> Conditions:
    """Return the interpreter, localcal's own code and every installed package."""
    digest = hashlib.sha256()
    folder = Path(localcal.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    installed = {f"{PACKAGE}{item.name}": item.version for item in distributions()}
    return {
        "python": platform.python_version(),
        "code": digest.hexdigest(),
        **dict(sorted(installed.items())),
    }


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    if CPU_INFO.exists():
        found = re.search(r"^model name\s*: (.+)$", CPU_INFO.read_text(), re.MULTILINE)
        if found is not None:
            return found[1]
    return platform.processor() or platform.machine()


def under_test(name: str, known: Mapping[str, object]) -> set[str]:
    """Return the conditions that a name stands for: a group's, or the one of that name.

    Args:
        name: of a condition or of a group.
        known: all conditions there are.
    """
    if name == PACKAGES:
        return {condition for condition in known if condition.startswith(PACKAGE)}
    return set(GROUPS.get(name, (name,)))
