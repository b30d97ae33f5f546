"""`artifacts`: a link beside `runs/` to the products of the run that was completed last.

For whoever wants the newest of everything under one name. No rule writes to it or reads it.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from localcal.errors import InputError

LINK = "artifacts"


def link_completed(folder: str | Path, wanted: Iterable[str], link: str | Path = LINK) -> bool:
    """Have the link lead to a run that is complete; whoever reads it meets the old run or the new.

    Args:
        folder: the run's.
        wanted: all files that a complete run has.
        link: the link; it may be missing.

    Returns:
        Whether the link leads to the run now; where a file is missing, it stays what it was.

    Raises:
        InputError: something else than a link has its name.
        OSError: it cannot be written.
    """
    link = Path(link)
    if not all(map(os.path.exists, wanted)):
        return False
    if link.exists() and not link.is_symlink():
        raise InputError(
            f"{link}: is no link, so it is left alone and does not lead to {folder}; rename it"
        )
    # Relative, so that the two may be moved together.
    target = os.path.relpath(folder, link.parent)
    if link.is_symlink() and str(link.readlink()) == target:
        return True
    # Another run may be completed at the same time.
    part = link.with_name(f"{link.name}.{os.getpid()}.part")
    try:
        part.symlink_to(target)
        part.replace(link)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return True
