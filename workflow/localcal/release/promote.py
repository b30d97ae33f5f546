"""Make a staged run the release that everybody reads."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from localcal.errors import InputError
from localcal.files.made import read_made, record_path
from localcal.release.contents import MANIFEST_FILE, diagnostics, read_manifest, staging
from localcal.release.hub import Hub
from localcal.release.names import source
from localcal.release.publish import (
    Cloud,
    Publication,
    State,
    publish,
    refuse_other,
    refuse_unset,
)
from localcal.run.sections import Release


def promote(
    run: Path,
    settings: Release,
    hub: Hub,
    cloud: Cloud | None,
    judge: Callable[[State], list[dict[str, Any]]],
) -> dict[str, Any]:
    """Promote a run, or go on with it, or find it done; return the receipt.

    Args:
        run: the run's folder, such as runs/demo.
        settings: the config's section.
        hub: the repository.
        cloud: the bucket that gets the release too.
        judge: refuses the run where it must not be released, or returns what each gate said.

    Raises:
        InputError: the run is not staged as this version, or is another by now; the version is
            something else already; a gate refuses; the Hub or the bucket fails.
    """
    version = refuse_unset(settings)
    hub.refuse_without_token()
    manifest = read_manifest(run, run.name, version)
    _refuse_remade(run, manifest["files"])
    state = State.read(hub, hub.head())
    refuse_other(hub, state, version, run.name, None)
    judged = [] if state.versions.entry(version) is not None else judge(state)
    accepted = [
        {"gate": gate["name"], "reasons": gate["reasons"]} for gate in judged if gate["accepted"]
    ]
    folder = staging(run.name)
    entry = publish(
        Publication(
            version=version,
            run_id=run.name,
            contents=(run / MANIFEST_FILE).read_text(encoding="utf-8"),
            sources={path: f"{folder}/{path}" for path in manifest["files"]},
            emptied=folder,
            fields={
                "diagnostics_path": diagnostics(run.name),
                "policyengine_us": manifest.get("policyengine_us"),
                **({"accepted": accepted} if accepted else {}),
            },
        ),
        hub,
        cloud,
    )
    return receipt(hub, entry)


def _refuse_remade(run: Path, staged: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a run of which a file is another one by now.

    Gates would judge it instead of what was staged, and a bucket would get it.
    """
    for path, file in staged.items():
        name = source(path)
        record = Path(record_path(run / name, str(run)))
        if record.exists() and read_made(record).sha256 != file["sha256"]:
            raise InputError(
                f"{run / name}: was made anew since the run was staged; run `localcal stage "
                f"{run.name}` again"
            )


def receipt(hub: Hub, entry: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept with the run about a release."""
    return {
        "run_id": entry["pipeline_run_id"],
        "version": entry["version"],
        "repo_id": hub.repo_id,
        "repo_type": hub.repo_type,
        "commit": entry["hf"]["commit"],
        "created_at": entry["created_at"],
        "entry": entry,
    }
