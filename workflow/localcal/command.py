"""The command `localcal`, for what is no file that Snakemake could make."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from localcal.commands import (
    clean,
    diff,
    experiment,
    perf,
    pipeline,
    promote,
    rollback,
    run,
    stage,
    status,
    stop,
    verify,
)
from localcal.errors import InputError


class Command(Protocol):
    """What a module of `localcal.commands` has."""

    NAME: str
    ABOUT: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say what the command is told."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it and return the exit status; raise InputError for what the user can mend."""


COMMANDS: list[Command] = [
    run,
    pipeline,
    stop,
    status,
    perf,
    experiment,
    diff,
    verify,
    stage,
    promote,
    rollback,
    clean,
]


# Exit statuses as a shell has them of who was ended by Ctrl-C, or by a pipe that was closed.
INTERRUPTED, UNHEARD = 130, 141

# Of these, options that they do not know are Snakemake's.
PASSING_ON = frozenset({run.NAME, pipeline.NAME, stage.NAME, promote.NAME})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 1 where something is wrong, 2 for a bad call."""
    parser = argparse.ArgumentParser(prog="localcal", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        # Abbreviated, an option of Snakemake's could be taken for one of ours.
        adding = commands.add_parser(
            command.NAME, help=command.ABOUT, description=command.ABOUT, allow_abbrev=False
        )
        command.add_arguments(adding)
        adding.set_defaults(run_command=command.run)
    options, others = parser.parse_known_args(arguments)
    options.others = others
    if others and options.command not in PASSING_ON:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    try:
        status: int = options.run_command(options)
        # What is left to say is said here, where it can be seen that nobody listens.
        sys.stdout.flush()
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # As of `| head`: whoever listened has heard enough. Python would flush once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNHEARD
    return status


if __name__ == "__main__":
    sys.exit(main())
