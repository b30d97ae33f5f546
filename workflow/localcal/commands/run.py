"""`localcal run`: Snakemake, for a run that has a name."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from localcal.errors import InputError, near
from localcal.run.identity import new_run_id, read_checkout, refuse_other_code, version_of
from localcal.run.launch import (
    LOG_FILE,
    MODAL,
    RUNS,
    check_run_id,
    config_of_profiles,
    detach,
    executor_of,
    given_run_id,
    is_here,
    locks_of,
    snakemake,
    snakemake_of,
    start_on_modal,
    with_config,
)
from localcal.run.lock import LOCK_FILE

NAME = "run"
ABOUT = (
    "make a run with Snakemake: a new one, or the one named by --resume or --config run_id=...; "
    "all options that are not listed here, and files to make, are Snakemake's"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what is the launcher's own; the rest is Snakemake's."""
    parser.usage = f"{parser.prog} [options] [options and files of Snakemake]"
    parser.add_argument(
        "--resume", metavar="RUN", help="go on with this run, with the same options otherwise"
    )
    parser.add_argument(
        "--detach",
        action="store_true",
        help="return at once; the run goes on without this terminal, and with --profile modal "
        "without this machine",
    )
    parser.add_argument("--branch", metavar="NAME", help="refuse if the checkout is on another")
    parser.add_argument(
        "--commit",
        metavar="SHA",
        help="refuse if the checkout is another, or holds changes that are not in it",
    )


def run(options: argparse.Namespace) -> int:
    """Make a run; the exit status is Snakemake's."""
    return make(options, options.others)


def make(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Make a run with given arguments for Snakemake, and say its name first and last.

    Args:
        options: what `add_arguments` takes.
        arguments: Snakemake's.

    Raises:
        InputError: the run is unknown or another process works on it, or the checkout is not what
            is asked for.
    """
    refuse_other_code(read_checkout(), options.branch, options.commit)
    run_id, arguments = _named(arguments, options.resume)
    _say(f"run {run_id}")
    if options.detach:
        return _detached(run_id, arguments)
    status = snakemake(arguments)
    _say(f"run {run_id}: Snakemake ended with status {status}{_advice(run_id, status)}")
    return status


def _named(arguments: Sequence[str], resumed: str | None) -> tuple[str, list[str]]:
    """Return a run's name, and Snakemake's arguments with it."""
    given = given_run_id(arguments)
    if given is None and resumed is None:
        given = given_run_id(["--config", *config_of_profiles(arguments)])
    if given is not None and resumed not in (None, given):
        raise InputError(f"--resume: {resumed} is not {given}, the run_id of --config; name one")
    if resumed is not None:
        _refuse_unknown(check_run_id(resumed), arguments)
    if given is not None:
        return check_run_id(given), list(arguments)
    name = resumed or new_run_id(version_of(), read_checkout().commit, datetime.now(UTC))
    return name, with_config(arguments, [f"run_id={name}"])


def _refuse_unknown(run_id: str, arguments: Sequence[str]) -> None:
    """Refuse to go on with a run that is not there; of one in a storage, Snakemake knows."""
    if not is_here(arguments) or Path(RUNS, run_id).exists():
        return
    known = sorted(path.name for path in Path(RUNS).glob("*"))
    raise InputError(
        f"{RUNS}/{run_id}: no such run{near(run_id, known)}; name one that is there, or leave "
        "--resume out to begin a new one"
    )


def _detached(run_id: str, arguments: Sequence[str]) -> int:
    if executor_of(arguments) == MODAL:
        return start_on_modal(run_id, arguments)
    ended = detach(run_id, ["run", *arguments])
    if ended is not None:
        # Which names the run first and last, too.
        sys.stdout.write(ended.said.removeprefix(f"run {run_id}\n"))
        return ended.status
    _say(f"  output  {RUNS}/{run_id}/{LOG_FILE}")
    _say(f"  follow  localcal status {run_id} --watch")
    _say(f"  end     localcal stop {run_id}")
    _say(f"  go on   localcal run --resume {run_id}, with the same options, after any death")
    begun = "goes on" if snakemake_of(run_id) is not None else "has not begun yet, but will"
    _say(f"run {run_id}: {begun} without this terminal")
    return 0


def _advice(run_id: str, status: int) -> str:
    """Say how to go on, unless nothing has begun."""
    if status == 0 or not any((folder / LOCK_FILE).exists() for folder in locks_of(run_id)):
        return ""
    return f"; `localcal run --resume {run_id}` with the same options goes on"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
