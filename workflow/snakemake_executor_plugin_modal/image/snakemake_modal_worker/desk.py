"""What a detached coordinator keeps on the volume, in `.smk-modal/coordinators/NAME/`.

`sources.tar.gz` and `request.json` come from whoever started it: what it shall do. `state.json`
says what became of it, `log_001.txt` and so on what Snakemake said, one file per container that it
ran in. A file `stop` asks it to end.

Read and written through Modal's API, as from outside: a mounted volume would have to be reloaded
to see what the jobs made.
"""

import contextlib
import io
import json
from collections.abc import Iterable

import modal
from modal.types import FileEntryType

FOLDER = ".smk-modal/coordinators"

REQUEST = "request.json"
STATE = "state.json"
SOURCES = "sources.tar.gz"
STOP = "stop"

GONE = (FileNotFoundError, modal.exception.NotFoundError)


class Desk:
    """The folder of the coordinator of this name."""

    def __init__(self, volume: modal.Volume, name: str) -> None:
        self.volume, self.name = volume, name
        self.folder = f"{FOLDER}/{name}"

    def names(self) -> set[str]:
        """The files that are there."""
        try:
            entries = self.volume.listdir(f"/{self.folder}")
        except GONE:
            return set()
        return {one.path.rpartition("/")[2] for one in entries if one.type == FileEntryType.FILE}

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if it is not there."""
        try:
            return b"".join(self.volume.read_file(f"{self.folder}/{name}"))
        except GONE:
            return None

    def read_json(self, name: str) -> dict:
        """The content of a JSON file; nothing if it is not there."""
        return json.loads(self.read(name) or b"{}")

    def write(self, name: str, content: bytes) -> None:
        """Put a file there, replacing what there is."""
        with self.volume.batch_upload(force=True) as batch:
            batch.put_file(io.BytesIO(content), f"/{self.folder}/{name}")

    def write_json(self, name: str, content: dict) -> None:
        """Put a JSON file there."""
        self.write(name, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())

    def remove(self, names: Iterable[str]) -> None:
        """Remove files."""
        for name in names:
            with contextlib.suppress(*GONE):
                self.volume.remove_file(f"/{self.folder}/{name}")


def log_name(attempt: int) -> str:
    """The log of the so-manieth container that a coordinator ran in."""
    return f"log_{attempt:03d}.txt"


def logs(names: Iterable[str]) -> list[str]:
    """The logs among some files, in order."""
    return sorted(name for name in names if name.startswith("log_"))
