"""A repository of the Hugging Face Hub, written only where nobody else has written in between.

A commit names the one that it follows from, and the Hub refuses it if main is elsewhere by now. The
client never repeats a commit, and an answer that is lost says nothing about what was done, so
whoever commits reads afterwards what there is.
"""

import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    hf_hub_url,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from localcal.errors import InputError, one_line, without_secrets
from localcal.files.huggingface import endpoint_in_use, keep_secrets

logger = logging.getLogger(__name__)

Operation = CommitOperationAdd | CommitOperationCopy | CommitOperationDelete

MAIN = "main"
# The Hub takes as many files in one question how to send them.
FILES_AT_ONCE = 256
# How often something is read again that failed, and a commit repeated that came too late.
TRIES = 5
# Seconds without a word after which the connection is taken for lost.
ANSWER = 300
AGAIN = "run the same command again"


class Moved(InputError):
    """Somebody else has committed since the commit that this one was to follow."""


class Unsure(InputError):
    """Nobody can say from the answer whether the request was done."""


@dataclass(frozen=True)
class Kept:
    """What the Hub says of a file.

    Attributes:
        digest: the SHA-256 of its content, or git's id of it where it is kept inside git.
        size: bytes.
        is_object: whether it is kept beside git.
    """

    digest: str
    size: int
    is_object: bool


class Hub:
    """One repository.

    Args:
        repo_id: owner/name.
        repo_type: 'model' or 'dataset'.
        pause: waits some seconds.
    """

    def __init__(
        self, repo_id: str, repo_type: str, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self.repo_id, self.repo_type, self.pause = repo_id, repo_type, pause
        self.label = f"{repo_type} {repo_id}"
        self._endpoint = endpoint_in_use()
        self._api = HfApi(endpoint=self._endpoint)
        self._named: dict[str, Any] = {"repo_id": repo_id, "repo_type": repo_type}
        keep_secrets()
        # It would log every address, of which some let others in.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        # A bar per file says nothing in a log.
        huggingface_hub.utils.disable_progress_bars()

    def refuse_without_token(self) -> None:
        """Refuse to begin what will need a token.

        Raises:
            InputError: there is none.
        """
        if not huggingface_hub.get_token():
            raise InputError(
                f"{self.label}: no token to write with; set HF_TOKEN to one with write access, or "
                "run `hf auth login`"
            )

    def head(self) -> str:
        """Return the commit that main is at; the Hub may say for a moment where it was."""
        found = self._read("main", lambda: self._api.repo_info(**self._named, revision=MAIN))
        return str(found.sha)

    def tree(self, folder: str, revision: str) -> dict[str, Kept]:
        """Return the files below a folder at a commit, by path; '' is everything."""

        def read() -> list[RepoFile]:
            entries = self._api.list_repo_tree(
                **self._named, path_in_repo=folder or None, recursive=True, revision=revision
            )
            return [entry for entry in entries if isinstance(entry, RepoFile)]

        try:
            return {file.path: _kept(file) for file in self._read(folder or "its files", read)}
        except EntryNotFoundError:
            return {}

    def paths(self, paths: Iterable[str], revision: str) -> dict[str, Kept]:
        """Return those of some files that there are at a revision."""
        wanted = list(paths)
        found: dict[str, Kept] = {}
        for first in range(0, len(wanted), FILES_AT_ONCE):
            read = partial(self._infos, wanted[first : first + FILES_AT_ONCE], revision)
            entries = self._read("its files", read)
            found |= {file.path: _kept(file) for file in entries if isinstance(file, RepoFile)}
        return found

    def _infos(self, paths: list[str], revision: str) -> list[Any]:
        return list(self._api.get_paths_info(**self._named, paths=paths, revision=revision))

    def content(self, path: str, revision: str) -> bytes | None:
        """Return the content of a small file at a commit, None where there is none."""

        def read() -> bytes:
            url = hf_hub_url(
                **self._named, filename=path, revision=revision, endpoint=self._endpoint
            )
            # Not through the client's cache, which answers where the Hub does not.
            answer = get_session().get(url, headers=build_hf_headers())
            hf_raise_for_status(answer)
            return bytes(answer.content)

        try:
            return self._read(path, read)
        except EntryNotFoundError:
            return None

    def text(self, path: str, revision: str) -> str | None:
        """Return the text of a small file at a commit, None where there is none."""
        content = self.content(path, revision)
        try:
            return None if content is None else content.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{self.label}, {path}: is no text; restore it") from error

    def sha256(self, path: str, kept: Kept | None, revision: str) -> str | None:
        """Return the SHA-256 of what the Hub keeps of a file at a commit."""
        if kept is None or kept.is_object:
            return None if kept is None else kept.digest
        content = self.content(path, revision)
        return None if content is None else hashlib.sha256(content).hexdigest()

    def tags(self) -> dict[str, str]:
        """Return the commit of every tag."""
        refs = self._read("tags", lambda: self._api.list_repo_refs(**self._named))
        return {tag.name: tag.target_commit for tag in refs.tags}

    def commits(self, revision: str) -> list[tuple[str, str]]:
        """Return id and title of the commits up to one, the last one first."""
        found = self._read(
            "commits", lambda: self._api.list_repo_commits(**self._named, revision=revision)
        )
        return [(commit.commit_id, commit.title) for commit in found]

    def send(self, additions: list[CommitOperationAdd]) -> None:
        """Send the content of files that a commit will add; what is there is not sent again.

        Raises:
            InputError: the Hub refuses, or the connection failed.
        """
        for first in range(0, len(additions), FILES_AT_ONCE):
            batch = additions[first : first + FILES_AT_ONCE]
            try:
                with self._explained("upload"):
                    self._api.preupload_lfs_files(**self._named, additions=batch)
            # The client's words for an upload that failed, and for what the Hub says of one.
            except (RuntimeError, ValueError) as error:
                raise self._not_sent(error) from error

    def _not_sent(self, error: Exception) -> InputError:
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            words = f"{one_line(error)} {self._refusal(cause)}"
        else:
            words = f"{one_line(error)}" + (f" ({one_line(cause)})" if cause else "")
        return InputError(
            f"{self.label}: {_no_address(words)}; {AGAIN}, it sends only what is missing"
        )

    def commit(self, operations: list[Operation], title: str, parent: str) -> str:
        """Commit what follows from a commit, and return the id.

        Something must change, or the Hub is not even asked whether the parent is right.

        Raises:
            Moved: main is elsewhere, or a file to copy is gone.
            Unsure: it may have been done; read what there is.
            InputError: the Hub refuses.
        """
        try:
            with self._explained("commit"):
                made = self._api.create_commit(
                    **self._named, operations=operations, commit_message=title, parent_commit=parent
                )
        except EntryNotFoundError as error:
            raise Moved(f"{self.label}: {_no_address(one_line(error))}; {AGAIN}") from error
        if made.oid == parent:
            raise Moved(f"{self.label}: the commit changes nothing; {AGAIN}")
        logger.info("%s: committed %s (%s)", self.label, made.oid[:12], title)
        return str(made.oid)

    def tag(self, name: str, commit: str) -> None:
        """Have a tag name a commit, also if it does already.

        Raises:
            InputError: it names another commit, or the Hub refuses.
        """
        failed: InputError | None = None
        if name not in (tags := self.tags()):
            try:
                with self._explained("tag"):
                    self._api.create_tag(**self._named, tag=name, revision=commit)
            except InputError as error:
                # It may have been done, or somebody else was faster.
                failed = error
            tags = self.tags()
        if name not in tags:
            raise failed or InputError(f"{self.label}: tag {name} was not kept; {AGAIN}")
        if tags[name] != commit:
            raise InputError(
                f"{self.label}: tag {name} names commit {tags[name][:12]} instead of the release's "
                f"{commit[:12]}; a finished release is not changed, choose another version"
            )

    def differing(self, folder: Path, revision: str) -> list[str]:
        """Return which files below a folder here are not the same at a commit.

        It is the client's own check of a folder against a repository.
        """
        found = self._read(
            "its files",
            lambda: self._api.verify_repo_checksums(
                **self._named, revision=revision, local_dir=folder
            ),
        )
        return sorted({*found.extra_paths, *(file["path"] for file in found.mismatches)})

    def _read[T](self, what: str, read: Callable[[], T]) -> T:
        """Read something, patiently."""
        for number in range(1, TRIES + 1):
            try:
                with self._explained(what):
                    return read()
            except Unsure:
                if number == TRIES:
                    raise
                self.pause(number)
        raise AssertionError

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turn the client's errors into one line each; a file that is not there is left alone."""
        label = f"{self.label}, {what}"
        # The client would wait for ever; it may have made another session since the last time.
        get_session().timeout = ANSWER
        try:
            yield
        except OfflineModeIsEnabled as error:
            raise InputError(f"{label}: HF_HUB_OFFLINE forbids the network; unset it") from error
        except EntryNotFoundError:
            raise
        except HfHubHTTPError as error:
            status = error.response.status_code
            kind = Moved if status == 412 else Unsure if status >= 500 else InputError
            raise kind(f"{label}: {self._refusal(error)}") from error
        except HFValidationError as error:
            raise InputError(f"{label}: {one_line(error)}; correct release.repo_id") from error
        except (HTTPError, ConnectionError) as error:
            raise Unsure(
                f"{label}: the connection failed ({type(error).__name__}: "
                f"{_no_address(one_line(error))}); check it and {AGAIN}"
            ) from error

    def _refusal(self, error: HfHubHTTPError) -> str:
        """Return what the Hub refused, and what to do about it."""
        status = error.response.status_code
        told = without_secrets(error.response.headers.get("X-Error-Message", ""))
        said = f"{status}, {told}" if told else f"{status}"
        if isinstance(error, RevisionNotFoundError):
            return f"no such revision ({said}); check release.repo_id"
        if isinstance(error, GatedRepoError):
            return f"access must be granted ({said}); ask for it on the repository's page"
        if status == 401 and not isinstance(error, RepositoryNotFoundError):
            return f"the token is not accepted ({said}); set HF_TOKEN to a valid one"
        if isinstance(error, RepositoryNotFoundError):
            return (
                f"no such repository, or the token may not see it ({said}); check release.repo_id "
                "and release.repo_type, and HF_TOKEN"
            )
        if status == 403:
            return (
                f"access refused ({said}); the token needs write access to it, and its owner "
                "storage left"
            )
        if status in (413, 429):
            return f"more than the Hub's quota allows ({said}); wait or raise it, then {AGAIN}"
        if status == 412:
            return f"somebody else has committed meanwhile ({said}); {AGAIN}"
        return f"the Hub answered {said}; {AGAIN} later"


def _kept(file: RepoFile) -> Kept:
    if file.lfs is None:
        return Kept(file.blob_id, file.size, is_object=False)
    return Kept(file.lfs.sha256, file.lfs.size, is_object=True)


def _no_address(text: str) -> str:
    """Return a text without addresses: those of uploads let others in."""
    return without_secrets(" ".join(w for w in text.split() if "://" not in w))


def add(path: str, content: str | Path, sha256: str | None = None) -> CommitOperationAdd:
    """Return the operation that adds a file, or text, whose digest may be known."""
    if isinstance(content, str):
        return CommitOperationAdd(path, content.encode())
    operation = CommitOperationAdd(path, content)
    if sha256 is not None:
        operation.upload_info.sha256 = bytes.fromhex(sha256)
    return operation


def as_json(content: Mapping[str, Any]) -> str:
    """Return an object as the repository's JSON files spell it, its keys in their order."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
