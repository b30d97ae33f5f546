"""`localcal stop RUN`: have the process that works on a run end."""

import argparse
import sys
from pathlib import Path

from localcal.errors import InputError
from localcal.run.launch import RUNS, check_run_id, locks_of, stop

NAME = "stop"
ABOUT = "end the Snakemake that works on a run, jobs included; the same command goes on later"

# Snakemake ends its jobs in seconds.
_SECONDS = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the run."""
    parser.add_argument("run", help="the run's id or folder, such as demo or runs/demo")


def run(options: argparse.Namespace) -> int:
    """End it; it is no error if nobody works on the run."""
    folder = Path(options.run)
    run_id = check_run_id(folder.name if folder.parent == Path(RUNS) else options.run)
    if not any(path.exists() for path in locks_of(run_id)):
        raise InputError(f"{RUNS}/{run_id}: no such run")
    if stop(run_id, _SECONDS):
        sys.stdout.write(f"run {run_id}: ended; `localcal run --resume {run_id}` goes on\n")
    else:
        sys.stdout.write(f"run {run_id}: no process works on it\n")
    return 0
