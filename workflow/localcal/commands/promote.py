"""`localcal promote RUN`: make a staged run the release that everybody reads."""

import argparse
import sys
from pathlib import Path

from localcal.commands.stage import made, named
from localcal.errors import InputError
from localcal.files.documents import read_json
from localcal.run.launch import RUNS, is_here

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
    """Promote a run and say what is published; the exit status is Snakemake's.

    Raises:
        InputError: there is no such run, or it was not staged.
    """
    name = named(options.run)
    folder = Path(RUNS, name)
    if is_here(options.others):
        from localcal.release.complete import refuse_unknown

        refuse_unknown(folder)
        receipt = folder / "release" / "staged.json"
        if not receipt.exists():
            words = f"{receipt}: no such file; run `localcal stage {name}` first"
            raise InputError(words)
    receipt = folder / "release" / "promoted.json"
    before = _written(receipt)
    rules = ["promote_run", "run_hook"]
    # Whatever receipts there are: they may be of another version or repository, and where the last
    # promote failed Snakemake would be content with what became of the hook of the one before.
    forced = ["--forcerun", *rules, *options.others]
    status = made(name, "release/hook.json", rules, forced)
    if _written(receipt) not in (None, before):
        found = read_json(receipt, ("version", "repo_id", "commit"))
        sys.stdout.write(
            f"{found['repo_id']}: {found['version']} is run {name} (commit {found['commit']})\n"
        )
    return status


def _written(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None
