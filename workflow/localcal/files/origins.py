"""Was this made from that? The digests that a product carries of what it was made from."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from localcal.errors import REMAKE, InputError
from localcal.files.atomic import sha256_file

_compared: ContextVar[Mapping[str, str]] = ContextVar("_compared")


@contextmanager
def compared(digests: Mapping[str, str]) -> Iterator[None]:
    """Take files' digests, by path, from whoever has just read them and keeps them as they are.

    To read a production's places takes as long as many an area's file.
    """
    token = _compared.set(digests)
    try:
        yield
    finally:
        _compared.reset(token)


def known_digests() -> Mapping[str, str]:
    """Return the digests, by path, that are taken from whoever has read the files."""
    return _compared.get({})


def record(inputs: Mapping[str, str | Path]) -> dict[str, str]:
    """Return the SHA-256 of each input's file, by name, for a product to carry.

    Raises:
        InputError: a file is missing or cannot be read.
    """
    digests = {}
    for name, path in sorted(inputs.items()):
        try:
            digests[name] = known_digests().get(str(path)) or sha256_file(path)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; run the same command again") from error
    return digests


def refuse_other_files(
    path: str | Path, recorded: Mapping[str, object], inputs: Mapping[str, Path]
) -> dict[str, str]:
    """Refuse a product that was made from other files than these; return their digests.

    Which of the two is wrong, nobody knows: the product may be old, or the file damaged.

    Args:
        path: the product.
        recorded: the digests of what it says it was made from; more are allowed.
        inputs: the files it should have been made from, by name.

    Raises:
        InputError: a file has another digest, or the product does not say.
    """
    digests = record(inputs)
    for name, file in inputs.items():
        remedy = (
            f"remove whichever of it and {file} is old or damaged and run the same command again"
        )
        refuse_other(path, recorded, {name: digests[name]}, remedy)
    return digests


def refuse_other(
    path: str | Path,
    recorded: Mapping[str, object],
    expected: Mapping[str, object],
    remedy: str = REMAKE,
) -> None:
    """Refuse a product that was made from something else.

    Args:
        path: the product.
        recorded: what it says it was made from; more than is expected is allowed.
        expected: the digests of what it should have been made from.
        remedy: what to do about it.

    Raises:
        InputError: a digest differs or is missing.
    """
    for name, digest in sorted(expected.items()):
        if name not in recorded:
            raise InputError(f"{path}: does not say which {name} it was made from; {remedy}")
        if recorded[name] != digest:
            raise InputError(f"{path}: made from another {name} than the run has now; {remedy}")
