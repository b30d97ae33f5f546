"""Publish an earlier run once more, as a release of its own, without building anything."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from localcal.errors import InputError
from localcal.release.contents import diagnostics
from localcal.release.hub import Hub, as_json
from localcal.release.manifest import (
    COMMIT,
    ROLL_BACK,
    Versions,
    contents_path,
    files_of,
)
from localcal.release.promote import receipt
from localcal.release.publish import Cloud, Publication, State, publish


def rollback(
    run_id: str,
    version: str,
    hub: Hub,
    cloud_of: Callable[[Mapping[str, int]], Cloud | None],
) -> dict[str, Any]:
    """Publish what a run was released with as a new version; return the receipt.

    Args:
        run_id: the run to go back to.
        version: the new version.
        hub: the repository.
        cloud_of: returns the bucket that gets the release too, for the generations of its objects
            that are to be live again.

    Raises:
        InputError: the run was never released, or is current; the version is something else
            already; the Hub or the bucket fails.
    """
    hub.refuse_without_token()
    state = State.read(hub, hub.head())
    target = _target(hub, state.versions, run_id, version)
    name = target["version"]
    commit = _commit_of(hub, target)
    text = hub.text(contents_path(name), commit)
    label = f"{hub.label}, {contents_path(name)}"
    files = files_of(text, label)
    contents = json.loads(text or "") | {"version": version}
    generations = (target.get("gcs") or {}).get("generations") or {}
    cloud = cloud_of(generations)
    if cloud is not None and (lacking := sorted(files.keys() - generations.keys())):
        raise InputError(
            f"gs://{cloud.bucket}: release {name} was not put there whole, it lacks {lacking[0]} "
            f"({len(lacking)} of {len(files)} files); choose another run to go back to, or set "
            "release.gcs.bucket to null to go back in the repository alone"
        )
    entry = publish(
        Publication(
            version=version,
            run_id=run_id,
            contents=as_json(contents),
            sources={path: path for path in files},
            revision=commit,
            rolls_back=name,
            fields={
                "special_operation": ROLL_BACK,
                "roll_back_version": name,
                "diagnostics_path": target.get("diagnostics_path") or diagnostics(run_id),
                "policyengine_us": target.get("policyengine_us"),
            },
        ),
        hub,
        cloud,
    )
    return receipt(hub, entry)


def _target(hub: Hub, versions: Versions, run_id: str, version: str) -> dict[str, Any]:
    """Return the entry of the release to go back to: the run's last one before the new version."""
    begun = versions.entry(version)
    if begun is not None and begun.get("pipeline_run_id") == run_id:
        found = versions.entry(begun.get("roll_back_version"))
        if found is not None:
            return found
    known = [entry for entry in versions.entries if entry.get("pipeline_run_id") == run_id]
    if not known:
        runs = dict.fromkeys(str(e.get("pipeline_run_id")) for e in versions.entries)
        raise InputError(
            f"{hub.label}: no release is of run {run_id}; there are releases of "
            f"{', '.join(runs) or 'no run'}"
        )
    if begun is None and versions.current in {entry["version"] for entry in known}:
        raise InputError(
            f"{hub.label}: {versions.who()} is what is current; name another run to go back to"
        )
    return next((entry for entry in known if entry["version"] != version), known[0])


def _commit_of(hub: Hub, entry: Mapping[str, Any]) -> str:
    """Return the commit of a release: what its entry says, which may be a tag."""
    named = str((entry.get("hf") or {}).get("commit"))
    if COMMIT.fullmatch(named):
        return named
    tags = hub.tags()
    for tag in (named, entry["version"]):
        if tag in tags:
            return tags[tag]
    raise InputError(
        f"{hub.label}: neither a commit nor a tag is known of release {entry['version']}; choose "
        "another run to go back to"
    )
