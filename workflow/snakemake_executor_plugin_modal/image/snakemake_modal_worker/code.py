"""What the code of a local package is: a digest of its files, the same here and in a container."""

import hashlib
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent
"""The folder that has this package and the local ones that were put into the image."""

PROJECT = "pyproject.toml"
BESIDE = (
    PROJECT,
    "*.md",
    "LICENSE*",
    "MANIFEST.in",
    "docs",
    "tests",
    "build",
    "dist",
    "*.egg-info",
)
"""What lies beside a package's code where its folder is the project that it is published from."""


def not_code(folder: Path) -> tuple[str, ...]:
    """Names of files and folders in a package's folder that are no part of the package."""
    return BESIDE if (folder / PROJECT).is_file() else ()


def digest_of(folder: Path) -> str:
    """Twelve characters that change with the name or the content of any file of a package."""
    digest = hashlib.sha256()
    beside = not_code(folder)
    for path in sorted(folder.rglob("*")):
        first = path.relative_to(folder).parts[0]
        if any(fnmatch(first, name) for name in beside):
            continue
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


@cache
def here(name: str) -> str:
    """The digest of a package of this container, once for all its jobs."""
    return digest_of(FOLDER / name)


def refusal(packages: dict[str, str]) -> str | None:
    """Why this container must not work for a coordinator with these packages; None if it may."""
    other = [name for name, digest in packages.items() if here(name) != digest]
    if not other:
        return None
    listed = ", ".join(f"{name} is {here(name)} here and {packages[name]} there" for name in other)
    return (
        f"this container has other code than the coordinator ({listed}); nothing was done. End it "
        "with `modal app stop`, and start the run again"
    )
