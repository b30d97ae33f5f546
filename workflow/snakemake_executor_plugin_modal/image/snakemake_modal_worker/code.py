"""What the code of a local package is: a digest of its files, the same here and in a container."""

import hashlib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent
"""The folder that has this package and the local ones that were put into the image."""


def digest_of(folder: Path) -> str:
    """Twelve characters that change with the name or the content of any file of a package."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
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
