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
        seconds: all of them, without what was read before.
        peak_mb: the most memory that the process had, in 10^6 bytes.
    """

    seconds: float
    peak_mb: int


def add_stats(path: Path, cell: Cell, made: str, together: int, seconds: float) -> None:
    """Add a line of what a simulation took.

    Args:
        path: the file of lines.
        cell: the simulation.
        made: the name of its file among the finished ones.
        together: how many households were simulated at a time.
        seconds: how long it took.
    """
    line = {
        "set_id": cell.set_id,
        "area": cell.area,
        "seed_idx": cell.seed_idx,
        "file": made,
        "households_together": together,
        "seconds": round(seconds, 3),
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
            if line["households_together"] == together:
                found[line["file"]] = Took(line["seconds"], line["peak_mb"])
    return found
