"""`localcal perf RUN`: where did the time and the memory of a run's jobs go?"""

import argparse
import sys

NAME = "perf"
ABOUT = "say where time and memory of a run's jobs went, what is conspicuous, and what to change"

STDIN = "-"
NO_DATA = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the run, or logs through a pipe."""
    parser.add_argument("run", help="such as demo; or - for logs of jobs on standard input")
    parser.add_argument(
        "--runs", default="runs", help="the folder of runs (runs), or modal://VOLUME"
    )
    parser.add_argument("--json", action="store_true", help="everything, as JSON")


def run(options: argparse.Namespace) -> int:
    """Print it; 3 where no log says what a job took."""
    from localcal.evidence.lines import read_lines, read_run
    from localcal.evidence.show import as_json, as_text
    from localcal.status.watch import find_run

    if options.run == STDIN:
        reading, place = read_lines(sys.stdin), "standard input"
    else:
        runs, name = find_run(options.runs, options.run)
        reading, place = read_run(runs, name), f"{runs.name}/{name}"
    if reading.is_empty:
        sys.stderr.write(
            f"error: {place}: no log says what a job took ({len(reading.silent)} logs without "
            f"figures, {len(reading.damaged)} damaged lines); look again when a job has ended\n"
        )
        return NO_DATA
    sys.stdout.write(as_json(reading) if options.json else as_text(reading))
    return 0
