"""`localcal status [RUN]`: which runs there are, how far they are, and what they took."""

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from localcal.errors import InputError, near
from localcal.status.folder import LocalRuns
from localcal.status.look import (
    ACTIVE,
    COMPLETED,
    DAMAGED,
    FAILED,
    QUIET_SECONDS,
    STALLED,
    Looker,
    RunStatus,
)
from localcal.status.receipts import STAGED
from localcal.status.show import as_json, as_line, as_page, as_table
from localcal.status.tables import LocalTables

NAME = "status"
ABOUT = "say which runs there are, how far each is, what it took, and why it failed"

FILTERS = (ACTIVE, STALLED, COMPLETED, FAILED, DAMAGED)
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the run, the folder of runs, filters, and how to say it."""
    parser.add_argument("run", nargs="?", help="say everything about this run, such as demo")
    parser.add_argument("--runs", default="runs", help="the folder of runs (runs)")
    for state in FILTERS:
        parser.add_argument(
            f"--{state}",
            dest="states",
            action="append_const",
            const=state,
            help=f"only runs that are {state}",
        )
    parser.add_argument(
        "--promoted", action="store_true", help="only runs of which a release was made"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="say it again until the run has ended, or none is active any more; the exit status "
        "is 0 where it is completed",
    )
    parser.add_argument(
        "--every", type=_seconds, default=5.0, help="seconds between two looks with --watch (5)"
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def run(options: argparse.Namespace) -> int:
    """Print it; 1 where a run that was watched did not end well."""
    runs, name = _named(options.runs, options.run)
    looker = Looker(runs, LocalTables(Path(options.runs).resolve().parent), QUIET_SECONDS)
    look = _Look(runs, looker, name, options)
    if options.watch:
        try:
            return _watch(look, options)
        except KeyboardInterrupt:
            return INTERRUPTED
    found = list(look.now())
    sys.stdout.write(_text(found, name, options))
    return 0


def _named(folder: str, run: str | None) -> tuple[LocalRuns, str | None]:
    """Return the folder of runs and the run in it, which may be told with its folder."""
    runs = LocalRuns(folder)
    if run is None:
        return runs, None
    name = Path(run).name
    if name not in runs.names():
        raise InputError(f"{folder}/{name}: no such run{near(name, runs.names())}")
    return runs, name


class _Look:
    """What is asked for, as often as it is."""

    def __init__(
        self, runs: LocalRuns, looker: Looker, name: str | None, options: argparse.Namespace
    ) -> None:
        self._runs, self._looker, self._name, self._options = runs, looker, name, options

    def now(self) -> Iterator[RunStatus]:
        """Yield the runs as they are now."""
        names = self._runs.names() if self._name is None else [self._name]
        for name in names:
            found = self._looker.look(name, time.time(), with_logs=self._name is not None)
            if self._name is not None or self._is_wanted(found):
                yield found

    def is_held(self, run: str) -> bool:
        """Say whether a process works on a run."""
        return self._runs.is_held(run)

    def _is_wanted(self, found: RunStatus) -> bool:
        states = self._options.states
        if states and found.state not in states:
            return False
        released = found.release is not None and found.release.state != STAGED
        return released or not self._options.promoted


def _text(found: list[RunStatus], name: str | None, options: argparse.Namespace) -> str:
    if options.json:
        return as_json(found)
    now = time.time()
    return f"{as_table(found, now) if name is None else as_page(found[0], now)}\n"


def _watch(look: _Look, options: argparse.Namespace) -> int:
    """Show it until the end: in place on a terminal, else a line whenever something is new."""
    in_place = sys.stdout.isatty() and not options.json
    watched: set[str] = set()
    last: list[str] = []
    while True:
        found = list(look.now())
        watched |= {one.run for one in found if one.state == ACTIVE or options.run is not None}
        if in_place:
            _refresh(_text(found, options.run, options))
        else:
            lines = [as_json(found)] if options.json else [f"{as_line(one)}\n" for one in found]
            sys.stdout.write("".join(line for line in lines if line not in last))
            sys.stdout.flush()
            last = lines
        if not any(_goes_on(one, look) for one in found):
            ends = [one for one in found if one.run in watched]
            return int(any(one.state != COMPLETED for one in ends))
        time.sleep(options.every)


def _goes_on(found: RunStatus, look: _Look) -> bool:
    # A process that holds a run and has been quiet may still come to its end.
    return found.state == ACTIVE or (found.state == STALLED and look.is_held(found.run))


def _refresh(text: str) -> None:
    """Write over the terminal from its top left, with what it has room for."""
    size = shutil.get_terminal_size()
    lines = [line[: size.columns] for line in text.splitlines()[: size.lines - 1]]
    sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
    sys.stdout.flush()
