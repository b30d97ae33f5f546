"""What a detached coordinator is sent: a folder's sources, and the files that a config names."""

import gzip
import io
import os
import re
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from snakemake_executor_plugin_modal.errors import ModalPluginError

MOST_MB = 500
"""More than this is data, which belongs on the volume, and not sources."""

CONFIG_OF_SNAKEFILE = re.compile(r"""^configfile:\s*["']([^"']+)["']""", re.MULTILINE)

SKIPPED = ("__pycache__", ".snakemake")


def pack(folder: Path, named: Iterable[str]) -> bytes:
    """The sources of a folder as a compressed archive, with the times and links that they have.

    What Git knows, or would not ignore, and of its history the last commit, so that it can be told
    there, too, what the sources are; without Git every file but hidden ones. `named` are more files
    and folders inside of it.

    Raises:
        ModalPluginError: too much, or a link that leads out of the folder.
    """
    members = {name: folder / name for name in sources(folder)}
    for name in named:
        inside = folder / name
        found = sorted(inside.rglob("*")) if inside.is_dir() else [inside]
        members |= {str(one.relative_to(folder)): one for one in found if not one.is_dir()}
    refuse_links_outside(folder, members)
    refuse_too_much(members)
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=6, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
        tempfile.TemporaryDirectory() as temporary,
    ):
        if last_commit(folder, Path(temporary)):
            archive.add(f"{temporary}/.git", ".git", filter=plain)
        for name, path in sorted(members.items()):
            archive.add(path, name, recursive=False, filter=plain)
    return buffer.getvalue()


def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """A file without whose it is, and with its time in whole seconds."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = int(member.mtime)
    return member


def sources(folder: Path) -> list[str]:
    """The files of a folder that are sources, as paths from it."""
    if git(folder, "rev-parse", "--is-inside-work-tree") is None:
        names = [
            str(path.relative_to(folder))
            for path in folder.rglob("*")
            if not any(
                part.startswith(".") or part in SKIPPED for part in path.relative_to(folder).parts
            )
        ]
    else:
        tracked = git(folder, "ls-files", "-z", "--recurse-submodules") or ""
        others = git(folder, "ls-files", "-z", "--others", "--exclude-standard") or ""
        names = [name for name in f"{tracked}\0{others}".split("\0") if name]
    # What Git tracks may have been deleted.
    return sorted({name for name in names if is_file_or_link(folder / name)})


def is_file_or_link(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def last_commit(folder: Path, temporary: Path) -> bool:
    """Put the last commit of a folder that is a whole Git checkout into another folder's .git.

    Without the addresses of its remotes, which may contain passwords.
    """
    top = git(folder, "rev-parse", "--show-toplevel")
    if top is None or Path(top.strip()) != folder.resolve():
        return False
    if git(folder, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        return False
    quiet = ("--quiet", "--no-checkout", "--no-tags", "--depth", "1", "--template=")
    if git(temporary, "clone", *quiet, f"file://{folder.resolve()}", ".") is None:
        raise ModalPluginError(f"{folder}: Git could not copy its last commit")
    git(temporary, "remote", "remove", "origin")
    git(temporary, "read-tree", "HEAD")
    return True


def git(folder: Path, *arguments: str) -> str | None:
    """What Git says; None if it fails or is not there."""
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return None if result.returncode else result.stdout


def refuse_links_outside(folder: Path, members: dict[str, Path]) -> None:
    """Raises ModalPluginError if a link leads to what is not sent."""
    for name, path in members.items():
        if not path.is_symlink():
            continue
        target = path.readlink()
        inside = os.path.normpath(Path(name).parent / target)
        if target.is_absolute() or inside.startswith(".."):
            raise ModalPluginError(
                f"{name} is a link to {target}, which is outside of {folder} and cannot be read "
                "on Modal: put a copy in its place"
            )


def refuse_too_much(members: dict[str, Path]) -> None:
    """Raises ModalPluginError if the files are more than sources can be."""
    sizes = {name: path.lstat().st_size for name, path in members.items()}
    total = sum(sizes.values()) / 2**20
    if total > MOST_MB:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
        listed = ", ".join(f"{name} ({sizes[name] / 2**20:.0f} MB)" for name in largest)
        raise ModalPluginError(
            f"the sources are {total:.0f} MB, and {MOST_MB} MB is the most that is sent; the "
            f"largest are {listed}: have Git ignore what is none"
        )


def named_files(folder: Path, configs: Iterable[tuple[str, Any]]) -> list[str]:
    """Files and folders inside of a folder that values of its config name, as paths from it.

    Args:
        folder: where Snakemake is started.
        configs: where each config is from, and what is in it.

    Raises:
        ModalPluginError: a value names one that is outside.
    """
    found = []
    for source, config in configs:
        for key, text in texts(config):
            if "\n" in text or not text or len(text) > 1024 or "\0" in text:
                continue
            path = folder / text
            if not path.exists() or is_program(path):
                continue
            relative = os.path.relpath(path, folder)
            if relative.startswith(".."):
                if folder.resolve().is_relative_to(path.resolve()):
                    continue
                raise ModalPluginError(
                    f"{source}: {key}: {text} is outside of {folder} and cannot be read on Modal: "
                    "copy it into this folder and name the copy"
                )
            if relative != ".":
                found.append(relative)
    return sorted(set(found))


def is_program(path: Path) -> bool:
    """Whether a path is that of a program, which is the machine's and no input."""
    return path.is_file() and bool(path.stat().st_mode & stat.S_IXUSR)


def texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a config, with the keys that lead to it."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from texts(one, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for one in value:
            yield from texts(one, key)
    elif isinstance(value, str):
        yield key, value


def configs_of(
    snakefile: Path, configfiles: Iterable[str], given: Iterable[str]
) -> Iterator[tuple[str, Any]]:
    """Every config that a workflow is started with: the Snakefile's, files', the command line's.

    Raises:
        ModalPluginError: a file cannot be read.
    """
    own = [str(name) for name in CONFIG_OF_SNAKEFILE.findall(snakefile.read_text())]
    for name in [*own, *configfiles]:
        try:
            yield name, yaml.safe_load(Path(name).read_text())
        except (OSError, yaml.YAMLError) as error:
            raise ModalPluginError(f"{name} cannot be read: {error}") from error
    for text in given:
        name, _, value = text.partition("=")
        try:
            yield f"--config {name}", {name: yaml.safe_load(value)}
        except yaml.YAMLError:
            # Snakemake will say what is wrong with it, or take it for text.
            yield f"--config {name}", {name: value}
