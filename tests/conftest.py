"""How the tests are dealt to the workers of pytest-xdist, and how many threads each has."""

import os
from pathlib import Path

import pytest

from localcal.jobs.job import THREAD_VARIABLES

# As in a job. Tests run side by side, and threads that wait for each other in the algebra of small
# matrices take three quarters of the time. Read when numpy is imported, so before any test is.
os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))

TESTS = Path(__file__).parent
# Those that take longest first, so that no worker is left with one of them at the end.
FIRST = ("model", "benchmarks", "workflow")
# Files whose tests share nothing but the finished run, which is copied: any worker may have any.
APART = {
    f"workflow/test_{name}.py"
    for name in ("amend", "database", "dry_run", "fetch", "harmless", "resume")
}


def pytest_collection_modifyitems(items):
    """Keep a file's tests together, and those that load the model."""
    for item in items:
        path = item.path.relative_to(TESTS)
        if path.as_posix() not in APART:
            together = path.parts[0] if path.parts[0] == "model" else path.as_posix()
            item.add_marker(pytest.mark.xdist_group(together))
    items.sort(key=lambda item: _turn(item.path.relative_to(TESTS).parts[0]))


def _turn(folder: str) -> int:
    return FIRST.index(folder) if folder in FIRST else len(FIRST)
