"""What simulations took, a line each: nothing that is computed depends on it."""

import json
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from localcal.jobs.usage import peak_mb
from localcal.sweeps.cells import Cell

SUFFIX = ".stats.jsonl"


class Took(NamedTuple):
    """What simulations took.

    Attributes:
        seconds: each, without what was done before the first.
        seconds_to_begin: what was done once before the first: files read, and the simulation
            without a reform whose values the others share.
        peak_mb: the most memory that the process had, in 10^6 bytes.
    """

    seconds: float
    seconds_to_begin: float
    peak_mb: int


def add_stats(
    path: Path, cell: Cell, made: str, together: int, seconds: float, seconds_to_begin: float
) -> None:
    """Add a line of what a simulation took.

    Args:
        path: the file of lines.
        cell: the simulation.
        made: the name of its file among the finished ones.
        together: how many households were simulated at a time.
        seconds: how long it took.
        seconds_to_begin: how long that took which it shares with the others of its area and draw.
    """
    line = {
        "set_id": cell.set_id,
        "area": cell.area,
        "seed_idx": cell.seed_idx,
        "file": made,
        "households_together": together,
        "seconds": round(seconds, 3),
        "seconds_to_begin": round(seconds_to_begin, 3),
        "peak_mb": peak_mb(),
        "host": socket.gethostname(),
        "process": os.getpid(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            # A line that was cut short when its process was killed stays alone.
            file.write(b"\n" if file.read(1) != b"\n" else b"")
        file.write(f"{json.dumps(line, sort_keys=True)}\n".encode())


def read_stats(paths: Iterable[Path], together: int) -> dict[str, Took]:
    """Return what simulations of so many households at a time took, by their files' names.

    Of one that was made several times, the last counts.
    """
    found = {}
    for path in paths:
        for text in path.read_text().splitlines() if path.exists() else ():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue  # cut short, so nobody knows what it took
            # Lines of former versions do not say how long it took to begin.
            if line["households_together"] == together and "seconds_to_begin" in line:
                found[line["file"]] = Took(*(line[name] for name in Took._fields))
    return found
