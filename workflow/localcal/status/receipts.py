"""What was published of a run, as the receipts in its folder `release/` say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from localcal.errors import InputError
from localcal.files.seal import is_broken
from localcal.status.folder import File, Runs

FOLDER = "release/"
STAGED_FILE = f"{FOLDER}staged.json"
PROMOTED_FILE = f"{FOLDER}promoted.json"
ROLLBACK = f"{FOLDER}rollback_"

STAGED = "staged"
PROMOTED = "promoted"
ROLLED_BACK = "rolled back to"


@dataclass(frozen=True)
class Release:
    """What was last published of a run.

    Attributes:
        state: STAGED, PROMOTED, or ROLLED_BACK where a rollback published it again.
        version: of the release; None where the receipt does not say.
    """

    state: str
    version: str | None

    def __str__(self) -> str:
        return f"{self.state} {self.version}" if self.version else self.state


def is_receipt(file: str) -> bool:
    """Say whether a file of a run, by its path below the run's folder, tells of a release."""
    rolled_back = file.startswith(ROLLBACK) and file.endswith(".json")
    return file in (STAGED_FILE, PROMOTED_FILE) or rolled_back


def read_release(
    runs: Runs, run: str, files: Mapping[str, File]
) -> tuple[Release | None, list[str]]:
    """Return what was last published of a run, and what is wrong with its receipts.

    A receipt counts for what its name says even where it is damaged: a run that was published must
    not pass for one that was not.
    """
    problems = []
    found: list[tuple[float, Release]] = []
    for name in sorted(filter(is_receipt, files)):
        content: Mapping[str, object] = {}
        try:
            content = _content(runs.read(run, name))
        except InputError as error:
            problems.append(f"{name}: {error}")
        version = content.get("version")
        if name.startswith(ROLLBACK):
            version = name.removeprefix(ROLLBACK).removesuffix(".json")
        text = version if isinstance(version, str) else None
        state = {STAGED_FILE: STAGED, PROMOTED_FILE: PROMOTED}.get(name, ROLLED_BACK)
        found.append((files[name].mtime, Release(state, text)))
    published = [one for one in found if one[1].state != STAGED]
    newest = max(published or found, key=lambda one: one[0], default=None)
    return (None if newest is None else newest[1]), problems


def _content(content: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError("is damaged, not JSON; promote or roll back again") from error
    if not isinstance(found, dict) or is_broken(found):
        raise InputError("is damaged, not what was written; promote or roll back again")
    return found
