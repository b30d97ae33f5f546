"""What dead and ended coordinators have left on a volume, and nobody needs any more.

A coordinator that ends removes its sources' archive and its records; one that is killed cannot.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from snakemake_executor_plugin_modal.records import CALLS, FOLDER

DAY = 24 * 3600

ARCHIVE = re.compile(r"snakemake-workflow-sources\.[0-9a-f]{64}\.tar\.xz")

UNTOLD = 3600
"""Seconds within which a coordinator that has put its archive there may not yet have said so."""

CALL_SECONDS = DAY
"""The longest that a call goes on: so long a dead coordinator's may need what it was sent."""

STARTS = 3
"""How often a call is begun."""

ENDED = ("completed", "failed", "stopped")


class Entry(Protocol):
    """Size in bytes and time in seconds since 1970 of a file."""

    @property
    def size(self) -> int: ...

    @property
    def mtime(self) -> int: ...


@dataclass(frozen=True)
class Leftover:
    """A file that may go, and what it is."""

    path: str
    size: int
    mtime: int
    what: str


def records_of(files: Iterable[str]) -> list[str]:
    """The files whose contents `leftovers` has to know."""
    return sorted(
        path for path in files if path.startswith(f"{FOLDER}/") and path.endswith(".json")
    )


def leftovers(
    files: Mapping[str, Entry], contents: Mapping[str, bytes], now: float, age: float = 0.0
) -> list[Leftover]:
    """What may go, by path.

    Args:
        files: all that is on the volume.
        contents: those that `records_of` names; one that cannot be read is left alone.
        now: seconds since 1970.
        age: what was written since so many seconds stays, whatever it is.
    """
    parsed = {path: parse(content) for path, content in contents.items()}
    records = {path: found for path, found in parsed.items() if "calls" in found}
    live = {path for path in records if now - files[path].mtime <= CALL_SECONDS}
    archives = {records[path].get("archive", "").rpartition("/")[2] for path in live}
    calls = {call for path in live for call in records[path]["calls"].values()}
    ended = {
        path.rpartition("/")[0]
        for path, found in parsed.items()
        if path.endswith("/state.json") and found.get("state") in ENDED
    }

    def rules(path: str) -> Iterator[tuple[str, float, Callable[[], bool]]]:
        name = path.rpartition("/")[2]
        if ARCHIVE.fullmatch(name):
            yield "sources of jobs", UNTOLD, lambda: name not in archives
        if path in records:
            yield "record of a dead coordinator", CALL_SECONDS, lambda: path not in live
        if path.startswith(f"{CALLS}/"):
            starts = CALL_SECONDS * STARTS
            yield "counter of a call", starts, lambda: path.split("/")[2] not in calls
        if path.startswith(f"{FOLDER}/") and path.count("/") > FOLDER.count("/") + 1:
            yield "detached coordinator that ended", DAY, lambda: path.rpartition("/")[0] in ended

    found = []
    for path, entry in sorted(files.items()):
        for what, least, is_left in rules(path):
            if now - entry.mtime > max(least, age) and is_left():
                found.append(Leftover(path, entry.size, entry.mtime, what))
    return found


def parse(content: bytes) -> dict[str, Any]:
    """What a file says; nothing if that cannot be read."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
