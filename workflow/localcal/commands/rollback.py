"""`localcal rollback RUN --version NEW`: publish an earlier run once more."""

import argparse
import logging
import sys
from pathlib import Path

from localcal.commands.stage import named
from localcal.run.launch import RUNS

NAME = "rollback"
ABOUT = (
    "publish what an earlier run was released with as a new version, without building or sending "
    "anything"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the run, the version and where the config is."""
    parser.add_argument("run", help="the run to go back to, its name or folder")
    parser.add_argument("--version", required=True, metavar="NEW", help="the version to publish")
    parser.add_argument(
        "--configfile",
        action="extend",
        nargs="+",
        default=[],
        metavar="FILE",
        help="configs over config/config.yaml, each over the ones before it",
    )


def run(options: argparse.Namespace) -> int:
    """Roll back and run the hook.

    Raises:
        InputError: the run was never released, or something stands against it.
    """
    from localcal.files.atomic import write_json
    from localcal.release.desk import Desk, read_settings
    from localcal.release.hook import run_hook
    from localcal.release.rollback import rollback

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    folder = Path(RUNS, named(options.run))
    files = [Path("config/config.yaml"), *map(Path, options.configfile)]
    desk = Desk(folder, read_settings(files, options.version))
    receipt = rollback(folder.name, options.version, desk.hub(), desk.copied)
    path = folder / "release" / f"rollback_{options.version}.json"
    write_json(path, receipt)
    sys.stdout.write(f"{desk.settings.repo_id}: {options.version} is run {folder.name} again\n")
    run_hook(desk.settings.hook, folder, receipt)
    return 0
