"""How the tests are dealt to the workers of pytest-xdist, and how many threads each has."""

import os
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

from localcal.jobs.job import same_arithmetic

# As in a job. Tests run side by side, and threads that wait for each other in the algebra of small
# matrices take three quarters of the time. Read when numpy is imported, so before any test is.
os.environ.update(same_arithmetic())

TESTS = Path(__file__).parent
# Those that take longest first, so that no worker is left with one of them at the end.
FIRST = ("model", "benchmarks", "workflow")
# Files whose tests share nothing but the finished run, which is copied: any worker may have any.
APART = {
    f"workflow/test_{name}.py"
    for name in ("amend", "database", "dry_run", "fetch", "harmless", "resume")
}


def pytest_collection_modifyitems(items):
    """Sort by how long the tests of a folder take."""
    items.sort(key=lambda item: _turn(_path(item).parts[0]))


def _path(item) -> Path:
    """Where a test is, below this folder or, of a plugin's own, below the folder of plugins."""
    here = TESTS if item.path.is_relative_to(TESTS) else TESTS.parent / "workflow"
    return item.path.relative_to(here)


def _turn(folder: str) -> int:
    return FIRST.index(folder) if folder in FIRST else len(FIRST)


def pytest_xdist_make_scheduler(config, log):
    """Deal the tests to the workers."""
    return Together(config, log)


class Together(LoadScopeScheduling):
    """Keep a file's tests together, whose fixtures are made once, and those that load the model.

    Not by marks: the plugin's own way by marks does nothing under pytest 9.2, and says nothing.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0].removeprefix(f"{TESTS.name}/")
        if path in APART:
            return nodeid
        return "model" if path.startswith("model/") else path
