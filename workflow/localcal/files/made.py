"""What each file of a run is and was made from, in a record of its own below `made/`.

The record of `runs/demo/matrix/plan.json` is `runs/demo/made/matrix/plan.json.json`: the digest of
its content, the rule and the parameters that it was made with, and the digests of the files that it
was made from. It goes wherever the run goes, and does not depend on what Snakemake remembers.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from localcal.errors import REMAKE, InputError
from localcal.files.atomic import sha256_file, write_json
from localcal.files.documents import read_json

FOLDER = "made"
SUFFIX = ".json"


@dataclass(frozen=True)
class Made:
    """What is known of one file.

    Attributes:
        file: its path below the run's folder.
        rule: what made it.
        params: the rule's parameters, config keys and the digest of its code among them.
        inputs: the SHA-256 of each file of the run that it was made from, by path below the run's
            folder.
        sha256: of its content.
        size: of its content, bytes.
    """

    file: str
    rule: str
    params: Mapping[str, Any]
    inputs: Mapping[str, str]
    sha256: str
    size: int


def record_path(path: str | Path, run: str) -> str:
    """Return the path of a file's record.

    Args:
        path: of the file, or a pattern of it; what comes before the run's folder does not matter.
        run: the run's folder, such as runs/demo.
    """
    before, folder, name = str(path).rpartition(f"{run}/")
    if not folder:
        raise ValueError(f"{path} is not in {run}")
    return f"{before}{run}/{FOLDER}/{name}{SUFFIX}"


def read_made(path: str | Path) -> Made:
    """Read a record.

    Raises:
        InputError: it is missing or damaged.
    """
    names = Made.__dataclass_fields__
    content = read_json(path, names)
    if len(content) > len(names):
        raise InputError(f"{path}: damaged, it holds more than a record does; {REMAKE}")
    return Made(**content)


def read_records(run: str | Path) -> dict[str, Made]:
    """Return what is known of the files of a run, by their paths below the run's folder.

    Raises:
        InputError: a record is damaged.
    """
    return {made.file: made for made in map(read_made, record_paths(run))}


def record_paths(run: str | Path) -> list[Path]:
    """Return the records of a run."""
    return sorted((Path(run) / FOLDER).rglob(f"*{SUFFIX}"))


def is_outdated(made: Made, records: Mapping[str, Made]) -> bool:
    """Say whether a file was made from others than there are now.

    Args:
        made: its record.
        records: those of the run, by their files' paths below its folder.
    """
    return any(
        name in records and records[name].sha256 != digest for name, digest in made.inputs.items()
    )


def refuse_changed(path: str | Path, made: Made) -> None:
    """Refuse a file that is not what was made, before anything is read in it.

    Raises:
        InputError: it is missing, cannot be read or has another content.
    """
    try:
        size = Path(path).stat().st_size
        digest = sha256_file(path) if size == made.size else None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run the same command again") from error
    if digest != made.sha256:
        found = f"{size} bytes instead of {made.size}" if digest is None else f"SHA-256 {digest}"
        raise InputError(
            f"{path}: damaged, it is not what {made.rule} made ({found}, see its record in "
            f"{FOLDER}/); {REMAKE}, which makes it anew from what is whole"
        )


def refuse_changed_inputs(paths: Iterable[str], run: str) -> dict[str, str]:
    """Refuse files that are not what was made; return the digests of those that are.

    Args:
        paths: files, and the records of those that have one.
        run: the run's folder, such as runs/demo.

    Returns:
        The SHA-256 of each file that has a record, by path.

    Raises:
        InputError: a file or a record is damaged.
    """
    digests = {}
    for path, record in _with_record(paths, run):
        made = read_made(record)
        refuse_changed(path, made)
        digests[path] = made.sha256
    return digests


def _with_record(paths: Iterable[str], run: str) -> Iterator[tuple[str, str]]:
    """Yield those of some files whose record is among them, with the record."""
    given = dict.fromkeys(path for path in paths if f"{run}/" in path)
    for path in given:
        if (record := record_path(path, run)) in given:
            yield path, record


def record_outputs(
    paths: Iterable[str], run: str, rule: str, params: Mapping[str, Any], inputs: Mapping[str, str]
) -> None:
    """Write the records of files that were just made.

    Args:
        paths: the files, and their records.
        run: the run's folder, such as runs/demo.
        rule: what made them.
        params: the rule's parameters.
        inputs: what `refuse_changed_inputs` returned.
    """
    made_from = {name.rpartition(f"{run}/")[2]: digest for name, digest in inputs.items()}
    for path, record in _with_record(paths, run):
        made = Made(
            file=path.rpartition(f"{run}/")[2],
            rule=rule,
            params=params,
            inputs=made_from,
            sha256=sha256_file(path),
            size=Path(path).stat().st_size,
        )
        write_json(record, asdict(made))
