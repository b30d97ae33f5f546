"""How the tests are dealt to the workers of pytest-xdist."""

from pathlib import Path

import pytest

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
        path = _path(item)
        if path.as_posix() not in APART:
            together = path.parts[0] if path.parts[0] == "model" else path.as_posix()
            item.add_marker(pytest.mark.xdist_group(together))
    items.sort(key=lambda item: _turn(_path(item).parts[0]))


def _path(item) -> Path:
    """Where a test is, below this folder or, of a plugin's own, below the folder of plugins."""
    here = TESTS if item.path.is_relative_to(TESTS) else TESTS.parent / "workflow"
    return item.path.relative_to(here)


def _turn(folder: str) -> int:
    return FIRST.index(folder) if folder in FIRST else len(FIRST)
