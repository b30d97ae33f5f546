"""A volume seen from inside a container, as a mounted folder."""

import json
import os
import shutil
import time
from pathlib import Path

from snakemake_interface_common.exceptions import WorkflowError

from snakemake_storage_plugin_modal.entry import Entry, is_temporary, temporary_name

MOUNTS_VARIABLE = "SMK_MODAL_MOUNTS"


def mounted_folders() -> dict[str, Path]:
    """The folder of each volume mounted here, by the volume's name.

    The variable holds volume=folder, several separated by commas, or the same as a JSON object.

    Raises:
        WorkflowError: the variable has another form, or a folder in it does not exist.
    """
    text = os.environ.get(MOUNTS_VARIABLE, "").strip()
    try:
        if text.startswith("{"):
            folders = json.loads(text)
        else:
            folders = dict(part.split("=", 1) for part in text.split(",") if part)
    except ValueError:
        raise WorkflowError(f"{MOUNTS_VARIABLE}={text!r}: expected volume=folder") from None
    for name, folder in folders.items():
        if not Path(folder).is_dir():
            raise WorkflowError(f"{MOUNTS_VARIABLE}: volume {name} is not mounted at {folder}")
    return {name: Path(folder) for name, folder in folders.items()}


class MountedVolume:
    """Files below `folder`; whoever started the container reloads before and commits after."""

    def __init__(self, folder: Path):
        self.folder = folder

    def entry(self, path: str) -> Entry | None:
        target = self.folder / path
        try:
            status = target.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not target.is_dir():
            return Entry(status.st_size, int(status.st_mtime))
        times = [file.stat().st_mtime for file in target.rglob("*") if file.is_file()]
        return Entry(0, int(max(times, default=status.st_mtime)), is_directory=True)

    def paths(self) -> list[str]:
        """All files, relative to the volume's root."""
        found = (file.relative_to(self.folder) for file in self.folder.rglob("*") if file.is_file())
        return [path.as_posix() for path in found if not is_temporary(path.as_posix())]

    def retrieve(self, path: str, local: Path) -> None:
        """Link to the file; nothing is copied."""
        remove(local)
        local.symlink_to(self.folder / path)

    def store(self, local: Path, path: str) -> None:
        """Copy under a temporary name and rename.

        Modal also commits by itself every few seconds, so a file that grew under its final name
        could be published half written by a job that is killed.
        """
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(temporary_name(target.name))
        remove(part)
        try:
            if local.is_dir():
                shutil.copytree(local, part)
                remove(target)
            else:
                shutil.copy(local, part)
            seconds = int(time.time())
            os.utime(part, (seconds, seconds))
            part.rename(target)
        except BaseException:
            remove(part)
            raise

    def remove(self, path: str) -> None:
        remove(self.folder / path)


def remove(path: Path) -> None:
    """Remove a file, a link or a directory with its content, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
