"""What every step of a release needs: the repository, the bucket, and the gates, by the config."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from localcal.errors import InputError, one_line
from localcal.files.atomic import atomic_path
from localcal.release.cloud import Copied, Uploaded, prefix_of
from localcal.release.contents import SUMMARY_FILE, read_files, summary_path
from localcal.release.gates import check, refuse
from localcal.release.hub import Hub, as_json
from localcal.release.names import place
from localcal.release.publish import State, refuse_unset
from localcal.release.storage import About
from localcal.release.summary import summarize
from localcal.run.configuration import check_config
from localcal.run.sections import Release


def read_settings(files: Sequence[Path], version: str) -> Release:
    """Return the section of some configs, each over the ones before it, for a version.

    Raises:
        InputError: one cannot be read, or a key is not allowed.
    """
    sources = [(str(file), _read(file)) for file in files]
    merged: dict[str, Any] = {}
    for _, content in sources:
        merged = _laid_over(merged, content)
    given = {"release": {"version": version}}
    complete = check_config(_laid_over(merged, given), [*sources, ("--version", given)])
    return Release.model_validate(complete["release"])


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file}: cannot be read ({one_line(error)})") from error
    if not isinstance(content, dict):
        raise InputError(f"{file}: is no config, whose sections are keys of a mapping")
    return content


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            value = _laid_over(under, value)
        merged[key] = value
    return merged


@dataclass(frozen=True)
class Desk:
    """Where a run is released from.

    Attributes:
        run: the run's folder, such as runs/demo.
        settings: the config's section.
    """

    run: Path
    settings: Release

    def hub(self) -> Hub:
        """Return the repository.

        Raises:
            InputError: the config names none.
        """
        refuse_unset(self.settings)
        return Hub(str(self.settings.repo_id), self.settings.repo_type)

    def uploaded(self, names: Sequence[str]) -> Uploaded | None:
        """Return the bucket that gets the run's files too, None if the config names none.

        Raises:
            InputError: a file is not what was made.
        """
        bucket = self.settings.gcs.bucket
        if bucket is None:
            return None
        files = {
            path: file.path
            for name, file in read_files(self.run, [n for n in names if place(n)]).items()
            if (path := place(name)) is not None
        }
        return Uploaded(bucket, prefix_of(self.settings.gcs), self._about(), files)

    def copied(self, generations: Mapping[str, int]) -> Copied | None:
        """Return the bucket in which earlier generations are to be live again."""
        bucket = self.settings.gcs.bucket
        if bucket is None:
            return None
        return Copied(bucket, prefix_of(self.settings.gcs), self._about(), generations)

    def _about(self) -> About:
        return About(refuse_unset(self.settings), self.run.name)

    def write_summary(self) -> None:
        """Write the figures of the run that the next release is compared with.

        Raises:
            InputError: a file is missing or damaged.
        """
        with atomic_path(self.run / SUMMARY_FILE) as part:
            part.write_text(as_json(summarize(self.run)), encoding="utf-8")

    def judge(self, state: State) -> list[dict[str, Any]]:
        """Hold the run against every gate; return what each said.

        Raises:
            InputError: one refuses it that is not accepted by name.
        """
        override = self.settings.override
        gates = check(self.run, self.settings.gates, self._live(state), override)
        return refuse(gates, override)

    def _live(self, state: State) -> dict[str, Any] | None:
        """Return the figures of the release that is current, {} if nobody wrote them down."""
        entry = state.versions.entry(state.versions.current)
        if entry is None:
            return None
        folder = entry.get("diagnostics_path")
        path = summary_path(str(folder))
        hub = self.hub()
        text = None if folder is None else hub.text(path, state.head)
        try:
            found = json.loads(text or "{}")
        except ValueError as error:
            words = f"{hub.label}, {path}: damaged, not JSON ({one_line(error)}); restore it"
            raise InputError(words) from error
        if not isinstance(found, dict):
            raise InputError(f"{hub.label}, {path}: damaged, not a JSON object; restore it")
        return found
