"""What a run was made of: its record as people read it."""

import html
import json
from collections.abc import Iterator
from pathlib import Path

from localcal.report.elements import facts, table
from localcal.run.identity import provenance
from localcal.run.provenance import config_of, read_history, read_record, read_state

_DIGEST = 12


def origin(run: Path) -> str:
    """Return who made it of what: code, libraries, given files, config and later changes."""
    record, state, history = read_record(run), read_state(run), read_history(run)
    rows = [
        ("run", run.name),
        ("begun", str(record.get("created", ""))),
        *_code(run),
        ("branch", str(record.get("branch") or "none")),
    ]
    given = [
        [key, str(file.get("path", "")), str(state.get(f"inputs.{key}", ""))[:_DIGEST]]
        for key, file in sorted(record.get("inputs", {}).items())
    ]
    versions = [[name, text] for name, text in sorted(record.get("versions", {}).items())]
    changed = [
        [
            str(entry.get("when", "")),
            change["what"],
            _short(change.get("old")),
            _short(change["new"]),
        ]
        for entry in history
        for change in entry["changes"]
    ]
    config = json.dumps(config_of(state), indent=2, sort_keys=True)
    return "\n".join(
        [
            facts("The run", rows),
            table("Given files", ["Key of the config", "File", "SHA-256"], given),
            table("Libraries", ["Library", "Version"], versions),
            table("Changed while it was built", ["When", "What", "Before", "After"], changed)
            if changed
            else "<p>Nothing was changed while it was built.</p>",
            f"<details><summary>Config</summary><pre>{html.escape(config)}</pre></details>",
        ]
    )


def _code(run: Path) -> Iterator[tuple[str, str]]:
    found = provenance(run)
    yield "commits", ", ".join(commit or "none" for commit in found.commits)
    yield "the checkout held what the commit does", "yes" if found.clean else "no"


def _short(value: object) -> str:
    text = "" if value is None else str(value)
    return text[:_DIGEST] if len(text) == 64 else text
