"""How often a call was started, counted on the volume.

Modal starts an input again whose container died, without an end and without saying so. A call
that has been started too often is given up; a start that ended in good order is not counted.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

MAX_STARTS = 3
"""A call whose container died so often is not tried again."""


class Starts:
    """The mark of one call below `folder`, a mounted volume; `commit` publishes it."""

    def __init__(self, folder: Path, call_id: str, commit: Callable[[], object]) -> None:
        self._folder = folder / ".smk-modal" / "calls" / call_id
        self._counter = self._folder / "n"
        self._commit = commit

    def enter(self) -> bool:
        """Count a start; False, and nothing is left, if there were too many before."""
        before = self._count()
        if before >= MAX_STARTS:
            self.leave()
            self._commit()
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        self._counter.write_text(str(before + 1))
        self._commit()
        return True

    def take_back(self) -> None:
        """Do not count this start: the container is taken away, which is nobody's fault."""
        before = self._count()
        if before > 1:
            self._counter.write_text(str(before - 1))
        else:
            self.leave()
        self._commit()

    def leave(self) -> None:
        """Remove the mark; the caller commits."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _count(self) -> int:
        return int(self._counter.read_text()) if self._counter.exists() else 0
