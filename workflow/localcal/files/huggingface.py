"""Fetch one file of a Hugging Face repository."""

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    XetDownloadError,
)

from localcal.errors import InputError, keep_secret, one_line, without_secrets
from localcal.files.atomic import atomic_path, sha256_file

logger = logging.getLogger(__name__)

REPO_TYPES = ("model", "dataset")
STAGING_SUFFIX = ".fetch"
# Files kept outside git answer with their SHA-256 as the tag, others with a git blob id.
SHA256 = re.compile(r"[0-9a-f]{64}")
RETRY = "check the connection and run the same command again"


def fetch_file(repo_id: str, filename: str, revision: str, repo_type: str, path: str | Path) -> str:
    """Download a file to `path`, whole or not at all, and return the commit it came from.

    The token and its place are the client's own (HF_TOKEN, or `hf auth login`); HF_ENDPOINT
    names another Hub. The client's cache is neither read nor written: what arrives is what the
    Hub holds at that commit.

    Args:
        repo_id: owner/name.
        filename: the file's path inside the repository.
        revision: a tag, branch or commit; without one the same config could mean other data
            tomorrow, so there is no default.
        repo_type: 'model' or 'dataset'.
        path: the file to write.

    Raises:
        InputError: a part of the address is missing or does not exist; access is refused; the
            network or the disk failed. The message names repository, file and revision.
    """
    path = Path(path)
    label = f"{repo_type} {repo_id}, file {filename}, revision {revision}"
    _check_address(label, repo_id, filename, revision, repo_type)
    endpoint = endpoint_in_use()
    keep_secrets()
    with _explained(label), atomic_path(path) as part, _staging_folder(path) as staging:
        url = hf_hub_url(
            repo_id, filename, repo_type=repo_type, revision=revision, endpoint=endpoint
        )
        metadata = get_hf_file_metadata(url, endpoint=endpoint, retry_on_errors=True)
        if not metadata.commit_hash:
            raise FileMetadataError(f"{url} names no commit")
        downloaded = hf_hub_download(
            repo_id,
            filename,
            repo_type=repo_type,
            # A branch may move between the two requests.
            revision=metadata.commit_hash,
            endpoint=endpoint,
            local_dir=staging / "file",
            cache_dir=staging / "cache",
        )
        _check_content(label, Path(downloaded), metadata.etag)
        Path(downloaded).replace(part)
    logger.info("fetched %s (commit %s)", without_secrets(label), metadata.commit_hash)
    return metadata.commit_hash


def _check_address(label: str, repo_id: str, filename: str, revision: str, repo_type: str) -> None:
    given = {"repo_id": repo_id, "filename": filename, "revision": revision}
    for name, text in given.items():
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{label}: {name} is {text!r}; state it in the config")
    if repo_type not in REPO_TYPES:
        raise InputError(f"{label}: repo_type is {repo_type!r}; use one of {', '.join(REPO_TYPES)}")
    if filename.startswith("/") or "\\" in filename or ".." in filename.split("/"):
        raise InputError(f"{label}: the file leaves the repository; give a path inside it")


def endpoint_in_use() -> str | None:
    """Return HF_ENDPOINT as set now; the client itself reads it only when imported."""
    endpoint = os.environ.get("HF_ENDPOINT")
    if not endpoint:
        return None
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise InputError(f"HF_ENDPOINT={endpoint}: not a web address; correct or unset it")
    return endpoint.rstrip("/")


class _KeepSecrets(logging.Filter):
    """Take the credentials out of the addresses that the client logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = without_secrets(record.getMessage())
        # Who has the address of an upload may write.
        record.msg, record.args = _QUERY.sub(r"\1?***", text), ()
        return True


_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]+")
_KEEPER = _KeepSecrets()


def keep_secrets() -> None:
    """Have neither messages show the token, nor a handler of the client, which writes itself."""
    keep_secret(get_token())
    for handler in logging.getLogger("huggingface_hub").handlers:
        handler.addFilter(_KEEPER)


@contextlib.contextmanager
def _staging_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, under a fixed name so that a remainder is reused."""
    staging = path.with_name(path.name + STAGING_SUFFIX)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging)


def _check_content(label: str, file: Path, tag: str | None) -> None:
    if tag and SHA256.fullmatch(tag) and sha256_file(file) != tag:
        raise InputError(f"{label}: arrived damaged (SHA-256 is not {tag}); {RETRY}")


@contextlib.contextmanager
def _explained(label: str) -> Iterator[None]:
    """Turn the client's errors into one line each."""
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise InputError(
            f"{label}: HF_HUB_OFFLINE forbids the network; unset it, or give the file with "
            "source: file"
        ) from error
    except HfHubHTTPError as error:
        raise InputError(f"{label}: {_refusal(error)}") from error
    except FileMetadataError as error:
        raise InputError(
            f"{label}: the answer is not one of a Hugging Face Hub; check HF_ENDPOINT and proxies"
        ) from error
    except HFValidationError as error:
        raise InputError(f"{label}: {one_line(error)}; correct the config") from error
    except (HTTPError, LocalEntryNotFoundError, XetDownloadError, ConnectionError) as error:
        raise InputError(
            f"{label}: the download failed ({type(error).__name__}: {one_line(error)}); {RETRY}"
        ) from error
    except OSError as error:
        # The client reports a short download as an OSError without a number.
        if error.errno is not None:
            raise
        raise InputError(f"{label}: arrived incomplete; {RETRY}") from error


def _refusal(error: HfHubHTTPError) -> str:
    if isinstance(error, RevisionNotFoundError):
        return "no such revision; give an existing tag, branch or commit"
    if isinstance(error, RemoteEntryNotFoundError):
        return "no such file at this revision; correct filename or revision"
    if isinstance(error, GatedRepoError):
        return "access must be granted; ask for it on the repository's page and set HF_TOKEN"
    if isinstance(error, RepositoryNotFoundError):
        return "no such repository, or a private one; check repo_id and repo_type, or set HF_TOKEN"
    status = error.response.status_code
    if status in (401, 403):
        return f"access refused ({status}); check HF_TOKEN and its rights"
    return f"the Hub answered {status}; run the same command again later"
