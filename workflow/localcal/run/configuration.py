"""The config: what is allowed in it, in the user's words, and what follows from it.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from localcal.errors import InputError
from localcal.geography.areas import LEVELS, Area, select

# The number of a chunk has six digits in file names.
MOST_CHUNKS = 10**6

# What a source other than the workflow's own needs to be told.
SOURCE_KEYS = {
    ("population", "file"): ("path",),
    ("population", "huggingface"): ("repo_id", "filename", "revision"),
    ("geography", "file"): ("path",),
    ("targets", "file"): ("path",),
    ("targets", "huggingface"): ("repo_id", "filename", "revision"),
}


class Problem(NamedTuple):
    """One thing that is wrong in the config: the key as a path, and the complaint."""

    key: tuple[str, ...]
    complaint: str


def check_config(
    config: Mapping[str, Any], schema: Mapping[str, Any], sources: Sequence[tuple[str, Any]]
) -> None:
    """Refuse a config that the schema does not allow.

    Args:
        config: the merged config.
        schema: its JSON schema.
        sources: file name and content of everything that was merged, the strongest last.

    Raises:
        InputError: one line per problem: file, key, what is wrong, what is allowed.
    """
    problems = list(_schema_problems(config, schema)) or list(_contradictions(config))
    if problems:
        raise InputError("\n".join(_line(problem, sources) for problem in problems))


def _line(problem: Problem, sources: Sequence[tuple[str, Any]]) -> str:
    return f"{_origin(problem.key, sources)}: {'.'.join(problem.key)}: {problem.complaint}"


def _origin(key: Sequence[str], sources: Sequence[tuple[str, Any]]) -> str:
    """Return the name of the strongest source that has the key or the longest part of it."""
    for length in range(len(key), 0, -1):
        for name, content in reversed(sources):
            if _has(content, key[:length]):
                return name
    return sources[0][0]


def _has(content: Any, key: Sequence[str]) -> bool:
    for part in key:
        if isinstance(content, Mapping) and part in content:
            content = content[part]
        elif isinstance(content, list) and part.isdigit() and int(part) < len(content):
            content = content[int(part)]
        else:
            return False
    return True


def _schema_problems(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Problem]:
    # Imported here: scripts that only want the areas need not wait for it.
    from jsonschema import Draft202012Validator

    errors = Draft202012Validator(schema).iter_errors(config)
    for error in sorted(errors, key=lambda error: [str(part) for part in error.absolute_path]):
        key = tuple(str(part) for part in error.absolute_path)
        if error.validator == "additionalProperties":
            yield from _unknown_keys(key, error.instance, error.schema["properties"])
        elif error.validator == "required":
            for name in error.validator_value:
                if name not in error.instance:
                    yield Problem((*key, name), f"missing; {_allowed(error.schema, name)}")
        else:
            value = f"{json.dumps(error.instance)} is not allowed{_near(error)}"
            yield Problem(key, f"{value}; {_allowed(error.schema)}{_advice(error)}")


def _unknown_keys(
    key: tuple[str, ...], found: Mapping[str, Any], known: Mapping[str, Any]
) -> Iterator[Problem]:
    for name in map(str, found):
        if name not in known:
            complaint = f"unknown key{did_you_mean(name, known)}; allowed: {', '.join(known)}"
            yield Problem((*key, name), complaint)


def _near(error: Any) -> str:
    if "enum" in error.schema and isinstance(error.instance, str):
        return did_you_mean(error.instance, error.schema["enum"])
    return ""


def _advice(error: Any) -> str:
    is_number = isinstance(error.instance, int | float) and not isinstance(error.instance, bool)
    if is_number and error.schema.get("type") == "string":
        return "; write it in quotes, so that it stays text"
    return ""


def _allowed(schema: Mapping[str, Any], name: str | None = None) -> str:
    """Say in words what a part of the schema allows."""
    if name is not None:
        schema = schema["properties"][name]
    if "x-allowed" in schema:
        return f"allowed: {schema['x-allowed']}"
    if "enum" in schema:
        return "allowed: " + ", ".join(json.dumps(value) for value in schema["enum"])
    words = {"object": "a section", "string": "text", "array": "a list", "boolean": "true or false"}
    types = schema.get("type", "any value")
    types = [types] if isinstance(types, str) else types
    text = " or ".join(words.get(name, f"a {name}").replace("a int", "an int") for name in types)
    bounds = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
        "minItems": "length at least",
        "maxItems": "length at most",
    }
    limits = [f"{phrase} {schema[key]}" for key, phrase in bounds.items() if key in schema]
    limits += ["no entry twice"] if schema.get("uniqueItems") else []
    return "allowed: " + ", ".join([text, *limits])


def did_you_mean(name: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    """Return a suggestion to append to a complaint about an unknown name, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _contradictions(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what the schema cannot say: keys that only make sense together."""
    for (section, source), needed in SOURCE_KEYS.items():
        if config[section]["source"] == source:
            for name in needed:
                if config[section][name] is None:
                    complaint = f"null is not allowed with source: {source}; say which one"
                    yield Problem((section, name), complaint)
    for scope, section in config["weights"].items():
        low, high = section["bounds"]
        if not low <= 1 <= high:
            complaint = f"[{low}, {high}] is not allowed; allowed: a range that contains 1"
            yield Problem(("weights", scope, "bounds"), complaint)
        start = section["start"]
        if start is not None and Path(start).parts[:2] == ("runs", config["run_id"]):
            complaint = f"{start} is this run's and would be overwritten; name another run's"
            yield Problem(("weights", scope, "start"), complaint)
        if section["method"] == "l0" and section["records"] != "all":
            complaint = (
                f"{section['records']} is not allowed with method: l0, which cannot be asked for a "
                "number of records; allowed: all, and l0.lambda_l0 higher to keep fewer"
            )
            yield Problem(("weights", scope, "records"), complaint)
    if chunk_count(config) >= MOST_CHUNKS:
        complaint = f"makes {chunk_count(config):,} chunks; allowed: fewer than {MOST_CHUNKS:,}"
        yield Problem(("matrix", "chunk_columns"), complaint)


def column_count(config: Mapping[str, Any]) -> int:
    """Return the number of columns of the matrix."""
    return config["population"]["households"] * config["geography"]["clones"]


def chunk_count(config: Mapping[str, Any]) -> int:
    """Return the number of chunks of the matrix, which is known before anything is built."""
    return -(-column_count(config) // config["matrix"]["chunk_columns"])


def chunk_names(config: Mapping[str, Any]) -> list[str]:
    """Return the chunks as they are called in file names."""
    return [f"{chunk:06d}" for chunk in range(chunk_count(config))]


def wanted_areas(
    section: Mapping[str, Any], areas: Sequence[Area], sources: Sequence[tuple[str, Any]]
) -> list[Area]:
    """Return the areas the config asks for, level by level.

    Raises:
        InputError: the config names an area that the table does not have.
    """
    wanted: list[Area] = []
    for level in LEVELS:
        try:
            wanted += select(areas, {level: section[level]})
        except InputError as error:
            raise InputError(f"{_origin(('areas', level), sources)}: {error}") from error
    return wanted


def parents(areas: Sequence[Area]) -> dict[str, str]:
    """Return for each area the one whose simulation yields its totals: a district's state, or it.

    Raises:
        InputError: a district's state is not among the areas.
    """
    states = {area.state: area.area for area in areas if area.level == "states"}
    orphans = [a.area for a in areas if a.level == "districts" and a.state not in states]
    if orphans:
        raise InputError(f"areas.path: district {orphans[0]} lies in a state the table lacks")
    return {a.area: states[a.state] if a.level == "districts" else a.area for a in areas}


def target_hints(
    arguments: Sequence[str], run_id: str, areas: Sequence[Area], chunks: Sequence[str]
) -> list[str]:
    """Say what is wrong with requested files that no rule can make.

    Snakemake's own message is that there is no rule to produce them, whatever the reason.
    """
    hints = []
    known = {f"chunk_{chunk}.h5" for chunk in chunks}
    for argument in arguments:
        match argument.split("/"):
            case ["runs", other, _, *_] if other != run_id:
                hints.append(
                    f"{argument} belongs to run '{other}', but the configured run is "
                    f"'{run_id}'; add --config run_id={other} after the file"
                )
            case ["runs", _, "areas" | "validation", level, file] if level != "totals":
                hints += _area_hint(argument, level, Path(file).stem, areas)
            case ["runs", _, "matrix", "chunks", file] if file not in known:
                hints.append(f"{argument}: run '{run_id}' has chunks {chunks[0]} to {chunks[-1]}")
    return hints


def _area_hint(argument: str, level: str, name: str, areas: Sequence[Area]) -> list[str]:
    try:
        select(areas, {level: [name]})
    except InputError as error:
        return [f"{argument}: {error}"]
    return []


def canonical(value: Any) -> Any:
    """Return the value with mappings sorted by key: Snakemake compares parameters as text."""
    if isinstance(value, Mapping):
        return {str(key): canonical(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    return value
