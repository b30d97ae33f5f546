"""`localcal status [RUN]`: which runs there are, how far they are, and what they took."""

import argparse

NAME = "status"
ABOUT = "say which runs there are, how far each is, what it took, and why it failed"

FILTERS = ("active", "stalled", "completed", "failed", "damaged")
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the run, the folder of runs, filters, and how to say it."""
    parser.add_argument("run", nargs="?", help="say everything about this run, such as demo")
    parser.add_argument(
        "--runs", default="runs", help="the folder of runs (runs), or modal://VOLUME"
    )
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
        "--every",
        type=_seconds,
        metavar="SECONDS",
        help="between two looks with --watch (5 on a terminal, else 60)",
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
    from localcal.status.watch import Question, say, watch

    question = Question(
        options.runs, options.run, frozenset(options.states or ()), options.promoted, options.json
    )
    if not options.watch:
        say(question)
        return 0
    try:
        return int(not watch(question, options.every))
    except KeyboardInterrupt:
        return INTERRUPTED
