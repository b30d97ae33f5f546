"""Objects of a Cloud Storage bucket, written only where nobody else has written in between.

Every object has a generation, which changes with its content. A write names the generation that it
replaces, 0 where there is no object, and the service refuses it if another is there by now. So a
write can be repeated, also by the client after a lost answer, and none is done twice: what we find
in place of our own attempt, we know by the release that its metadata name.
"""

import base64
import io
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcal.errors import InputError, one_line
from localcal.files.atomic import atomic_path
from localcal.release.bucket import address, explained, fetched, opened, reading, writing

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket

logger = logging.getLogger(__name__)

# A file of at most as many bytes is sent in one request, together with what is said of it.
SMALL = 8 << 20
# Of a larger one this much at a time, so that no file has to fit into memory.
CHUNK = 16 << 20
# Caches would show the old release for an hour where objects are public.
FRESH = "no-cache"
# How often an object is read again that changes between two requests.
READS = 3


class Changed(InputError):
    """A live object is not the one that was to be replaced."""


@dataclass(frozen=True)
class About:
    """What every object says of the release that it was written for."""

    version: str
    run_id: str

    def metadata(self) -> dict[str, str]:
        """Return it as the object's metadata."""
        return {"version": self.version, "run_id": self.run_id}


@dataclass(frozen=True)
class Content:
    """What is known of an object's bytes: how many, and their CRC32C in base64."""

    size: int
    crc32c: str


def upload(
    files: Mapping[str, Path],
    bucket: str,
    prefix: str,
    known: Mapping[str, int],
    about: About,
    note: Callable[[str, int], None] | None = None,
) -> dict[str, int]:
    """Make files the live objects of a bucket.

    A file that is there already, written for the same release or in the generation that is known,
    is not sent again. Sends in the files' order.

    Args:
        files: each file by its name below the prefix.
        bucket: its name.
        prefix: what all objects' names begin with, such as `us/`; '' for nothing.
        known: the generation that is live by what was decided on, by name; 0 where no object may
            be. Of a name that is not in it, whatever is live is replaced.
        about: the release.
        note: called with a name and its generation as soon as it is live.

    Returns:
        The generation of every object, by name.

    Raises:
        Changed: somebody else has written an object; nothing of theirs is overwritten.
        InputError: a file cannot be read, arrived otherwise than it is, or the service refuses.
    """
    generations = {}
    with opened(bucket) as holder:
        for name, path in files.items():
            generations[name] = _send(holder, prefix + name, path, known.get(name), about)
            if note is not None:
                note(name, generations[name])
    return generations


def copy_generations(
    generations: Mapping[str, int],
    bucket: str,
    prefix: str,
    known: Mapping[str, int],
    about: About,
    note: Callable[[str, int], None] | None = None,
) -> dict[str, int]:
    """Make earlier generations of objects the live ones, without moving a byte from here.

    What is live already, in that generation or as its copy for the same release, stays.

    Args:
        generations: of each object, by its name below the prefix, the one to go back to.
        bucket: its name.
        prefix: as in `upload`.
        known: as in `upload`.
        about: the release that the copies are written for.
        note: as in `upload`.

    Returns:
        The generation of every object that is live now, by name.

    Raises:
        Changed: as in `upload`.
        InputError: a generation is no longer kept, or the service refuses.
    """
    made = {}
    with opened(bucket) as holder:
        # All of them first, or those of two releases would be live for good.
        sources = {
            name: _existing(holder, prefix + name, generation)
            for name, generation in generations.items()
        }
        for name, source in sources.items():
            made[name] = _copy(holder, prefix + name, source, known.get(name), about)
            if note is not None:
                note(name, made[name])
    return made


def read_json(bucket: str, name: str) -> tuple[dict[str, Any] | None, int]:
    """Return the content of a JSON object and its generation; None and 0 where there is none.

    Raises:
        InputError: the object is no JSON object, or cannot be read.
    """
    with opened(bucket) as holder:
        return _read_json(holder, name)


def swap_json(
    bucket: str, name: str, content: Mapping[str, Any], generation: int, about: About | None = None
) -> int:
    """Replace a JSON object where it still has a generation; return the new one.

    Args:
        bucket: its name.
        name: the object's.
        content: what to write, with sorted keys.
        generation: what `read_json` returned with the content that this one follows from.
        about: the release, for the object's metadata.

    Raises:
        Changed: it has another generation by now, with other content.
        InputError: the service refuses.
    """
    data = (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
    with opened(bucket) as holder:
        blob = holder.blob(name)
        blob.cache_control = FRESH
        blob.metadata = None if about is None else about.metadata()
        with explained(holder, name):
            try:
                blob.upload_from_string(
                    data, content_type="application/json", checksum="crc32c", **writing(generation)
                )
            except _precondition_failed():
                # It may be our own, of an attempt whose answer was lost.
                live = _live(holder, name)
                if live is None or _content(live) != _content_of(io.BytesIO(data).read):
                    raise _changed(holder, name, generation, live) from None
                return int(live.generation)
        return _generation(holder, blob)


def download(bucket: str, name: str, generation: int, path: str | Path) -> None:
    """Write one generation of an object to a file, whole or not at all.

    Raises:
        InputError: there is no such generation, or what arrived is not what the service holds.
    """
    with opened(bucket) as holder, atomic_path(path) as part:
        blob = _existing(holder, name, generation)
        with explained(holder, name, generation):
            # Of a generation, so that a retry cannot go on in another one.
            fetched(blob.download_to_filename, part, checksum="crc32c")
        with part.open("rb") as file:
            found = _content_of(file.read)
        if found != _content(blob):
            raise InputError(
                f"{address(holder, name, generation)}: arrived damaged ({_shown(found)} instead "
                f"of {_shown(_content(blob))}); run the same command again"
            )


def _send(holder: "Bucket", name: str, path: Path, known: int | None, about: About) -> int:
    """Make a file the live object of a name; return the generation."""
    try:
        with path.open("rb") as file:
            data = file.read(SMALL + 1)
            content = _content_of(file.read, data)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run the same command again") from error
    live = _live(holder, name)
    if (there := _in_place(live, content, known, about)) is not None:
        return there
    expected = _expected(holder, name, live, known)
    blob = _new_blob(holder, name, about)
    with explained(holder, name):
        try:
            if content.size <= SMALL:
                blob.upload_from_string(data, checksum="crc32c", **writing(expected))
            else:
                _send_large(blob, path, content, expected)
        except _precondition_failed():
            # It may be our own, of an attempt whose answer was lost.
            return _settled(holder, name, content, expected, about)
    _refuse_other_content(holder, blob, content, str(path))
    logger.info("%s: %.1f MB", address(holder, name), content.size / 1e6)
    return _generation(holder, blob)


def _send_large(blob: "Blob", path: Path, content: Content, expected: int) -> None:
    """Send a file piece by piece, with the checksum that it must have before it becomes live.

    The client's own check would come after that, and delete whatever is live then.
    """
    from google.auth.exceptions import GoogleAuthError

    blob.chunk_size = CHUNK
    with path.open("rb") as file:
        try:
            blob.upload_from_file(
                file,
                size=content.size,
                checksum=None,
                crc32c_checksum_value=content.crc32c,
                **writing(expected),
            )
        except GoogleAuthError:
            # Some are ValueErrors, too.
            raise
        except ValueError as error:
            # The client cannot go back to what the service did not keep of a piece, as it may, nor
            # go on in a file that has become shorter.
            raise InputError(
                f"{address(blob.bucket, blob.name)}: {path} could not be sent to its end "
                f"({one_line(error)}); run the same command again"
            ) from error


def _copy(holder: "Bucket", name: str, source: "Blob", known: int | None, about: About) -> int:
    content, generation = _content(source), int(source.generation)
    live = _live(holder, name)
    if live is not None and live.generation == generation:
        return generation
    if (there := _in_place(live, content, known=None, about=about)) is not None:
        return there
    expected = _expected(holder, name, live, known)
    blob = _new_blob(holder, name, about)
    blob.content_type = source.content_type
    token = None
    with explained(holder, name):
        try:
            while True:
                token, _, _ = blob.rewrite(
                    source,
                    token=token,
                    if_source_generation_match=generation,
                    **writing(expected),
                )
                if token is None:
                    break
        except _precondition_failed():
            return _settled(holder, name, content, expected, about)
    _refuse_other_content(holder, blob, content, f"generation {generation}")
    return _generation(holder, blob)


def _new_blob(holder: "Bucket", name: str, about: About) -> "Blob":
    blob = holder.blob(name)
    blob.cache_control = FRESH
    blob.metadata = about.metadata()
    return blob


def _live(holder: "Bucket", name: str) -> "Blob | None":
    with explained(holder, name):
        # A missing object is None, a missing bucket is not told apart and fails at the upload.
        return holder.get_blob(name, **reading())


def _existing(holder: "Bucket", name: str, generation: int) -> "Blob":
    with explained(holder, name, generation):
        blob = holder.get_blob(name, generation=generation, **reading())
    if blob is None:
        raise InputError(
            f"{address(holder, name, generation)}: no such generation; the bucket must exist and "
            "keep old generations (object versioning), and its rules must not have deleted this "
            "one; choose another version"
        )
    return blob


def _in_place(live: "Blob | None", content: Content, known: int | None, about: About) -> int | None:
    """Return the live generation if it is what is to be there: ours, or known, with its content."""
    if live is None or _content(live) != content:
        return None
    is_ours = (live.metadata or {}).items() >= about.metadata().items()
    return int(live.generation) if is_ours or live.generation == known else None


def _expected(holder: "Bucket", name: str, live: "Blob | None", known: int | None) -> int:
    """Return the generation that a write replaces."""
    found = 0 if live is None else int(live.generation)
    if known is not None and found != known:
        raise _changed(holder, name, known, live)
    return found


def _settled(holder: "Bucket", name: str, content: Content, expected: int, about: About) -> int:
    """Return the generation of what is live although our write was refused, if it is ours."""
    live = _live(holder, name)
    there = _in_place(live, content, known=None, about=about)
    if there is None:
        raise _changed(holder, name, expected, live)
    return there


def _changed(holder: "Bucket", name: str, expected: int, live: "Blob | None") -> Changed:
    found = "there is none" if live is None else f"generation {live.generation} is"
    told = (live.metadata or {}) if live is not None else {}
    writer = f", written for {told['run_id']}" if "run_id" in told else ""
    wanted = f"generation {expected}" if expected else "no object"
    return Changed(
        f"{address(holder, name)}: somebody else changed it: {wanted} was to be replaced, but "
        f"{found} live{writer}; see who released in between, then run the same command again"
    )


def _read_json(holder: "Bucket", name: str) -> tuple[dict[str, Any] | None, int]:
    for _ in range(READS):
        live = _live(holder, name)
        if live is None:
            return None, 0
        with explained(holder, name):
            try:
                data = fetched(
                    live.download_as_bytes, if_generation_match=live.generation, checksum="crc32c"
                )
            except (_not_found(), _precondition_failed()):
                # Replaced since, in a bucket that keeps no generations.
                continue
        return _object_in(data, address(holder, name)), int(live.generation)
    raise InputError(
        f"{address(holder, name)}: changed each of the {READS} times that it was read; run the "
        "same command again"
    )


def _object_in(data: bytes, address: str) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{address}: not JSON ({one_line(error)}); restore it") from error
    if not isinstance(content, dict):
        raise InputError(f"{address}: not a JSON object; restore it")
    return content


def _content_of(read: Callable[[int], bytes], data: bytes = b"") -> Content:
    """Return what is known of the bytes of a file, of which some may have been read."""
    import google_crc32c

    checksum, size = google_crc32c.Checksum(data), len(data)
    while piece := read(SMALL):
        checksum.update(piece)
        size += len(piece)
    return Content(size, base64.b64encode(checksum.digest()).decode())


def _content(blob: "Blob") -> Content:
    return Content(int(blob.size or 0), str(blob.crc32c))


def _shown(content: Content) -> str:
    return f"{content.size} bytes with the CRC32C {content.crc32c}"


def _refuse_other_content(holder: "Bucket", blob: "Blob", content: Content, source: str) -> None:
    if _content(blob) != content:
        raise InputError(
            f"{address(holder, blob.name)}: arrived as {_shown(_content(blob))}, but {source} has "
            f"{_shown(content)}; run the same command again"
        )


def _generation(holder: "Bucket", blob: "Blob") -> int:
    if blob.generation is None:
        raise InputError(
            f"{address(holder, blob.name)}: the answer names no generation, it is not one of "
            "Cloud Storage; check STORAGE_EMULATOR_HOST and proxies"
        )
    return int(blob.generation)


def _precondition_failed() -> type[Exception]:
    from google.api_core.exceptions import PreconditionFailed

    return PreconditionFailed


def _not_found() -> type[Exception]:
    from google.api_core.exceptions import NotFound

    return NotFound
