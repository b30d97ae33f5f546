"""What is known of one file or directory on a volume."""

from dataclasses import dataclass

TEMPORARY_SUFFIX = ".smk-tmp"


@dataclass(frozen=True)
class Entry:
    """Size in bytes (0 of a directory) and time of modification in whole seconds.

    Modal keeps whole seconds only, so a time with fractions would make a file look newer here
    than the same file there.
    """

    size: int
    mtime: int
    is_directory: bool = False


def temporary_name(name: str) -> str:
    """Where a file of this name grows until it is complete; the same at each attempt."""
    return f".{name}{TEMPORARY_SUFFIX}"


def is_temporary(path: str) -> bool:
    return any(part.startswith(".") and part.endswith(TEMPORARY_SUFFIX) for part in path.split("/"))
