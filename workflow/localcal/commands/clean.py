"""`localcal clean`: remove old runs."""

import argparse
import functools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from localcal.errors import InputError
from localcal.status.clean import Candidate, candidates, erase, leftovers, remove, seconds_of
from localcal.status.folder import LocalRuns
from localcal.status.volume import SCHEME, VolumeLeftovers
from localcal.status.words import ago, aligned, megabytes

NAME = "clean"
GOES, GONE = "would be removed", "removed"
ABOUT = (
    "remove old runs: never one that was staged or published, that a process works on, or that a "
    "link leads to; says what it would do unless it is told --yes"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the folder of runs, and which of them are old."""
    parser.add_argument(
        "--runs",
        default="runs",
        help="the folder of runs (runs), or modal://VOLUME: what dead coordinators have left there",
    )
    parser.add_argument(
        "--older-than", metavar="AGE", help="runs in which nothing was written for 12h, 30d or 8w"
    )
    parser.add_argument("--keep", type=_count, metavar="N", help="all but the newest N runs")
    parser.add_argument("--yes", action="store_true", help="do it")


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of runs")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Print what becomes of each run, and with --yes remove those that go; 1 where one cannot."""
    older_than = None if options.older_than is None else seconds_of(options.older_than)
    if options.runs.startswith(SCHEME):
        return _clean_volume(options, older_than)
    runs, now = LocalRuns(options.runs), time.time()
    found = candidates(runs, now, older_than, options.keep)
    rest = leftovers(runs)
    errors: list[InputError] = []
    if options.yes:
        for path in rest:
            _try(erase, path, errors)
    rows = [(one, _outcome(runs, one, options.yes, errors)) for one in found]
    sys.stdout.write(_text(rows, rest, now, options.yes))
    for error in errors:
        sys.stderr.write(f"error: {error}\n")
    return int(bool(errors))


def _clean_volume(options: argparse.Namespace, older_than: float | None) -> int:
    """Remove what dead coordinators have left on a volume, but no run."""
    if options.keep is not None:
        volume = options.runs.removeprefix(SCHEME).partition("/")[0]
        raise InputError(
            f"{options.runs}: --keep is about runs, and those of a volume are removed by name: "
            f"modal volume rm -r {volume} runs/RUN"
        )
    now = time.time()
    left = VolumeLeftovers(options.runs, now, older_than)
    errors: list[InputError] = []
    table = [("FILE", "SIZE", "WRITTEN", "WHAT", "")]
    for path, size, written, what in left.found:
        outcome = GOES
        if options.yes:
            outcome = GONE if _try(left.remove, path, errors) else "not removed"
        table.append((path, megabytes(size), ago(written, now), what, outcome))
    size = megabytes(sum(size for _, size, _, _ in left.found))
    hint = "; add --yes to do it" if left.found and not options.yes else ""
    lines = [aligned(table)] if left.found else []
    lines.append(f"{len(left.found)} files, {size}: {GONE if options.yes else GOES}{hint}")
    sys.stdout.write("\n".join(lines) + "\n")
    for error in errors:
        sys.stderr.write(f"error: {error}\n")
    return int(bool(errors))


def _outcome(runs: LocalRuns, one: Candidate, yes: bool, errors: list[InputError]) -> str:
    if one.kept is not None:
        return f"kept: {one.kept}"
    if not yes:
        return GOES
    return GONE if _try(functools.partial(remove, runs), one, errors) else "not removed"


def _try[T](work: Callable[[T], None], what: T, errors: list[InputError]) -> bool:
    """Do something; one run that cannot be removed keeps none of the others."""
    try:
        work(what)
    except InputError as error:
        errors.append(error)
        return False
    return True


def _text(
    rows: Sequence[tuple[Candidate, str]], rest: Sequence[Path], now: float, yes: bool
) -> str:
    table = [("RUN", "SIZE", "WRITTEN", "")]
    table += [
        (one.run, megabytes(one.size), ago(one.written, now), outcome) for one, outcome in rows
    ]
    lines = [aligned(table)] if rows else ["no runs"]
    outcome = GONE if yes else GOES
    lines += [f"{path.name}: left of a removal that was cut short; {outcome}" for path in rest]
    chosen = [one for one, became in rows if became in (GOES, GONE)]
    size = megabytes(sum(one.size for one in chosen))
    hint = "; add --yes to do it" if (chosen or rest) and not yes else ""
    lines.append(f"{len(chosen)} of {len(rows)}, {size}: {outcome}{hint}")
    return "\n".join(lines) + "\n"
