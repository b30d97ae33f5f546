"""The config: checked, completed, and what follows from it.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from localcal.errors import InputError, without_secrets
from localcal.geography.areas import Area, select
from localcal.geography.codes import FOLDERS
from localcal.run.complaints import Problem, did_you_mean, problems
from localcal.run.sections import Config, Matrix, chunks_of
from localcal.run.values import plain

# What Linux allows for a path.
MOST_CHARACTERS = 4095
# One argument of a program may have 128 KiB on Linux, and Snakemake packs them for its jobs.
MOST_ON_COMMAND_LINE = 48 << 10

__all__ = [
    "canonical",
    "check_command_line",
    "check_config",
    "chunk_columns",
    "chunk_count",
    "chunk_names",
    "column_count",
    "did_you_mean",
    "parents",
    "target_hints",
    "wanted_areas",
]


def check_config(config: Mapping[str, Any], sources: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return a config with the defaults of what it leaves out, as plain dicts and lists.

    Args:
        config: the merged config.
        sources: file name and content of everything that was merged, the strongest last.

    Raises:
        InputError: one line per problem: file, key, what is wrong, what is allowed.
    """
    try:
        complete: dict[str, Any] = plain(Config.model_validate(config))
    except ValidationError as error:
        lines = [_line(problem, sources) for problem in problems(error, Config)]
        raise InputError("\n".join(lines)) from error
    if lines := [_line(problem, sources) for problem in _unwanted_text(complete)]:
        raise InputError("\n".join(lines))
    # One name for one thing: a run does not depend on how it was asked for.
    if complete.pop("build_database"):
        complete["targets"]["source"] = "agencies"
    return complete


def check_command_line(arguments: Sequence[str], amend: object) -> None:
    """Refuse what follows --config where it is no config, but says how to go on.

    Args:
        arguments: what follows --config, as typed. Every job is told it in one shell command.
        amend: whether the run may change.

    Raises:
        InputError: there is too much of it, or it is not true or false.
    """
    size = sum(len(argument.encode(errors="replace")) for argument in arguments)
    if size > MOST_ON_COMMAND_LINE:
        raise InputError(
            f"--config: {size:,} bytes are more than a shell lets pass to every job; put them "
            "into a file and name it with --configfile"
        )
    if not isinstance(amend, bool):
        raise InputError(f"--config: amend: {amend!r} is not allowed; allowed: true or false")


def _unwanted_text(content: Any, key: tuple[str, ...] = ()) -> Iterator[Problem]:
    """Yield the keys of text that no path, name or message may hold."""
    if isinstance(content, Mapping):
        for name, part in content.items():
            yield from _unwanted_text(part, (*key, name))
    elif isinstance(content, list):
        for number, part in enumerate(content):
            yield from _unwanted_text(part, (*key, str(number)))
    elif isinstance(content, str):
        if not content.isprintable():
            yield Problem(key, f"{ascii(content)[:80]} is not allowed; allowed: one line of text")
        elif len(content) > MOST_CHARACTERS:
            yield Problem(
                key,
                f"{content[:40]}... has {len(content):,} characters; allowed: at most "
                f"{MOST_CHARACTERS:,}",
            )
        elif "://" in content and without_secrets(content) != content:
            words = "holds credentials, which would be kept with the run; take them out"
            yield Problem(key, f"{content} {words}")


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


def column_count(config: Mapping[str, Any]) -> int:
    """Return the number of columns of the matrix."""
    columns: int = config["population"]["households"] * config["geography"]["clones"]
    return columns


def chunk_columns(config: Mapping[str, Any]) -> int:
    """Return how many columns every chunk has but the last, which may have fewer."""
    households, clones = config["population"]["households"], config["geography"]["clones"]
    return Matrix.model_validate(config["matrix"]).columns_per_chunk(households, clones)


def chunk_count(config: Mapping[str, Any]) -> int:
    """Return the number of chunks of the matrix, which is known before anything is built."""
    return chunks_of(column_count(config), chunk_columns(config))


def chunk_names(config: Mapping[str, Any]) -> list[str]:
    """Return the chunks as they are called in file names."""
    return [f"{chunk:06d}" for chunk in range(chunk_count(config))]


def wanted_areas(
    section: Mapping[str, Any], areas: Sequence[Area], sources: Sequence[tuple[str, Any]]
) -> list[Area]:
    """Return the areas the config asks for, level by level.

    Raises:
        InputError: the config names an area that the table does not have, or none at all.
    """
    wanted: list[Area] = []
    for folder in FOLDERS.values():
        try:
            wanted += select(areas, {folder: section[folder]})
        except InputError as error:
            raise InputError(f"{_origin(('areas', folder), sources)}: {error}") from error
    if not wanted:
        raise InputError(
            f"{_origin(('areas',), sources)}: areas: names no area, so that nothing could be "
            "validated; name one"
        )
    return wanted


def parents(areas: Sequence[Area]) -> dict[str, str]:
    """Return for each area the one whose simulation yields its totals: a district's state, or it.

    Raises:
        InputError: a district's state is not among the areas.
    """
    states = {area.state: area.area for area in areas if area.level == "state"}
    orphans = [a.area for a in areas if a.level == "district" and a.state not in states]
    if orphans:
        raise InputError(f"areas.path: district {orphans[0]} lies in a state the table lacks")
    return {a.area: states[a.state] if a.level == "district" else a.area for a in areas}


def sampled_districts(config: Mapping[str, Any], wanted: Sequence[Area]) -> list[str]:
    """Return the wanted districts that are simulated by themselves, drawn by the run's seed.

    One more district among the wanted ones exchanges at most one of the sample.
    """
    names = [area.area for area in wanted if area.level == "district"]
    drawn = sorted(
        names,
        key=lambda name: hashlib.sha256(f"{config['seed']}/{name}".encode()).hexdigest(),
    )
    return sorted(drawn[: config["validation"]["simulated_districts"]])


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
            case ["runs", _, "areas" | "validation", folder, file] if folder != "totals":
                hints += _area_hint(argument, folder, Path(file).stem, areas)
            case ["runs", _, "matrix", "chunks", file] if file not in known:
                hints.append(f"{argument}: run '{run_id}' has chunks {chunks[0]} to {chunks[-1]}")
    return hints


def _area_hint(argument: str, folder: str, name: str, areas: Sequence[Area]) -> list[str]:
    try:
        select(areas, {folder: [name]})
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
