"""What rules make files with, and since when: `since.jsonl`, beside the history of a stored run.

Each file of a run has a record of what it was made with, see `localcal.files.made`. In a storage
there are too many of them to read at every start, so every start of a run in a storage at which
something is new adds a line: when, and the digest of the parameters of each rule that has others
than before. A file that was made while its rule had other parameters than now is stale, and so is
one of a rule that the record does not know.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from localcal.errors import InputError
from localcal.files.atomic import atomic_path
from localcal.files.seal import sealed
from localcal.run.provenance import RUN_FILE, record_lines

SINCE_FILE = "since.jsonl"


class Entry(NamedTuple):
    """One line: the second since which rules have these digests; None for ever and unknown."""

    when: int | None
    rules: dict[str, str | None]


def read_since(folder: str | Path) -> list[Entry]:
    """Return the lines of a run's record, oldest first; none without one.

    Raises:
        InputError: the record is damaged.
    """
    path = Path(folder) / SINCE_FILE
    entries = []
    for number, line in enumerate(record_lines(path), start=1):
        when, rules = line.get("when", ""), line.get("rules")
        if not isinstance(rules, dict) or not all(
            text is None or isinstance(text, str) for text in rules.values()
        ):
            raise InputError(
                f"{path}: line {number} does not say what rules were made with; restore or "
                "delete it"
            )
        try:
            second = None if when is None else int(datetime.fromisoformat(when).timestamp())
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{path}: line {number} does not say when; restore or delete it"
            ) from error
        entries.append(Entry(second, rules))
    return entries


def made_so_far(folder: str | Path, present: Mapping[str, str], changed: bool) -> list[Entry]:
    """Return what a run says its files were made with, or what follows where it does not say.

    Args:
        folder: where the run's record is.
        present: the digests that rules have now.
        changed: whether config, given files or code differ from the run's. If so, nobody knows
            which files of a run without the record are still right, and none counts as right.

    Raises:
        InputError: the record is damaged.
    """
    entries = read_since(folder)
    if entries or not (Path(folder) / RUN_FILE).exists():
        return entries
    return [Entry(None, dict.fromkeys(present) if changed else dict(present))]


def unsettled(entries: Iterable[Entry], present: Mapping[str, str]) -> set[str]:
    """Return the rules that had, or may have had, other parameters than now."""
    seen: dict[str, set[str | None]] = {rule: set() for rule in present}
    for entry in entries:
        for rule, text in entry.rules.items():
            seen.get(rule, set()).add(text)
    return {rule for rule, texts in seen.items() if texts != {present[rule]}}


def is_stale(entries: Iterable[Entry], rule: str, present: str, mtime: float) -> bool:
    """Say whether a file was made while its rule had other parameters than `present`.

    Times count in whole seconds, as archives keep them.
    """
    then = None
    for entry in entries:
        if entry.when is None or entry.when <= int(mtime):
            then = entry.rules.get(rule, then)
    return then != present


def record_since(
    folder: str | Path, entries: list[Entry], present: Mapping[str, str], now: float
) -> Path | None:
    """Add what rules are made with from now on to the record.

    Args:
        folder: where the run's record is.
        entries: what `made_so_far` returned.
        present: the digests that rules have now.
        now: the time by the clock that the files' times come from.

    Returns:
        The record, if something was added to it.
    """
    path = Path(folder) / SINCE_FILE
    last: dict[str, str | None] = {}
    for entry in entries:
        last |= entry.rules
    new: dict[str, str | None] = {
        rule: text for rule, text in present.items() if last.get(rule) != text
    }
    if not new and (path.exists() or not entries):
        return None
    if new:
        # Never before the line above, whatever became of the clock.
        latest = max((entry.when for entry in entries if entry.when is not None), default=0)
        entries = [*entries, Entry(max(int(now), latest + 1), new)]
    with atomic_path(path) as part:
        part.write_text("".join(map(_line, entries)), encoding="utf-8")
    return path


def _line(entry: Entry) -> str:
    when = None if entry.when is None else datetime.fromtimestamp(entry.when, UTC).isoformat()
    return json.dumps(sealed({"when": when, "rules": entry.rules}), sort_keys=True) + "\n"
