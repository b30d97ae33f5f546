"""`localcal verify RUN`: is every file of a run what was made?"""

import argparse
import sys

from localcal.run.verify import WHOLE, table, verify

NAME = "verify"
ABOUT = "say which files of a run are what was made"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the run."""
    parser.add_argument("run", help="the run's folder, such as runs/demo")


def run(options: argparse.Namespace) -> int:
    """Print every file that is not what was made, and counts; 1 where there is one."""
    found = list(verify(options.run))
    sys.stdout.write(f"{table(found)}\n")
    return int(any(verdict != WHOLE for _, verdict in found))
