"""The bucket that gets a release beside the Hub: which objects, and what it says of versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcal.release import storage
from localcal.release.manifest import VERSIONS, Versions
from localcal.release.storage import About, Changed
from localcal.run.sections import CloudStorage


@dataclass(frozen=True)
class Bucket:
    """A bucket of Google Cloud Storage.

    Attributes:
        bucket: its name.
        prefix: of the names of its objects, '' or with a slash at its end.
        about: the release, which its objects say they are of.
    """

    bucket: str
    prefix: str
    about: About

    def put(self) -> dict[str, int]:
        """Make the release's files the live ones, unless they are; return their generations."""
        raise NotImplementedError

    def read(self) -> tuple[Versions, int]:
        """Return the bucket's manifest of versions and its generation.

        Raises:
            InputError: it is damaged, or cannot be read.
        """
        name = f"{self.prefix}{VERSIONS}"
        content, generation = storage.read_json(self.bucket, name)
        label = f"gs://{self.bucket}/{name}"
        if content is None:
            return Versions.read(None, label), generation
        return Versions.of(content, label), generation

    def write(self, versions: Versions, generation: int) -> bool:
        """Replace that generation of the manifest; False if another one is there by now.

        Raises:
            InputError: it cannot be written.
        """
        name = f"{self.prefix}{VERSIONS}"
        try:
            storage.swap_json(self.bucket, name, versions.content, generation, self.about)
        except Changed:
            return False
        return True


@dataclass(frozen=True)
class Uploaded(Bucket):
    """A bucket that gets files from here."""

    files: Mapping[str, Path]

    def put(self) -> dict[str, int]:
        """Send what is not live yet."""
        return storage.upload(self.files, self.bucket, self.prefix, {}, self.about)


@dataclass(frozen=True)
class Copied(Bucket):
    """A bucket in which earlier generations become the live ones again."""

    generations: Mapping[str, int]

    def put(self) -> dict[str, int]:
        """Copy what is not live yet."""
        return storage.copy_generations(self.generations, self.bucket, self.prefix, {}, self.about)


def prefix_of(settings: CloudStorage) -> str:
    """Return what the names of objects begin with."""
    return f"{settings.prefix}/" if settings.prefix else ""
