"""Is every file of a run what was made? `localcal verify runs/demo` says it, file by file."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from localcal.errors import InputError
from localcal.files.made import (
    Made,
    is_outdated,
    read_made,
    record_path,
    record_paths,
    refuse_changed,
)
from localcal.run.provenance import RUN_FILE, products, read_state

WHOLE = "as made"
DAMAGED = "damaged"
MISSING = "missing"
UNKNOWN = "without a record"
OUTDATED = "made from other files"

REMEDIES = {
    DAMAGED: "remove it, and the same command makes it anew",
    MISSING: "the same command makes it anew",
    UNKNOWN: "remove it, and the same command makes it anew if the run needs it",
    OUTDATED: "the same command makes it anew",
}


def verify(run: str | Path) -> Iterator[tuple[str, str]]:
    """Yield each file of a run, by its path below the run's folder, and what became of it.

    Args:
        run: the run's folder.

    Raises:
        InputError: it is no run, or its own record is damaged.
    """
    folder = Path(run)
    if not (folder / RUN_FILE).is_file():
        raise InputError(f"{folder}: holds no {RUN_FILE}; name a run's folder, such as runs/demo")
    read_state(folder)
    yield RUN_FILE, WHOLE
    records = {}
    for path in record_paths(folder):
        try:
            made = read_made(path)
        except InputError:
            yield path.relative_to(folder).as_posix(), DAMAGED
        else:
            records[made.file] = made
    for name, made in records.items():
        yield name, _verdict(folder, made, records)
    yield from ((name, UNKNOWN) for name in _unknown(folder))


def _verdict(folder: Path, made: Made, records: dict[str, Made]) -> str:
    path = folder / made.file
    if not path.exists():
        return MISSING
    try:
        refuse_changed(path, made)
    except InputError:
        return DAMAGED
    return OUTDATED if is_outdated(made, records) else WHOLE


def _unknown(folder: Path) -> Iterator[str]:
    """Yield the files that have no record at all."""
    run = os.fspath(folder)
    for path in sorted(products(folder)):
        if not Path(record_path(path, run)).exists():
            yield Path(path).relative_to(folder).as_posix()


def table(found: list[tuple[str, str]]) -> str:
    """Return what was found as text: every file that is not what was made, then counts."""
    wrong = [(name, verdict) for name, verdict in found if verdict != WHOLE]
    width = max((len(name) for name, _ in wrong), default=0)
    lines = [f"{name:{width}}  {verdict}; {REMEDIES[verdict]}" for name, verdict in wrong]
    counts = Counter(verdict for _, verdict in found)
    lines.append(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return "\n".join(lines)
