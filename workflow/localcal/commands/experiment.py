"""`localcal experiment RUN --vary VARIABLE A B`: which of two ways takes more, on a run's data?"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from localcal.errors import InputError

NAME = "experiment"
ABOUT = "measure two ways to build a run's chunks in turn, or compare two such results"

REFUSED, NO_DATA = 2, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the run and what to vary, or two results."""
    parser.add_argument("run", nargs="?", help="such as demo; it needs its plan, matrix/plan.json")
    parser.add_argument("--runs", default="runs", help="the folder of runs (runs), on this machine")
    parser.add_argument(
        "--vary",
        nargs="+",
        action="append",
        default=[],
        metavar="WORD",
        help="what differs: work (simulate, simulate+evaluate, simulate+evaluate+write), targets "
        "(all, or how many), chunk-columns, process (warm, cold) or workers; then its value in A "
        "and its value in B. With --compare the one condition that may differ, such as code, "
        "packages, machine or data",
    )
    parser.add_argument(
        "--hold",
        action="append",
        default=[],
        metavar="VARIABLE=VALUE",
        help="another value in both arms than that of the run's own jobs",
    )
    parser.add_argument("--columns", type=_count, help="how many both arms do, from the first on")
    parser.add_argument(
        "--repeat", type=_count, help="pairs that count (5; 3 where the model is loaded for each)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the order and the targets (0)")
    parser.add_argument("--engine", help="another than the run's, as module:Class")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write everything here, as JSON"
    )
    parser.add_argument(
        "--compare", nargs=2, type=Path, metavar="FILE", help="compare two such files instead"
    )
    parser.add_argument("--json", action="store_true", help="everything, as JSON")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no integer of at least 1")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Print it; 2 where like is not compared with like, 3 where the run has no plan yet."""
    from localcal.experiments.refusal import NoData, Refused

    try:
        return _compare(options) if options.compare else _measure(options)
    except Refused as refused:
        for reason in refused.reasons:
            sys.stderr.write(f"error: {reason}\n")
        return REFUSED
    except NoData as error:
        sys.stderr.write(f"error: {error}\n")
        return NO_DATA
    except MemoryError as error:
        raise InputError(
            f"out of memory: {error}; take fewer --columns, smaller chunks or fewer workers"
        ) from error


def _measure(options: argparse.Namespace) -> int:
    from localcal.experiments.experiment import find_source, make
    from localcal.experiments.settings import design
    from localcal.experiments.show import as_text
    from localcal.experiments.stored import content
    from localcal.files.atomic import write_json

    folder = _folder(options)
    source = find_source(folder)
    wanted = design(
        source.plan, options.vary, options.hold, options.columns, options.repeat, options.seed
    )
    result = make(source, wanted, options.engine or _engine(folder), _say)
    found = content(result)
    if options.output is not None:
        write_json(options.output, found)
    sys.stdout.write(_as_json(found) if options.json else as_text(result))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from localcal.experiments.refusal import Refused
    from localcal.experiments.show import comparison_as_text
    from localcal.experiments.stored import results_compared, told

    words = [word for given in options.vary for word in given]
    if options.run is not None or len(words) > 1:
        raise Refused(["--compare takes two files, and at most one condition after --vary"])
    first, second = options.compare
    found, notes = results_compared(first, second, words[0] if words else None)
    content = {"comparisons": list(map(told, found)), "notes": notes}
    sys.stdout.write(_as_json(content) if options.json else comparison_as_text(found, notes))
    return 0


def _folder(options: argparse.Namespace) -> Path:
    from localcal.experiments.refusal import Refused
    from localcal.status.folder import LocalRuns
    from localcal.status.watch import find_run

    if options.run is None:
        raise Refused(["name a run, or two results after --compare"])
    runs, name = find_run(options.runs, options.run)
    if not isinstance(runs, LocalRuns):
        raise Refused([f"{options.runs}: not on this machine; fetch the run, or measure there"])
    return runs.folder / name


def _engine(run: Path) -> str:
    """Return the model that a run was made with."""
    from localcal.run.provenance import read_state

    engine = read_state(run).get("config.engine")
    if not isinstance(engine, str):
        raise InputError(f"{run}: does not say with which model it was made; add --engine")
    return engine


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _as_json(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1, sort_keys=True, allow_nan=False) + "\n"
