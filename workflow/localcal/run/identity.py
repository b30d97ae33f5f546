"""Which code a run is built with: the commit and branch of the checkout, and a name for the run.

`run.json` has the commit, whether the tree was clean and the branch of the first start;
`history.jsonl` what changed at later ones, which is allowed and said. What the code of each rule
is, digests say (`localcal.run.code_digest`); the commit says where to find it.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import logging
import os
import re
import subprocess
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from localcal.errors import InputError, one_line
from localcal.run.provenance import RUN_FILE, Change, read_history, read_record

logger = logging.getLogger(__name__)

# The folder of the Snakefile where this is a checkout; site-packages where it is installed.
CHECKOUT = Path(__file__).parents[3]
# What a run id has where there is no commit.
NO_COMMIT = "nocommit"

# Where a file that git does not know is code all the same. Elsewhere it is data of the user's, or a
# config, of which the run's record has the content.
_CODE = ("Snakefile", "workflow/", "scripts/", "profiles/", "envs/")
_SECONDS = 60
# They would have git speak of another folder than the one it is asked about.
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR")


class Checkout(NamedTuple):
    """What git says of a folder; None throughout where it says nothing."""

    commit: str | None = None
    """40 hexadecimal digits."""
    clean: bool | None = None
    """Whether the folder holds what the commit does, see `read_checkout`."""
    branch: str | None = None
    """None also for a commit that was checked out by itself."""


class Provenance(NamedTuple):
    """All code that a run was built with."""

    commits: list[str | None]
    """Each once, in the order in which the run first met them; None for code of no commit."""
    clean: bool
    """Whether git called the tree clean at every start."""


def read_checkout(folder: str | Path = CHECKOUT) -> Checkout:
    """Ask git, once, for the commit, state and branch of a folder.

    The tree is clean if no file that git knows was changed, and there is no other file where code
    lies; what git ignores does not count, nor do tables and configs of the user's beside them.

    Args:
        folder: the top of a checkout; any other one has no commit.
    """
    if not (Path(folder) / ".git").exists():
        return Checkout()
    command = ["git", "--no-optional-locks", "-C", os.fspath(folder), "status"]
    command += ["--porcelain=v2", "--branch", "-z", "--untracked-files=normal"]
    environment = {name: text for name, text in os.environ.items() if name not in _ELSEWHERE}
    try:
        said = subprocess.run(
            command, env=environment, capture_output=True, check=True, timeout=_SECONDS
        )
    except subprocess.CalledProcessError as error:
        return _unknown(error.stderr.decode(errors="replace"))
    except (OSError, subprocess.TimeoutExpired) as error:
        return _unknown(one_line(error))
    return _parse(said.stdout.decode(errors="surrogateescape").split("\0"))


def _unknown(reason: str) -> Checkout:
    logger.warning(
        "git does not say which commit this is (%s); the run's record will have none",
        (reason.strip().splitlines() or ["no reason given"])[0],
    )
    return Checkout()


def _parse(lines: list[str]) -> Checkout:
    """Read what `git status --porcelain=v2 --branch -z` prints."""
    headers = takewhile(lambda line: line.startswith("# "), lines)
    heads = dict(line[2:].split(" ", 1) for line in headers)
    commit, branch = heads["branch.oid"], heads["branch.head"]
    if commit == "(initial)":
        return Checkout()
    # A rename has its old name on a line of its own, after one that counts already.
    changed = [line for line in lines if line[:2] in ("1 ", "2 ", "u ")]
    added = [line for line in lines if line[:2] == "? " and line[2:].startswith(_CODE)]
    return Checkout(commit, not changed and not added, None if branch == "(detached)" else branch)


def version_of(folder: str | Path = CHECKOUT) -> str:
    """Return localcal's version: the checkout's, or where there is none the installed one's."""
    project = Path(folder) / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return version("localcal")


def new_run_id(number: str, commit: str | None, when: datetime) -> str:
    """Return the name of a run: version, commit and time.

    Args:
        number: localcal's version.
        commit: the checkout's commit; None for none.
        when: the time, with its zone; the name has it in UTC.

    Returns:
        `{version}_{sha8}_{YYYYMMDD_HHMMSS}`, in characters that a run id may have.
    """
    time = when.astimezone(UTC).strftime("%Y%m%d_%H%M%S")
    return f"{re.sub(r'[^A-Za-z0-9.-]', '-', number)}_{(commit or NO_COMMIT)[:8]}_{time}"


def refuse_other_code(
    checkout: Checkout, branch: str | None, commit: str | None, folder: str | Path = CHECKOUT
) -> None:
    """Refuse to build with another branch or commit than was asked for.

    Nothing is checked out: whoever works in the folder would find other files under their hands,
    and so would a run that is being built there.

    Args:
        checkout: what git says of the folder.
        branch: the branch it has to be on; None for any.
        commit: the commit that it has to be, or how it begins; None for any.
        folder: for the message.

    Raises:
        InputError: it says what is there and what to do.
    """
    if branch is None and commit is None:
        return
    if checkout.commit is None:
        raise InputError(
            f"{folder}: git says of no branch or commit here, but --branch or --commit asks for "
            "one; clone the repository, or leave the option out"
        )
    if branch is not None and checkout.branch != branch:
        here = f"branch {checkout.branch}" if checkout.branch else "no branch"
        raise InputError(f"{folder}: is on {here}, not on {branch}; {_remedy(branch)}")
    if commit is None:
        return
    if not re.fullmatch("[0-9a-f]{7,40}", commit):
        raise InputError(
            f"--commit: {commit!r} is no commit; allowed: 7 to 40 hexadecimal digits, as `git "
            "rev-parse` prints them of a tag or branch"
        )
    if not checkout.commit.startswith(commit):
        raise InputError(
            f"{folder}: is at commit {checkout.commit[:12]}, not {commit}; {_remedy(commit)}"
        )
    if not checkout.clean:
        raise InputError(
            f"{folder}: holds changes that commit {commit} has not; see `git status`, and commit "
            "or stash them, or leave --commit out"
        )


def _remedy(wanted: str) -> str:
    return (
        "nothing is checked out behind your back: `git switch` to it, or give it a folder of its "
        f"own with `git worktree add ../localcal-{re.sub('[^A-Za-z0-9.]', '-', wanted)} {wanted}`, "
        "and run the same command there"
    )


def recorded(folder: str | Path) -> Checkout:
    """Return what a run was last built with, as its record says.

    Raises:
        InputError: the record is damaged.
    """
    return _states(folder)[-1]


def changes(folder: str | Path, checkout: Checkout) -> list[Change]:
    """Return how the checkout differs from what a run was last built with.

    Nothing where the run is not frozen yet: then `run.json` will say it.

    Raises:
        InputError: the record is damaged.
    """
    if not (Path(folder) / RUN_FILE).exists():
        return []
    old = recorded(folder)
    return [
        Change(what, getattr(old, what), getattr(checkout, what))
        for what in Checkout._fields
        if getattr(old, what) != getattr(checkout, what)
    ]


def provenance(folder: str | Path) -> Provenance:
    """Say which commits a run was built with.

    Args:
        folder: where the run's record is, `run.json` and `history.jsonl`.

    Raises:
        InputError: the record is damaged.
    """
    states = _states(folder)
    commits = list(dict.fromkeys(state.commit for state in states))
    return Provenance(commits, all(state.clean is True for state in states))


def _states(folder: str | Path) -> list[Checkout]:
    """Return what the first start and every later change of the record say, oldest first."""
    record: Mapping[str, Any] = read_record(folder)
    states = [Checkout(**{what: record.get(what) for what in Checkout._fields})]
    for entry in read_history(folder):
        new = {change["what"]: change["new"] for change in entry["changes"]}
        known = {what: new[what] for what in Checkout._fields if what in new}
        if known:
            states.append(states[-1]._replace(**known))
    return states
