"""Put a run where its release can be made of it, and keep what is said about it.

Nothing that anybody reads changes: files go to a folder of the run's own. What is there already is
not sent again, so the same command goes on after whatever stopped it.
"""

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcal.errors import InputError
from localcal.release.contents import (
    MANIFEST_FILE,
    File,
    diagnostics,
    divided,
    read_file,
    read_files,
    staging,
    write_manifest,
)
from localcal.release.hub import (
    AGAIN,
    FILES_AT_ONCE,
    TRIES,
    CommitOperationDelete,
    Hub,
    Kept,
    Moved,
    Operation,
    Unsure,
    add,
)
from localcal.release.manifest import CONTENTS, files_of
from localcal.release.publish import State, refuse_other, refuse_unset
from localcal.run.sections import Release

logger = logging.getLogger(__name__)


def stage(
    run: Path,
    names: Sequence[str],
    settings: Release,
    hub: Hub,
    judge: Callable[[State], list[dict[str, Any]]],
) -> dict[str, Any]:
    """Stage a run and return the receipt.

    Args:
        run: the run's folder, such as runs/demo.
        names: its files that are released, see `contents.names`.
        settings: the config's section.
        hub: the repository.
        judge: refuses the run where it must not be released, or returns what each gate said.

    Raises:
        InputError: a file is not what was made; the version is another run's; diagnostics are not
            those that are there already; the Hub refuses or cannot be reached.
    """
    version = refuse_unset(settings)
    hub.refuse_without_token()
    files = divided(read_files(run, names), run, run.name)
    manifest = write_manifest(run, run.name, version, files)
    state = State.read(hub, hub.head())
    refuse_other(hub, state, version, run.name, None)
    released = state.versions.entry(version) is not None
    receipt = {
        "run_id": run.name,
        "version": version,
        "repo_id": hub.repo_id,
        "repo_type": hub.repo_type,
        "files": len(manifest["files"]),
        "bytes": sum(file["size"] for file in manifest["files"].values()),
        "gates": [] if released else judge(state),
    }
    if released:
        logger.info("%s: version %s is released already", hub.label, version)
        commit = state.head
    else:
        commit = _send(hub, run, *files)
    return receipt | {"commit": commit, "staged_at": now()}


def now() -> str:
    """Return the time as receipts and manifests have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _send(hub: Hub, run: Path, released: Mapping[str, File], about: Mapping[str, File]) -> str:
    """Send what the repository lacks; return a commit that has everything."""
    folder = staging(run.name)
    # The manifest first: it tells what was to arrive.
    wanted = {f"{folder}/{CONTENTS}": read_file(run, MANIFEST_FILE), **about}
    wanted |= {f"{folder}/{path}": file for path, file in released.items()}
    head, failures = hub.head(), 0
    sent: set[str] = set()
    last: tuple[InputError, list[str]] | None = None
    while True:
        there = hub.tree(folder, head) | hub.tree(diagnostics(run.name), head)
        missing = [path for path, file in wanted.items() if not file.is_kept(there.get(path))]
        surplus = [path for path in there if path.startswith(f"{folder}/") and path not in wanted]
        _refuse_damaged(hub, [path for path in missing if path in sent], wanted)
        _refuse_rewriting(hub, head, {path: wanted[path] for path in missing}, there)
        if not missing and not surplus:
            break
        if last is not None and last[1] == missing:
            raise last[0]
        batch = missing[:FILES_AT_ONCE]
        try:
            head = _commit_some(hub, head, wanted, batch, surplus)
            sent.update(batch)
            last = None
        except Moved:
            failures += 1
            if failures == TRIES:
                raise
            hub.pause(failures)
            head = hub.head()
        except Unsure as error:
            last = (error, missing)
            head = hub.head()
    _refuse_differing(hub, head, wanted)
    return head


def _commit_some(
    hub: Hub, head: str, wanted: Mapping[str, File], paths: Sequence[str], surplus: Sequence[str]
) -> str:
    additions = [add(path, wanted[path].path, wanted[path].sha256) for path in paths]
    hub.send(additions)
    operations: list[Operation] = [*additions]
    operations += [CommitOperationDelete(path, is_folder=False) for path in surplus]
    title = f"Stage {len(paths)} files"
    return hub.commit(operations, title, head)


def _refuse_rewriting(
    hub: Hub, head: str, files: Mapping[str, File], there: Mapping[str, Kept]
) -> None:
    """Refuse to change what was said about the run.

    Its history may grow, and what arrived damaged may be sent again.
    """
    changed = [path for path in files if path in there and not path.startswith("staging/")]
    told = _told(hub, head, there) if changed else {}
    for path in changed:
        if path.endswith(".jsonl"):
            kept = hub.text(path, head) or ""
            if files[path].path.read_text(encoding="utf-8").startswith(kept):
                continue
        if path in told and hub.sha256(path, there[path], head) != told[path]:
            continue
        raise InputError(
            f"{hub.label}, {path}: is not what the run has now ({files[path].path}), and "
            "diagnostics are never changed; start the run again under another run id"
        )


def _told(hub: Hub, head: str, there: Mapping[str, Kept]) -> dict[str, str]:
    """Return the SHA-256 of what was to arrive about the run, by the manifest that did."""
    for path in there:
        if path.startswith("staging/") and path.endswith(f"/{CONTENTS}"):
            label = f"{hub.label}, {path}"
            return files_of(hub.text(path, head), label, "diagnostics")
    return {}


def _refuse_differing(hub: Hub, head: str, wanted: Mapping[str, File]) -> None:
    """Refuse what arrived otherwise than it is here, by the client's own check."""
    with tempfile.TemporaryDirectory() as folder:
        for path, file in wanted.items():
            link = Path(folder) / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.path.resolve())
        _refuse_damaged(hub, hub.differing(Path(folder), head), wanted)


def _refuse_damaged(hub: Hub, paths: Sequence[str], wanted: Mapping[str, File]) -> None:
    if paths:
        raise InputError(
            f"{hub.label}, {paths[0]}: arrived otherwise than it is here "
            f"({len(paths)} of {len(wanted)} files); {AGAIN}, it sends them again"
        )
