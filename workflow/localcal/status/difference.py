"""How two runs differ: in what they were made from, and in what came out.

What cannot be compared is said where its figures would be, never left out in silence.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcal.errors import InputError
from localcal.run.identity import provenance
from localcal.run.provenance import RUN_FILE, read_record, read_state
from localcal.status import results
from localcal.status.results import Absent

FORMAT = 1
"""What a reader of the JSON can rely on; it counts up when a key goes or changes its meaning."""

# What a run was made from, as its state calls it.
MADE_FROM = ("config", "inputs", "code")


@dataclass(frozen=True)
class Difference:
    """Two runs side by side.

    Attributes:
        content: plain dicts, lists, numbers and texts, see `compare`.
        problems: files of the runs that are damaged, one line each.
    """

    content: Mapping[str, Any]
    problems: tuple[str, ...]


def compare(first: str | Path, second: str | Path) -> Difference:
    """Compare two runs.

    The content has `format`; `runs`, the folders as they were named; `config`, `inputs`, `code` and
    `versions`, lists of what differs, each with `what` and the two `values` (None: absent);
    `commits`, for each run its commits and whether all trees were clean; and `targets`, `weights`
    (by scope), `errors` (by scope), `validation`, see `localcal.status.results`. Of these four each
    has `not_compared`: None, or why there is nothing more in it.

    Raises:
        InputError: one of them is no run, or its own record is damaged.
    """
    folders = (Path(first), Path(second))
    for folder in folders:
        if not (folder / RUN_FILE).is_file():
            raise InputError(f"{folder}: holds no {RUN_FILE}; name a run's folder, as runs/demo")
    states = [read_state(folder) for folder in folders]
    content: dict[str, Any] = {"format": FORMAT, "runs": list(map(str, folders))}
    for part in MADE_FROM:
        content[part] = _differing(*(_part(state, f"{part}.") for state in states))
    content["versions"] = _differing(*(_versions(folder) for folder in folders))
    content["commits"] = [provenance(folder)._asdict() for folder in folders]
    problems: list[str] = []
    results_of: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
        "targets": results.targets,
        "validation": results.validation,
    }
    for name, of_run in results_of.items():
        content[name] = _compared(of_run, folders, problems)
    for name, of_scope in (("weights", results.weights), ("errors", results.errors)):
        content[name] = {
            scope: _compared(functools.partial(of_scope, scope=scope), folders, problems)
            for scope in results.SCOPES
        }
    return Difference(content, tuple(dict.fromkeys(problems)))


def _compared(
    function: Callable[[Path, Path], dict[str, Any]],
    folders: tuple[Path, Path],
    problems: list[str],
) -> dict[str, Any]:
    try:
        return {"not_compared": None, **function(*folders)}
    except Absent as error:
        return {"not_compared": str(error)}
    except InputError as error:
        problems.append(str(error))
        return {"not_compared": str(error)}


def _part(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        what.removeprefix(prefix): value for what, value in state.items() if what.startswith(prefix)
    }


def _versions(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_record(folder).get("versions", {})
    return found


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"what": what, "values": [first.get(what), second.get(what)]}
        for what in sorted(first.keys() | second.keys())
        if first.get(what) != second.get(what)
    ]
