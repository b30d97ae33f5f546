"""The content of a run that gets out, and what its manifest says of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcal.errors import REMAKE, InputError
from localcal.files.atomic import atomic_path, sha256_file
from localcal.files.documents import read_json
from localcal.files.made import read_made, record_path, refuse_changed
from localcal.release.hub import Kept, as_json
from localcal.release.names import place
from localcal.run.provenance import HISTORY_FILE, RUN_FILE

# In a run's folder.
FOLDER = "release"
MANIFEST_FILE = f"{FOLDER}/manifest.json"
VALIDATION_FILE = f"{FOLDER}/validation.csv"
SUMMARY_FILE = f"{FOLDER}/summary.json"


@dataclass(frozen=True)
class File:
    """A file here.

    Attributes:
        path: where it is.
        sha256: of its content.
        size: bytes.
    """

    path: Path
    sha256: str
    size: int

    def is_kept(self, kept: Kept | None) -> bool:
        """Say whether the Hub keeps the same content."""
        if kept is None or kept.size != self.size:
            return False
        if kept.is_object:
            return kept.digest == self.sha256
        content = self.path.read_bytes()
        return kept.digest == hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def described(self) -> dict[str, Any]:
        """Return what manifests say of it."""
        return {"sha256": self.sha256, "size": self.size}


def staging(run_id: str) -> str:
    """Return the folder of the repository where a run waits for its release."""
    return f"staging/{run_id}"


def diagnostics(run_id: str) -> str:
    """Return the folder of the repository that keeps what is said about a run."""
    return f"runs/{run_id}/diagnostics"


def summary_path(folder: str) -> str:
    """Return where the figures of a run lie that the next release is compared with.

    Args:
        folder: of its diagnostics.
    """
    return f"{folder}/summary.json"


def read_files(run: Path, wanted: Sequence[str]) -> dict[str, File]:
    """Return files of a run by their names, each of them what was made.

    Raises:
        InputError: one is missing, or not what was made.
    """
    return {name: read_file(run, name) for name in wanted}


def read_file(run: Path, name: str) -> File:
    """Return one file of a run, refused where it is not what was made.

    Raises:
        InputError: it is missing, or damaged.
    """
    path, record = run / name, Path(record_path(run / name, str(run)))
    if record.exists():
        made = read_made(record)
        refuse_changed(path, made)
        return File(path, made.sha256, made.size)
    try:
        return File(path, sha256_file(path), path.stat().st_size)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {REMAKE}") from error


def divided(
    files: Mapping[str, File], run: Path, run_id: str
) -> tuple[dict[str, File], dict[str, File]]:
    """Return the files of a release and those that are kept about it, by path in the repository.

    The tables of all areas' validation become one, which is written into the run's folder.
    """
    released, about = {}, {}
    tables = []
    for name, file in files.items():
        if (path := place(name)) is not None:
            released[path] = file
        elif name.startswith("validation/") and name.count("/") == 2:
            tables.append(file.path)
        else:
            about[f"{diagnostics(run_id)}/{name}"] = file
    _join(tables, run / VALIDATION_FILE)
    about[f"{diagnostics(run_id)}/validation.csv"] = read_file(run, VALIDATION_FILE)
    # What the next release is compared with.
    if (run / SUMMARY_FILE).exists():
        about[summary_path(diagnostics(run_id))] = read_file(run, SUMMARY_FILE)
    # It grows with every change of the run, and is not there without one.
    if (run / HISTORY_FILE).exists():
        about[f"{diagnostics(run_id)}/{HISTORY_FILE}"] = read_file(run, HISTORY_FILE)
    return released, about


def _join(tables: Sequence[Path], path: Path) -> None:
    """Write tables with the same columns as one.

    Raises:
        InputError: one has other columns.
    """
    heads: dict[bytes, Path] = {}
    with atomic_path(path) as part, part.open("wb") as file:
        for table in tables:
            head, _, rows = table.read_bytes().partition(b"\n")
            if not heads:
                file.write(head + b"\n")
            heads[head] = table
            if len(heads) > 1:
                one, other = heads.values()
                raise InputError(f"{other}: has other columns than {one}; {REMAKE}")
            file.write(rows)


def write_manifest(
    run: Path,
    run_id: str,
    version: str,
    files: tuple[Mapping[str, File], Mapping[str, File]],
) -> dict[str, Any]:
    """Write and return what a release consists of: the same for the same run and version.

    Args:
        run: the run's folder.
        run_id: its name.
        version: of the release.
        files: what `divided` returned.
    """
    record = read_json(run / RUN_FILE)
    released, about = (
        {path: file.described() for path, file in sorted(part.items())} for part in files
    )
    content = {
        "schema_version": 1,
        "version": version,
        "run_id": run_id,
        "policyengine_us": record.get("versions", {}).get("policyengine-us"),
        "files": released,
        "diagnostics": about,
    }
    with atomic_path(run / MANIFEST_FILE) as part:
        part.write_text(as_json(content), encoding="utf-8")
    return content


def read_manifest(run: Path, run_id: str, version: str) -> dict[str, Any]:
    """Return what a run was staged as.

    Raises:
        InputError: it was not, or as another version.
    """
    path = run / MANIFEST_FILE
    if not path.exists():
        raise InputError(f"{path}: no such file; run `localcal stage {run_id}` first")
    content = read_json(path, ("version", "run_id", "files"))
    staged = (content["run_id"], content["version"])
    if staged != (run_id, version):
        raise InputError(
            f"{path}: run {staged[0]} was staged as version {staged[1]}, not run {run_id} as "
            f"{version}; set release.version to {staged[1]}, or stage it again"
        )
    return content
