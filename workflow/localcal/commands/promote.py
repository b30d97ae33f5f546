"""`localcal promote RUN`: make a staged run the release that everybody reads."""

import argparse
from pathlib import Path

from localcal.commands.stage import is_here, made, named
from localcal.errors import InputError
from localcal.run.launch import RUNS

NAME = "promote"
ABOUT = (
    "make a staged run the release that everybody reads, and run the config's hook then; options "
    "that are not listed here are Snakemake's"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the run; the rest is Snakemake's."""
    parser.usage = f"{parser.prog} RUN [options of Snakemake]"
    parser.add_argument("run", help="the run's name or folder")


def run(options: argparse.Namespace) -> int:
    """Promote a run; the exit status is Snakemake's.

    Raises:
        InputError: there is no such run, or it was not staged.
    """
    name = named(options.run)
    if is_here(options.others):
        from localcal.release.complete import refuse_unknown

        refuse_unknown(Path(RUNS, name))
        receipt = Path(RUNS, name, "release", "staged.json")
        if not receipt.exists():
            words = f"{receipt}: no such file; run `localcal stage {name}` first"
            raise InputError(words)
    return made(name, "release/hook.json", ["promote_run", "run_hook"], options.others)
