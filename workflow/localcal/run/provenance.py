"""What a run was made from, and the guard that it stays what it was.

`run.json` says it once and is never rewritten; `history.jsonl` beside it adds what changed later.
Together they are the run's state: a flat mapping from `config.<key>`, `inputs.<key>` and
`code.<rule>` to values and digests.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import functools
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from localcal.errors import InputError, one_line
from localcal.files.atomic import atomic_path, sha256_file, write_json
from localcal.files.folders import FILES_IN, files_in, names_in
from localcal.files.seal import is_broken, sealed
from localcal.run.code_digest import CodeDigest
from localcal.run.priors import BESIDE, files_beside

RUN_FILE = "run.json"
HISTORY_FILE = "history.jsonl"

# Freezing the run is not a stage, nor is releasing it: their code decides nothing that the run
# contains.
NOT_STAGES = ("freeze_run", "stage_run", "promote_run", "run_hook")

PRODUCT_FOLDERS = (
    "population",
    "targets",
    "matrix",
    "weights",
    "areas",
    "validation",
    "report",
    "exports",
    "sweeps",
)

# What begins the names of the state's entries.
STATE_PREFIXES = ("config.", "inputs.", "code.")

# Keys that name given files or folders, and the sources that read them (None: every source).
GIVEN_FILES: dict[str, tuple[str, ...] | None] = {
    "population.survey": ("survey",),
    "population.path": ("file", *FILES_IN),
    "geography.path": ("file",),
    "geography.places": None,
    "geography.district_population": None,
    "take_up.rates": None,
    "targets.path": ("file",),
    "targets.tables": None,
    # A database of the user's own is what it is.
    "targets.compare": ("demo", "agencies"),
    "targets.published": ("demo",),
    "targets.raw_files": ("agencies",),
    "targets.figures": ("agencies",),
    "weights.local.path": None,
    "weights.local.prior": None,
    "weights.national.path": None,
    "weights.national.prior": None,
    "areas.path": None,
}

# Those that name the trace of another fit.
PRIORS = ("weights.local.prior", "weights.national.prior")

# Those that name a folder of which every file counts. Of a population's folder each file that is
# read is an input by itself.
GIVEN_FOLDERS = ("population.survey", "targets.published")

# What names the run, the command, a program or a place rather than describing what is computed.
NOT_SCIENCE = ("run_id", "amend", "targets.cache", "weights.*.l0.python", "release", *GIVEN_FILES)


class Change(NamedTuple):
    """One entry of the state that is not what it was; None stands for absent."""

    what: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.what}: {_short(self.old)} -> {_short(self.new)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    is_digest = isinstance(value, str) and len(value) == 64
    return value[:12] if is_digest else text if len(text) <= 60 else f"{text[:57]}..."


def science(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the config that decides results: no run id, no places of files.

    Given files count by their content, see `given_files`.
    """
    return _science(config, "")


def _science(section: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        key: _science(value, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in section.items()
        if not any(fnmatchcase(f"{prefix}{key}", pattern) for pattern in NOT_SCIENCE)
    }


def given_files(config: Mapping[str, Any], folder: str | Path) -> dict[str, dict[str, Any]]:
    """Return path, sha256, size (bytes) and mtime (ns) of every file given by path, by config key.

    Each file that is read of a folder has a key of its own: the folder's, and its name.

    Args:
        config: the config.
        folder: the run's; a file that run.json already describes is only read again if its size
            or time has changed, and taken from there if it is gone.

    Raises:
        InputError: a file is missing and the run does not know it.
    """
    recorded = read_record(folder).get("inputs", {})
    paths = _given_paths(config, recorded)
    return {key: _describe(key, path, recorded.get(key, {})) for key, path in paths}


def _given_paths(
    config: Mapping[str, Any], recorded: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    for key, sources in GIVEN_FILES.items():
        *sections, name = key.split(".")
        section = functools.reduce(lambda content, part: content[part], sections, config)
        used = sources is None or section["source"] in sources
        if not used or section[name] is None:
            continue
        if sources is not None and section["source"] in FILES_IN:
            yield from _paths_in(key, section[name], section["source"], recorded)
        elif isinstance(section[name], str):
            yield key, section[name]
            if key in PRIORS:
                yield from _paths_beside(key, section[name], recorded)
        else:
            yield from ((f"{key}.{number}", path) for number, path in enumerate(section[name], 1))


def _paths_beside(
    key: str, trace: str, recorded: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yield the files that say what another fit's columns are, as far as there are any.

    A fit of the same columns needs none; whether it is one, only the fit finds out.
    """
    for name, file in files_beside(trace).items():
        known = recorded.get(f"{key}.{name}", {}).get("path") == str(file)
        if known or file.exists():
            yield f"{key}.{name}", str(file)


def lone_priors(inputs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what to say of traces of other fits beside which is nothing about their columns."""
    lone = []
    for key in PRIORS:
        missing = [name for name in BESIDE if f"{key}.{name}" not in inputs]
        if key in inputs and missing:
            files = " and ".join(f"population/{name}.h5" for name in missing)
            lone.append(
                f"{inputs[key]['path']}: lies in no folder of a run with its {files}, so that "
                f"{key} can only be of the columns of this run; for another year's give the "
                "trace inside its run's folder"
            )
    return lone


def _paths_in(
    key: str, folder: str, source: str, recorded: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yield the files that are read of a folder; those the run read of it where it is gone."""
    reason = "holds none of its files"
    try:
        found = [str(path) for path in files_in(folder, source)]
    except OSError as error:
        reason = str(error.strerror)
        known = [file["path"] for name, file in recorded.items() if name.startswith(f"{key}.")]
        found = [path for path in known if Path(path).parent == Path(folder)]
    if not found:
        raise InputError(
            f"{folder or '(nothing)'}: {reason}; the config's {key} must name a folder with "
            f"{names_in(source)}"
        )
    yield from ((f"{key}.{Path(path).name}", path) for path in found)


def _describe(key: str, path: str, recorded: Mapping[str, Any]) -> dict[str, Any]:
    try:
        status = Path(path).stat()
    except OSError as error:
        if recorded.get("path") == path:
            return dict(recorded)
        raise InputError(f"{path}: {error.strerror}; the config's {key} must name it") from error
    found = {"path": path, "size": status.st_size, "mtime": status.st_mtime_ns}
    if Path(path).is_dir():
        if key not in GIVEN_FOLDERS:
            raise InputError(
                f"{path or '(nothing)'}: is a folder; the config's {key} must name a file"
            )
        return found | {"sha256": _sha256_folder(Path(path))}
    if found.items() <= recorded.items():
        return dict(recorded)
    return found | {"sha256": sha256_file(path)}


def _sha256_folder(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{path.relative_to(folder).as_posix()} {sha256_file(path)}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def describe_state(
    config: Mapping[str, Any], inputs: Mapping[str, Mapping[str, Any]], code: CodeDigest
) -> dict[str, Any]:
    """Return the state that config, given files and code would give a run started now."""
    state = dict(_flatten("config", science(config)))
    state |= {f"inputs.{key}": file["sha256"] for key, file in inputs.items()}
    return state | {f"code.{rule}": code(rule) for rule in code.rules() if rule not in NOT_STAGES}


def _flatten(prefix: str, content: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flatten(f"{prefix}.{key}", value)
    else:
        yield prefix, content


def freeze_run(
    config: Mapping[str, Any],
    scripts: str | Path,
    path: str | Path,
    checkout: Mapping[str, str | bool | None],
) -> None:
    """Write `run.json`: config, given files, versions and code of a run that starts now.

    Args:
        config: the config, `run_id` included.
        scripts: the folder with one script per rule.
        path: the file to write; its folder is the run's.
        checkout: commit, branch and whether the tree is clean, see `localcal.run.identity`.
    """
    code = CodeDigest(scripts, config["engine"])
    rules = [rule for rule in code.rules() if rule not in NOT_STAGES]
    versions = {name: number for rule in rules for name, number in code.versions(rule).items()}
    content = {
        "run_id": config["run_id"],
        "created": _now(),
        **checkout,
        "config": science(config),
        "inputs": given_files(config, Path(path).parent),
        "code": {rule: code(rule) for rule in rules},
        "versions": versions | {"python": platform.python_version()},
    }
    write_json(path, content)


def read_state(folder: str | Path) -> dict[str, Any]:
    """Return the state of a run: what run.json says, as amended by history.jsonl.

    Raises:
        InputError: one of the files is damaged.
    """
    return state_of(_read_json(Path(folder) / RUN_FILE), read_history(folder))


def state_of(record: Mapping[str, Any], history: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the state that a run's record and its history come to."""
    state = dict(_flatten("config", record.get("config", {})))
    state |= {f"inputs.{key}": file["sha256"] for key, file in record.get("inputs", {}).items()}
    state |= {f"code.{rule}": digest for rule, digest in record.get("code", {}).items()}
    for entry in history:
        for change in entry["changes"]:
            # Others are about the checkout as a whole, see `localcal.run.identity`.
            if change["what"].startswith(STATE_PREFIXES):
                state[change["what"]] = change["new"]
    return {what: value for what, value in state.items() if value is not None}


def config_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config that a run's state has, without what is null or names a place of a file."""
    config: dict[str, Any] = {}
    for what, value in state.items():
        first, *sections, name = what.split(".")
        if first != "config":
            continue
        section = config
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = value
    return config


def read_record(folder: str | Path) -> dict[str, Any]:
    """Return what `run.json` says, nothing where there is none.

    Raises:
        InputError: it is damaged.
    """
    return _read_json(Path(folder) / RUN_FILE)


def read_history(folder: str | Path) -> list[dict[str, Any]]:
    """Return what was recorded as changed since the run was frozen, oldest first."""
    path = Path(folder) / HISTORY_FILE
    return parse_history(path, _text(path)) if path.exists() else []


def parse_history(name: str | Path, text: str) -> list[dict[str, Any]]:
    """Return what a history's text says was changed, oldest first.

    Raises:
        InputError: it is damaged; calls it `name`.
    """
    entries = parse_lines(name, text)
    for number, entry in enumerate(entries, start=1):
        if not _are_changes(entry.get("changes")):
            raise InputError(f"{name}: line {number} is no list of changes; restore or delete it")
    return entries


def record_lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file of lines; none if there is no file.

    Raises:
        InputError: the file is damaged.
    """
    return parse_lines(path, _text(path)) if path.exists() else []


def parse_lines(name: str | Path, text: str) -> list[dict[str, Any]]:
    """Return the JSON objects that a text has, one in each line.

    Raises:
        InputError: it is damaged or has none; calls it `name`.
    """
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            entry = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(f"{name}: line {number} is not JSON; restore or delete it") from error
        if not isinstance(entry, dict):
            raise InputError(f"{name}: line {number} is no JSON object; restore or delete it")
        _refuse_broken(f"{name}: line {number}", entry, "restore or delete it")
        entries.append(entry)
    if not entries:
        raise InputError(f"{name}: holds nothing; restore or delete it")
    return entries


def _refuse_broken(name: str, content: Mapping[str, Any], remedy: str) -> None:
    """Refuse what was changed after it was written."""
    if is_broken(content):
        raise InputError(f"{name} is damaged, it is not what was written; {remedy}")


def _are_changes(changes: object) -> bool:
    return isinstance(changes, list) and all(
        isinstance(change, dict) and set(Change._fields) <= change.keys() for change in changes
    )


def _text(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"{path}: is no file; remove it, or restore what it was")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({one_line(error)}); restore it") from error


def _read_json(path: Path) -> dict[str, Any]:
    return parse_record(path, _text(path)) if path.exists() else {}


def parse_record(path: str | Path, text: str) -> dict[str, Any]:
    """Return what the text of a run.json says.

    Raises:
        InputError: it is damaged; calls it `path`.
    """
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not JSON; restore it or choose a new run id") from error
    sections = ("config", "inputs", "code")
    if not isinstance(content, dict) or not all(
        isinstance(content.get(section), dict) for section in sections
    ):
        raise InputError(
            f"{path}: does not say what the run was made from ({', '.join(sections)}); restore it "
            "or choose a new run id"
        )
    _refuse_broken(f"{path}:", content, "restore it or choose a new run id")
    for key, file in content["inputs"].items():
        if not isinstance(file, dict) or "sha256" not in file:
            raise InputError(
                f"{path}: does not say which {key} the run was made from; restore it or choose a "
                "new run id"
            )
    return content


def differences(folder: str | Path, state: Mapping[str, Any]) -> list[Change]:
    """Return what is no longer as the run has it; nothing where the run is not frozen yet."""
    if not (Path(folder) / RUN_FILE).exists():
        return []
    old = read_state(folder)
    new = {what: value for what, value in state.items() if value is not None}
    return [
        Change(what, old.get(what), new.get(what))
        for what in sorted(old.keys() | new.keys())
        if old.get(what) != new.get(what)
    ]


def is_code(change: Change) -> bool:
    """Say whether it is code that changed, which may happen within a run."""
    return change.what.startswith("code.")


def products(folder: str | Path) -> Iterator[str]:
    """Yield the files below a run's folder that its rules made."""
    for name in PRODUCT_FOLDERS:
        for path, _, files in os.walk(Path(folder) / name):
            yield from (str(Path(path) / file) for file in files)


def is_product(path: str, folder: str | Path) -> bool:
    """Say whether a file of a run is what `products` would yield."""
    parts = Path(path).relative_to(folder).parts
    return len(parts) > 1 and parts[0] in PRODUCT_FOLDERS


def refuse_orphans(folder: str | Path, products: Iterable[str]) -> None:
    """Refuse products of which nobody can say any more what they were made from.

    Args:
        folder: where the run's record is.
        products: files of the run.

    Raises:
        InputError: the run has products but no run.json.
    """
    if (Path(folder) / RUN_FILE).exists():
        return
    for product in products:
        raise InputError(
            f"{Path(folder) / RUN_FILE} is missing, but there is {product}; "
            "restore it or choose a new run id"
        )


def refuse_changes(folder: str | Path, changes: Iterable[Change], amend: bool) -> None:
    """Refuse to go on with another config or other inputs than the run was made with.

    Args:
        folder: where the run's record is.
        changes: what `differences` returned.
        amend: whether the user allows config and given files to change.

    Raises:
        InputError: they differ and may not.
    """
    refused = [change for change in changes if not is_code(change)]
    if refused and not amend:
        raise InputError(
            f"{Path(folder) / RUN_FILE}: the run was made with another config or other inputs: "
            f"{'; '.join(map(str, refused))}; choose a new run id, or add --config amend=true "
            "to remake what this touches"
        )


def record_changes(folder: str | Path, changes: list[Change]) -> Path | None:
    """Add to the history what changed since the run was last started; return it if it grew."""
    if not changes:
        return None
    path = Path(folder) / HISTORY_FILE
    entry = sealed({"when": _now(), "changes": [change._asdict() for change in changes]})
    before = _text(path) if path.exists() else ""
    # As a new file, so that a death leaves neither an empty one nor half a line.
    with atomic_path(path) as part:
        part.write_text(before + json.dumps(entry, sort_keys=True) + "\n", encoding="utf-8")
    return path


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
