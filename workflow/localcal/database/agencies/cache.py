"""The agencies' raw files: where each comes from, and the cache that keeps them for all runs.

What lies in the cache is used as it is, whoever put it there. Beside what was downloaded lies its
SHA-256, in the form of `sha256sum`, so that damage to it shows.
"""

import contextlib
import logging
import re
import shutil
import time
import uuid
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import platformdirs

from localcal.database.agencies.download import Order, download
from localcal.errors import InputError, near, without_secrets
from localcal.files.atomic import PART_SUFFIX, atomic_path, sha256_file
from localcal.files.rows import read_rows

logger = logging.getLogger(__name__)

COLUMNS = ("file", "url", "sha256", "max_mb", "source")
NOTE_SUFFIX = ".sha256"
# Of a download that still goes on, which another process may be at.
OLDEST_PART_SECONDS = 24 * 3600

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class RawFile(NamedTuple):
    """Where a raw file comes from.

    Attributes:
        file: its name.
        url: '' where there is none to download it from.
        sha256: of its bytes; '' where the agency revises it.
        max_bytes: the most it may have.
        source: whose it is, and under which terms.
    """

    file: str
    url: str
    sha256: str
    max_bytes: int
    source: str


def read_raw_files(table: Path) -> dict[str, RawFile]:
    """Return the rows of the table of raw files by name.

    Raises:
        InputError: it cannot be read, a value is not what it should be, or a file is there twice.
    """
    found: dict[str, RawFile] = {}
    for place, row in read_rows(table, COLUMNS):
        for column, pattern, expected in (
            ("file", _FILE, "a name of letters, digits, '.', '_' and '-'"),
            ("sha256", _SHA256, "64 hexadecimal digits in lower case, or nothing"),
        ):
            text = row[column]
            if not pattern.fullmatch(text) and (text or column == "file"):
                raise InputError(f"{place}: {column} is {text!r}, expected {expected}; correct it")
        if row["url"] and not _is_address(row["url"]):
            raise InputError(
                f"{place}: url is {row['url']!r}, expected an address that begins with http:// or "
                "https://, or nothing; correct it"
            )
        if without_secrets(row["url"]) != row["url"]:
            raise InputError(f"{place}: url {row['url']} holds credentials; take them out")
        if row["file"] in found:
            raise InputError(f"{place}: file {row['file']} is there twice; remove one")
        found[row["file"]] = RawFile(
            row["file"], row["url"], row["sha256"], _max_bytes(place, row["max_mb"]), row["source"]
        )
    return found


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    return bool(valid) and text.isascii() and text.isprintable() and " " not in text


def _max_bytes(place: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise InputError(
            f"{place}: max_mb is {text!r}, expected a whole number, at least 1; correct it"
        )
    return int(text) * 10**6


def cache_folder(cache: str | None) -> Path:
    """Return the folder that keeps raw files: the given one, or localcal's in the user's cache."""
    return platformdirs.user_cache_path("localcal") if cache is None else Path(cache)


def fetch_raw(file: str, table: Path, cache: str | None, path: Path) -> None:
    """Write a raw file as the cache has it; where it has none, download it into the cache first.

    Args:
        file: its name.
        table: of the raw files.
        cache: folder that has it at any depth, or gets it; None for the user's.
        path: the file to write.

    Raises:
        InputError: the table does not know it; it is in the cache twice, or there with another
            SHA-256 than the table says or than it was downloaded with; it cannot be downloaded.
    """
    known = read_raw_files(table)
    if file not in known:
        raise InputError(f"{table}: has no row for {file}{near(file, known)}; add one")
    raw, folder = known[file], cache_folder(cache)
    found = find_cached(file, folder)
    if found is None:
        found = _download(raw, table, folder)
    else:
        logger.info("%s: taken from the cache, no request", found)
    with atomic_path(path) as part:
        shutil.copyfile(found, part)
        _refuse_other(sha256_file(part), raw, table, found)


def find_cached(file: str, folder: Path) -> Path | None:
    """Return the file of a name below a folder, at any depth; None if there is none.

    Raises:
        InputError: it is there twice, and nobody can say which one is meant.
    """
    found = sorted(path for path in folder.rglob(file) if path.is_file())
    if len(found) > 1:
        raise InputError(
            f"{file}: is there {len(found)} times below {folder}, as {found[0]} and {found[1]}; "
            "remove all but one"
        )
    return found[0] if found else None


def _download(raw: RawFile, table: Path, folder: Path) -> Path:
    """Download a file into the cache's folder."""
    if not raw.url:
        raise InputError(
            f"{raw.file}: is not below {folder}, and {table} has no url for it; put it there by "
            f"hand ({raw.source}), or leave the source that reads it out of targets.agencies"
        )
    path = folder / raw.file
    _remove_old_parts(path)
    order = Order(raw.file, raw.url, raw.max_bytes, f"or put it below {folder} by hand")
    # Two runs may download the same file at the same time.
    suffix = f"{PART_SUFFIX}-{uuid.uuid4().hex[:8]}"
    with atomic_path(path, suffix) as part:
        digest = download(order, part)
        if raw.sha256 and digest != raw.sha256:
            raise order.refused(
                f"has SHA-256 {digest}, expected {raw.sha256} by {table}; correct it there if the "
                "agency revised the file"
            )
        with atomic_path(_note(path), suffix) as note:
            note.write_text(f"{digest}  {raw.file}\n")
    logger.info("%s: downloaded from %s, SHA-256 %s", path, raw.url, digest)
    return path


def _remove_old_parts(path: Path) -> None:
    """Remove what killed downloads of a file left, but not what another one may be writing."""
    for part in path.parent.glob(f"{path.name}*{PART_SUFFIX}-*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > OLDEST_PART_SECONDS:
                part.unlink()


def _note(path: Path) -> Path:
    return path.with_name(path.name + NOTE_SUFFIX)


def _refuse_other(digest: str, raw: RawFile, table: Path, found: Path) -> None:
    """Refuse a file of the cache that is not the one that is meant."""
    if raw.sha256:
        expected, by = raw.sha256, table
    elif _note(found).is_file():
        by = _note(found)
        expected = by.read_text(encoding="utf-8", errors="replace").partition(" ")[0]
    else:
        return
    if digest != expected:
        remedy = "correct it there" if raw.sha256 else f"remove {by} if this file is the right one"
        raise InputError(
            f"{found}: has SHA-256 {digest}, expected {expected} by {by}; remove the file to have "
            f"it downloaded again, or {remedy}"
        )
