"""The two manifests: which versions there are, and what a release consists of.

`version_manifest.json` is what consumers read first. It was there before us and is written by
others too, so that every entry and field in it that is not ours stays as it is.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcal.errors import InputError, one_line

VERSIONS = "version_manifest.json"
CONTENTS = "manifest.json"
COMMIT = re.compile(r"[0-9a-f]{40}")
ROLL_BACK = "roll-back"


def contents_path(version: str) -> str:
    """Return where the contents of a release stay, whatever is current."""
    return f"releases/{version}/{CONTENTS}"


@dataclass(frozen=True)
class Versions:
    """What version_manifest.json says.

    Attributes:
        content: all of it; `versions` has the newest first.
    """

    content: Mapping[str, Any]

    @classmethod
    def read(cls, text: str | None, label: str) -> "Versions":
        """Return what a text says; one without versions if there is none.

        Raises:
            InputError: it is no such manifest.
        """
        if text is None:
            return cls({"current": None, "versions": []})
        try:
            return cls.of(json.loads(text, parse_constant=_refuse_constant), label)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{label}: not JSON ({one_line(error)}); restore it, nothing is published before"
            ) from error

    @classmethod
    def of(cls, content: Any, label: str) -> "Versions":
        """Return a manifest with this content.

        Raises:
            InputError: it is none.
        """
        entries = content.get("versions") if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(map(_is_entry, entries)):
            raise InputError(
                f"{label}: is no object with a list of `versions` that each have a `version`; "
                "restore it, nothing is published before"
            )
        if not isinstance(current := content.get("current"), str | None):
            raise InputError(
                f"{label}: `current` is {current!r}, neither a version nor null; restore it, "
                "nothing is published before"
            )
        return cls(content)

    @property
    def current(self) -> str | None:
        """The version that is to be used."""
        return self.content.get("current")

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The versions, the newest first."""
        return list(self.content["versions"])

    def entry(self, version: str | None) -> dict[str, Any] | None:
        """Return what is said of a version."""
        return next((entry for entry in self.entries if entry["version"] == version), None)

    def who(self) -> str:
        """Return which release is current, in words."""
        entry = self.entry(self.current)
        if entry is None:
            return "no release is current"
        return f"release {self.current} of run {entry.get('pipeline_run_id', '(unknown)')}"

    def with_current(self, entry: Mapping[str, Any]) -> "Versions":
        """Return the manifest with one more version, which is the current one."""
        versions = [dict(entry), *self.entries]
        return Versions({**self.content, "current": entry["version"], "versions": versions})

    def with_changed(self, entry: Mapping[str, Any]) -> "Versions":
        """Return the manifest with another entry in place of the one of the same version."""
        versions = [
            dict(entry) if other["version"] == entry["version"] else other for other in self.entries
        ]
        return Versions({**self.content, "versions": versions})

    def mirrored(self, there: "Versions", entry: Mapping[str, Any]) -> "Versions":
        """Return another place's manifest with all versions of this one, and what is current here.

        What that place says of a version stays; of one of them `entry` is said.
        """
        # Others may have entered a version twice.
        rest, told = there.entries, []
        for other in self.entries:
            same = next((one for one in rest if one["version"] == other["version"]), None)
            if same is not None:
                rest.remove(same)
            is_told = other["version"] == entry["version"]
            told.append(dict(entry) if is_told else same or other)
        return Versions({**there.content, "current": self.current, "versions": [*told, *rest]})


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("version"), str)


def is_of(entry: Mapping[str, Any], run_id: str, rolls_back: str | None) -> bool:
    """Say whether an entry is the release of a run, or the roll-back to a version of it."""
    return entry.get("pipeline_run_id") == run_id and entry.get("roll_back_version") == rolls_back


def has_commit(entry: Mapping[str, Any]) -> bool:
    """Say whether an entry names its commit by now."""
    named = entry.get("hf")
    return isinstance(named, Mapping) and bool(COMMIT.fullmatch(str(named.get("commit"))))


def files_of(text: str | None, label: str, part: str = "files") -> dict[str, str]:
    """Return the SHA-256 of each file that a release's manifest names, by path.

    Args:
        text: the manifest.
        label: what it is called in messages.
        part: `files` of the release, or `diagnostics`.

    Raises:
        InputError: there is no such manifest, or it is none.
    """
    try:
        files = json.loads(text or "")[part]
        return {path: file["sha256"] for path, file in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        found = "is not there" if text is None else "does not say what the release consists of"
        raise InputError(f"{label}: {found}; restore it, or choose another version") from error
