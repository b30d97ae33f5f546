"""The command `localcal`, for what is no file that Snakemake could make."""

import argparse
import sys
from collections.abc import Sequence
from typing import Protocol

from localcal.commands import clean, diff, status, verify
from localcal.errors import InputError


class Command(Protocol):
    """What a module of `localcal.commands` has."""

    NAME: str
    ABOUT: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say what the command is told."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it and return the exit status; raise InputError for what the user can mend."""


COMMANDS: list[Command] = [verify, status, diff, clean]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 1 where something is wrong, 2 for a bad call."""
    parser = argparse.ArgumentParser(prog="localcal", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        adding = commands.add_parser(command.NAME, help=command.ABOUT, description=command.ABOUT)
        command.add_arguments(adding)
        adding.set_defaults(run_command=command.run)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run_command(options)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return status
