"""What the benchmarks share: costs of work measured in a process of its own, and tables.

Times are taken in one process, memory in another, so that looking at memory costs no time.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
if str(REPOSITORY) not in sys.path:
    sys.path.append(str(REPOSITORY))  # for tests.workflow.conftest

SECONDS_BETWEEN_SAMPLES = 0.005


@dataclass(frozen=True)
class Cost:
    """What some work took; memory is in MB (10^6 bytes) over the start of the work.

    Attributes:
        cpu_seconds: CPU time of the process, all threads, per repeat.
        wall_seconds: wall time, per repeat.
        peak_rss_mb: the kernel's own peak of resident memory. Pages of memory-mapped files are
            in it, although the kernel takes them back when somebody needs the room.
        peak_private_mb: peak of anonymous memory, sampled: what nobody can take back.
        result: what the work returned.
    """

    cpu_seconds: list[float]
    wall_seconds: list[float]
    peak_rss_mb: float
    peak_private_mb: float
    result: object

    def figures(self, name: str) -> dict[str, float]:
        """Return everything as named figures."""
        return {
            **spread(f"{name}_cpu_seconds", self.cpu_seconds),
            **spread(f"{name}_wall_seconds", self.wall_seconds),
            f"{name}_peak_rss_over_start_mb": self.peak_rss_mb,
            f"{name}_peak_private_over_start_mb": self.peak_private_mb,
        }

    def cells(self) -> list[str]:
        """Return everything as cells of a table with the titles COST_TITLES."""
        return [
            with_spread(self.cpu_seconds),
            with_spread(self.wall_seconds),
            f"{self.peak_rss_mb:.0f}",
            f"{self.peak_private_mb:.0f}",
        ]


COST_TITLES = ["CPU s (range)", "wall s (range)", "peak RSS MB", "peak private MB"]


def measure(work: Callable, *arguments: object, repeats: int = 1) -> Cost:
    """Call a function of a module in fresh processes: `repeats` times timed, once watched."""
    timed = [in_new_process(_timed, work, arguments) for _ in range(repeats)]
    watched = in_new_process(_watched, work, arguments)
    cpu_seconds, wall_seconds, results = (list(values) for values in zip(*timed, strict=True))
    return Cost(cpu_seconds, wall_seconds, *watched, results[-1])


def call_in_new_process(work: Callable, *arguments: object) -> object:
    """Call a function of a module in a fresh process and return what it returns."""
    return in_new_process(_called, work, arguments)


def _called(work: Callable, arguments: tuple) -> object:
    return work(*arguments)


def in_new_process(
    how: Callable, work: Callable, arguments: tuple, method: str = "spawn"
) -> object:
    """Return `how(work, arguments)` of a process of its own, started by `method`."""
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, how, work, arguments))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        raise SystemExit(f"error: the process of {work.__name__} failed") from None
    finally:
        process.join()


def _answer(connection, how: Callable, work: Callable, arguments: tuple) -> None:
    connection.send(how(work, arguments))


def _timed(work: Callable, arguments: tuple) -> tuple[float, float, object]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work(*arguments)
    return time.process_time() - cpu, time.perf_counter() - wall, result


def _watched(work: Callable, arguments: tuple) -> tuple[float, float]:
    """Return by how much resident and anonymous memory rose over the start."""
    # Has the kernel forget the peak of starting Python. (ru_maxrss cannot be reset and is
    # inherited from the parent process.)
    Path("/proc/self/clear_refs").write_text("5")
    rss = _kilobytes("status", "VmRSS")
    private = highest = _kilobytes("smaps_rollup", "Anonymous")
    done = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(SECONDS_BETWEEN_SAMPLES):
            highest = max(highest, _kilobytes("smaps_rollup", "Anonymous"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work(*arguments)
    finally:
        done.set()
        watcher.join()
    return (_kilobytes("status", "VmHWM") - rss) * 1.024e-3, (highest - private) * 1.024e-3


def _kilobytes(file: str, name: str) -> int:
    for line in Path("/proc/self", file).read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"/proc/self/{file} has no {name}")


def spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """Return median, least and greatest value as named figures; the median has the plain name."""
    return {
        name: statistics.median(values),
        f"{name}_min": min(values),
        f"{name}_max": max(values),
    }


def ratio(mine: float, its: float) -> float | None:
    """Return mine / its; None where the other is zero, as memory is for tiny sizes."""
    return mine / its if its else None


def as_text(number: float | None) -> str:
    """Return a number, or None, as a cell."""
    return "-" if number is None else f"{number:.2f}"


def with_spread(values: Sequence[float]) -> str:
    """Return the median and, of several values, the range."""
    median = f"{statistics.median(values):.2f}"
    return f"{median} ({min(values):.2f}-{max(values):.2f})" if len(values) > 1 else median


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    parsed = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parsed.add_argument("--json", action="store_true", help="print one JSON object of figures")
    parsed.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    return parsed


@contextmanager
def temporary_folder():
    """Yield a folder for large files, below TMPDIR, that is removed in the end."""
    with tempfile.TemporaryDirectory(prefix="localcal_benchmark_") as folder:
        yield Path(folder)


def report(
    as_json: bool, figures: dict[str, object], titles: list[str], rows: list[list], notes: list[str]
) -> None:
    """Print either the figures as one JSON object or the table and notes below it."""
    if as_json:
        print(json.dumps(figures, allow_nan=False))
        return
    lines = [titles, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for line in lines:
        first, *others = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        print("  ".join([line[0].ljust(len(first)), *others]))
    for note in notes:
        print(note)
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
