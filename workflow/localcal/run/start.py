"""The start of a run: what is refused before anything is written, and what is written then.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from localcal.errors import InputError, one_line
from localcal.files.limits import limit_of
from localcal.run.identity import changes as changes_of_checkout
from localcal.run.identity import read_checkout
from localcal.run.lock import LOCK_FILE, take_lock
from localcal.run.provenance import (
    HISTORY_FILE,
    RUN_FILE,
    differences,
    products,
    record_changes,
    refuse_changes,
    refuse_orphans,
)
from localcal.run.since import SINCE_FILE, made_so_far, record_since

RECORD_FILES = (RUN_FILE, HISTORY_FILE, SINCE_FILE)


def refuse_foreign(folder: str | Path) -> None:
    """Refuse a run's folder through which something outside of it would be written or read.

    Whoever is handed a run would otherwise overwrite files of their own, whose names the one who
    made it has chosen. The folder itself may be a link.

    Raises:
        InputError: it holds a link that leads out of it, or what is neither a file nor a folder;
            or it cannot be looked through.
    """
    inside = os.path.join(os.path.realpath(folder), "")  # noqa: PTH118 - must end with a slash
    for entry in _entries(folder):
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not target.startswith(inside):
                raise InputError(
                    f"{entry.path}: is a link to {target}, out of the run; remove it and run the "
                    "same command again"
                )
        elif not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            raise InputError(
                f"{entry.path}: is neither a file nor a folder; remove it and run the same "
                "command again"
            )


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """Yield everything below a folder but folders, without following links."""
    folders = [os.fspath(folder)]
    while folders:
        name = folders.pop()
        try:
            found = list(os.scandir(name))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(f"{name}: {limit_of(error) or one_line(error)}") from error
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                yield entry


def start_run(
    folder: str | Path, state: Mapping[str, Any], present: Mapping[str, str] | None, amend: bool
) -> list[Path]:
    """Take the run's lock, and refuse or record what changed since the run was last started.

    Another commit or branch is recorded and never refused. git is asked once; at the first start
    the job that writes `run.json` asks it.

    Args:
        folder: where the run's record is.
        state: what config, given files and code are now.
        present: the digests of what rules are made with now, for a run in a storage; None for
            others.
        amend: whether the user allows config and given files to change.

    Returns:
        The files of the record to which something was added.

    Raises:
        InputError: another process works on the run, or config or given files differ from it.
    """
    folder = Path(folder)
    take_lock(folder)
    refuse_orphans(folder, products(folder))
    changes = differences(folder, state)
    refuse_changes(folder, changes, amend)
    recorded = None
    if present is not None:
        # First what decides which files are stale: after a death between the two, the next start
        # still finds the change.
        now = (folder / LOCK_FILE).stat().st_mtime
        entries = made_so_far(folder, present, bool(changes))
        recorded = record_since(folder, entries, present, now)
    # Not among the changes above: another commit alone makes no file stale.
    checkout = []
    if (folder / RUN_FILE).exists():
        checkout = changes_of_checkout(folder, read_checkout())
    history = record_changes(folder, [*checkout, *changes])
    return [path for path in (recorded, history) if path is not None]
