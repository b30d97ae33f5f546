"""What the machine, the shell or a folder's rights refuse, in words that say what to do.

Read while Snakemake parses the workflow, so nothing heavy is imported here.
"""

import errno
import re
import resource
from typing import NamedTuple

# How HDF5 tells the number of an error, which it does not always pass on otherwise.
_NUMBER = re.compile(r"\berrno = (\d+)")


class Limit(NamedTuple):
    """What is refused, and what to do about it."""

    words: str
    advice: str

    def __str__(self) -> str:
        return f"{self.words}; {self.advice} and run the same command again"


_NO_SPACE = Limit("no space left on the disk", "free some")
_FORBIDDEN = Limit("permission denied", "change the rights of it or of its folder")
_LIMITS = {
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: _NO_SPACE,
    errno.EFBIG: Limit("larger than this shell lets a file be", "raise it with ulimit -f"),
    errno.EMFILE: Limit("more files open than this shell allows", "raise it with ulimit -n"),
    errno.ENFILE: Limit("more files open than this machine allows", "end other programs"),
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: Limit("a file system that cannot be written to", "mount it writable"),
    errno.ENOTDIR: Limit("what should be its folder is a file", "rename or remove that"),
    errno.ENAMETOOLONG: Limit("the name is too long", "choose a shorter folder or run id"),
    errno.E2BIG: Limit("the command line or the environment is too long", "shorten it"),
}


def limit_of(error: BaseException) -> Limit | None:
    """Return what an error says was refused by the machine or the shell; None for anything else."""
    number = getattr(error, "errno", None)
    if number is None and (match := _NUMBER.search(str(error))):
        number = int(match[1])
    if number is None and "No space left" in str(error):
        return _NO_SPACE
    return None if number is None else _LIMITS.get(number)


def largest_file() -> int | None:
    """Return how many bytes the shell lets a file have; None for any number."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if limit == resource.RLIM_INFINITY else limit
