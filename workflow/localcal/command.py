"""The command `localcal`, for what is no file that Snakemake could make."""

import argparse
import sys
from collections.abc import Sequence

from localcal.errors import InputError
from localcal.run.verify import WHOLE, table, verify


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 1 where something is wrong, 2 for a bad call."""
    parser = argparse.ArgumentParser(prog="localcal", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    about = "say which files of a run are what was made"
    verifying = commands.add_parser("verify", help=about, description=about)
    verifying.add_argument("run", help="the run's folder, such as runs/demo")
    options = parser.parse_args(arguments)
    try:
        found = list(verify(options.run))
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{table(found)}\n")
    return int(any(verdict != WHOLE for _, verdict in found))
