"""What outcomes are called, and their files."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from localcal.errors import InputError, near
from localcal.files.atomic import sha256_file

# The functions of `localcal.sweeps.outcomes`, which is not loaded while the workflow is parsed.
BUILT_IN_NAMES = (
    "cost",
    "deep_poverty_rate",
    "gini",
    "mean_change",
    "poverty_gap",
    "poverty_rate",
    "revenue",
    "winners_losers",
)


def file_of(outcome: str) -> str:
    """Return what the file of an outcome is called: mine.py:top is mine.top."""
    path, colon, function = outcome.rpartition(":")
    return f"{Path(path).stem}.{function}" if colon else outcome


def refuse_bad_names(outcomes: Sequence[str], source: str) -> None:
    """Refuse outcomes that there are not, or whose files would have the same name.

    Raises:
        InputError: there are such.
    """
    for name in outcomes:
        is_own = ":" in name and re.fullmatch(r"[A-Za-z0-9_.-]+", file_of(name))
        if not is_own and name not in BUILT_IN_NAMES:
            raise InputError(
                f"{source}: outcomes: '{name}' is no outcome{near(name, BUILT_IN_NAMES)}; write "
                f"one of {', '.join(BUILT_IN_NAMES)}, or module.py:function of your own, in plain "
                "letters, digits, '_' and '-'"
            )
    files = Counter(map(file_of, outcomes))
    twice = [name for name in outcomes if files[file_of(name)] > 1]
    if twice:
        raise InputError(
            f"{source}: outcomes: {' and '.join(twice)} would be one file, "
            f"{file_of(twice[0])}.parquet; rename one"
        )


def outcome_digests(outcomes: Sequence[str]) -> list[list[str]]:
    """Return outcomes, those of a user's own file with a digest of it.

    Raises:
        InputError: there is no such file.
    """
    found = []
    for name in outcomes:
        path, colon, _ = name.rpartition(":")
        if colon and not Path(path).is_file():
            raise InputError(f"outcome '{name}': there is no file {path}; correct its path")
        found.append([name, sha256_file(path)] if colon else [name])
    return found
