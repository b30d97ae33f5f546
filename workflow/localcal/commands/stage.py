"""`localcal stage RUN`: put a run where its release can be made of it."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from localcal.run.launch import RUNS, check_run_id, is_here, snakemake, with_config

NAME = "stage"
ABOUT = (
    "put a complete run into the Hugging Face repository of the config, below staging/, where "
    "`localcal promote` can make it the release; options that are not listed here are Snakemake's"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the run; the rest is Snakemake's."""
    parser.usage = f"{parser.prog} RUN [options of Snakemake]"
    parser.add_argument("run", help="the run's name or folder")


def run(options: argparse.Namespace) -> int:
    """Stage a run; the exit status is Snakemake's.

    Raises:
        InputError: there is no such run, or it is not complete.
    """
    name = named(options.run)
    if is_here(options.others):
        from localcal.release.complete import refuse_incomplete, refuse_unknown

        refuse_unknown(Path(RUNS, name))
        refuse_incomplete(Path(RUNS, name))
    # Also where it was staged before: as another version, or into a repository that lost it.
    rules = ["stage_run"]
    return made(name, "release/staged.json", rules, ["--forcerun", *rules, *options.others])


def named(text: str) -> str:
    """Return the name of a run that is given by it, or by its folder.

    Raises:
        InputError: nothing can be called that.
    """
    path = Path(text)
    return check_run_id(path.name if path.parent.name == RUNS else text)


def made(name: str, file: str, rules: Sequence[str], arguments: Sequence[str]) -> int:
    """Have Snakemake make a file of a run, by some rules and no others.

    Args:
        name: the run's.
        file: its path below the run's folder.
        rules: those that may be used; a run that is to be released is left as it is.
        arguments: Snakemake's.

    Returns:
        Snakemake's exit status.
    """
    asked = [f"{RUNS}/{name}/{file}", "--allowed-rules", *rules]
    given = with_config(arguments, [f"run_id={name}"])
    begun = time.time()
    status = snakemake([*asked, "--cores", "1", *given])
    if status != 0:
        # Last of all, since Snakemake says much more about it.
        sys.stderr.writelines(f"{line}\n" for line in _errors(Path(RUNS, name), rules, begun))
    return status


def _errors(run: Path, rules: Sequence[str], begun: float) -> Iterator[str]:
    """Yield why jobs failed that were begun after a time, as their logs say."""
    for path in (run / "logs" / rule / f"{rule}.log" for rule in rules):
        # A file's time may be that of a clock that ticks less often.
        if path.is_file() and path.stat().st_mtime > begun - 1.0:
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from [line for line in text.splitlines() if line.startswith("error: ")][-1:]
