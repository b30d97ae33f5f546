"""Make a release of files that the repository has already: whole, once, and for good.

One commit changes everything that is read on the Hub: the files, the manifests and what is current.
What comes before it changes nothing there, and what comes after only says more of what is done:
the tag, the bucket's manifest and the id of the commit, which it cannot contain itself. So each
step can be repeated, and after a death anywhere the old release or the new one is there.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from localcal.errors import InputError
from localcal.release.hub import (
    AGAIN,
    MAIN,
    TRIES,
    CommitOperationCopy,
    CommitOperationDelete,
    Hub,
    Moved,
    Operation,
    Unsure,
    add,
    as_json,
)
from localcal.release.manifest import (
    CONTENTS,
    VERSIONS,
    Versions,
    contents_path,
    files_of,
    has_commit,
    is_of,
)
from localcal.run.sections import Release

logger = logging.getLogger(__name__)


class Cloud(Protocol):
    """A bucket that gets the release too."""

    @property
    def bucket(self) -> str:
        """Its name."""

    def put(self) -> dict[str, int]:
        """Make the release's files the live ones, unless they are; return their generations."""

    def read(self) -> tuple[Versions, int]:
        """Return the bucket's manifest of versions and its generation."""

    def write(self, versions: Versions, generation: int) -> bool:
        """Replace that generation of the manifest; False if another one is there by now."""


@dataclass(frozen=True)
class State:
    """What the repository says at one commit."""

    head: str
    versions: Versions

    @classmethod
    def read(cls, hub: Hub, head: str) -> Self:
        """Read it.

        Raises:
            InputError: the manifest of versions is damaged, or the Hub refuses.
        """
        return cls(head, Versions.read(hub.text(VERSIONS, head), f"{hub.label}, {VERSIONS}"))


@dataclass(frozen=True)
class Publication:
    """What is to be published.

    Attributes:
        version, run_id: of the release.
        contents: its manifest, as text.
        sources: for each of its files where the repository has it.
        revision: the commit that has them; None for the one that is decided on.
        emptied: a folder that is removed with it.
        rolls_back: the version that is published again.
        fields: more of its entry.
    """

    version: str
    run_id: str
    contents: str
    sources: Mapping[str, str]
    revision: str | None = None
    emptied: str | None = None
    rolls_back: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The title of its commit, by which it is found again."""
        again = "" if self.rolls_back is None else f", {self.rolls_back} again"
        return f"Release {self.version} of run {self.run_id}{again}"

    @property
    def files(self) -> dict[str, str]:
        """The SHA-256 of each file."""
        return files_of(self.contents, "the manifest")


def refuse_unset(settings: Release) -> str:
    """Return the version to publish.

    Raises:
        InputError: the config does not say what is published where.
    """
    if settings.repo_id is None:
        raise InputError("release.repo_id: null; name the Hugging Face repository to publish to")
    if settings.version is None:
        raise InputError("release.version: null; name the version to publish, such as 1.90.0")
    return settings.version


def refuse_other(hub: Hub, state: State, version: str, run_id: str, rolls_back: str | None) -> None:
    """Refuse a version that is something else already.

    Raises:
        InputError: it is another run's release, or a tag that is no release.
    """
    entry = state.versions.entry(version)
    if entry is None:
        if (commit := hub.tags().get(version)) is not None:
            raise InputError(
                f"{hub.label}: tag {version} is there (commit {commit[:12]}) but no such release; "
                "choose another version"
            )
        return
    if not is_of(entry, run_id, rolls_back):
        again = entry.get("roll_back_version")
        raise InputError(
            f"{hub.label}: version {version} is the release of run "
            f"{entry.get('pipeline_run_id', '(unknown)')}"
            f"{f', {again} again' if again else ''}, and a release is never changed; choose "
            "another version"
        )


def publish(wanted: Publication, hub: Hub, cloud: Cloud | None) -> dict[str, Any]:
    """Publish, or go on with it, or find it done; return the release's entry.

    Raises:
        InputError: something stands against it, or the Hub or the bucket fails; the release is
            then not there at all, or is and the same command finishes it.
    """
    state = State.read(hub, hub.head())
    refuse_other(hub, state, wanted.version, wanted.run_id, wanted.rolls_back)
    if cloud is not None:
        _refuse_other_in(cloud, wanted)
    if state.versions.entry(wanted.version) is None:
        # The sources first, so that nothing is sent for a run that is not there.
        _refuse_incomplete(hub, wanted, state)
        generations = None if cloud is None else cloud.put()
        state = _commit(wanted, hub, state, _entry(wanted, hub, cloud, generations))
    else:
        _refuse_changed(hub, wanted, state)
    return _finish(wanted, hub, cloud, state)


def _entry(
    wanted: Publication, hub: Hub, cloud: Cloud | None, generations: dict[str, int] | None
) -> dict[str, Any]:
    where = None if cloud is None else {"bucket": cloud.bucket, "generations": generations}
    return {
        "version": wanted.version,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        # The tag, until the commit is there that it names.
        "hf": {"repo": hub.repo_id, "commit": wanted.version},
        "gcs": where,
        "pipeline_run_id": wanted.run_id,
        **wanted.fields,
    }


def _refuse_other_in(cloud: Cloud, wanted: Publication) -> None:
    versions, _ = cloud.read()
    entry = versions.entry(wanted.version)
    if entry is not None and not is_of(entry, wanted.run_id, wanted.rolls_back):
        raise InputError(
            f"gs://{cloud.bucket}: version {wanted.version} is the release of run "
            f"{entry.get('pipeline_run_id', '(unknown)')}, and a release is never changed; choose "
            "another version"
        )


def _refuse_incomplete(hub: Hub, wanted: Publication, state: State) -> None:
    """Refuse to publish files that the repository does not have as the manifest has them."""
    revision = wanted.revision or state.head
    wrong = _wrong(hub, wanted.sources, wanted.files, revision)
    if wrong:
        what = f"{wanted.sources[wrong[0]]}: not as it was to be ({len(wrong)} of "
        what += f"{len(wanted.sources)} files at commit {revision[:12]})"
        remedy = f"run `localcal stage {wanted.run_id}` again"
        if wanted.rolls_back is not None:
            remedy = "choose another run to go back to"
        raise InputError(f"{hub.label}, {what}; {remedy}")


def _refuse_changed(hub: Hub, wanted: Publication, state: State) -> None:
    """Refuse to publish other files under a version that is there."""
    path = contents_path(wanted.version)
    there = files_of(hub.text(path, state.head), f"{hub.label}, {path}")
    files = wanted.files
    differing = sorted(
        name for name in there.keys() | files.keys() if there.get(name) != files.get(name)
    )
    if differing:
        raise InputError(
            f"{hub.label}: release {wanted.version} is there with another {differing[0]} "
            f"({len(differing)} files differ), and a release is never changed; choose another "
            "version"
        )


def _wrong(
    hub: Hub, places: Mapping[str, str], files: Mapping[str, str], revision: str
) -> list[str]:
    """Return the files that are not what they should be at their places, at a commit."""
    there = hub.paths(places.values(), revision)
    return sorted(
        path
        for path, place in places.items()
        if hub.sha256(place, there.get(place), revision) != files[path]
    )


def _commit(wanted: Publication, hub: Hub, state: State, entry: dict[str, Any]) -> State:
    """Make the one commit; return what there is then."""
    decided = state.versions
    for number in range(1, TRIES + 1):
        try:
            _refuse_old_main(hub, wanted, state.head)
            operations = _operations(wanted, hub, state, entry)
            return State.read(hub, hub.commit(operations, wanted.title, state.head))
        except Moved as error:
            failed: InputError = error
        except Unsure as error:
            failed = error
        hub.pause(number)
        state = State.read(hub, hub.head())
        if (there := state.versions.entry(wanted.version)) is not None:
            refuse_other(hub, state, wanted.version, wanted.run_id, wanted.rolls_back)
            logger.info("%s: release %s is there", hub.label, there["version"])
            return state
        if isinstance(failed, Unsure):
            raise failed
        if state.versions.content != decided.content:
            raise InputError(
                f"{hub.label}: {state.versions.who()} was published meanwhile, after "
                f"{decided.who()} that this one was to follow; {AGAIN} if it shall follow that one"
            ) from failed
        _refuse_incomplete(hub, wanted, state)
    raise failed


def _refuse_old_main(hub: Hub, wanted: Publication, head: str) -> None:
    """Refuse to commit while the Hub shows main as it was.

    The client leaves out copies that would change nothing by what it is told of main, whatever
    the parent is.
    """
    paths = wanted.files
    if hub.paths(paths, MAIN) != hub.paths(paths, head):
        raise Moved(f"{hub.label}: main is not at {head[:12]}; {AGAIN}")


def _operations(
    wanted: Publication, hub: Hub, state: State, entry: Mapping[str, Any]
) -> list[Operation]:
    found: list[Operation] = [
        *_copies(wanted, wanted.sources, wanted.revision or state.head),
        *(CommitOperationDelete(path, is_folder=False) for path in _left(wanted, hub, state)),
        add(CONTENTS, wanted.contents),
        add(contents_path(wanted.version), wanted.contents),
    ]
    if wanted.emptied is not None:
        found.append(CommitOperationDelete(f"{wanted.emptied}/", is_folder=True))
    told = dict(entry)
    # By which the sources are found again.
    told["hf"] = {**told["hf"], "parent": state.head}
    return [*found, add(VERSIONS, as_json(state.versions.with_current(told).content))]


def _copies(
    wanted: Publication, sources: Mapping[str, str], revision: str
) -> list[CommitOperationCopy]:
    return [
        CommitOperationCopy(place, path, src_revision=revision)
        for path, place in sources.items()
        # Where it is already, there is nothing to copy.
        if wanted.revision is not None or path != place
    ]


def _left(wanted: Publication, hub: Hub, state: State) -> list[str]:
    """Return the files of the current release that the next one does not have.

    Of a release that somebody else published, nobody says here what is in it.
    """
    current = state.versions.current
    text = None if current is None else hub.text(contents_path(current), state.head)
    if text is None:
        return []
    before = files_of(text, f"{hub.label}, {contents_path(str(current))}")
    return sorted(hub.paths(before.keys() - wanted.files.keys(), state.head))


def _finish(wanted: Publication, hub: Hub, cloud: Cloud | None, state: State) -> dict[str, Any]:
    """Do what comes after the commit, as far as it is not done."""
    entry = state.versions.entry(wanted.version)
    assert entry is not None
    named = dict(entry.get("hf") or {})
    parent = named.pop("parent", None)
    if not has_commit(entry):
        named["commit"] = _whole(wanted, hub, state.head, parent)
    hub.tag(wanted.version, named["commit"])
    entry = entry | {"hf": named}
    if cloud is not None:
        if state.versions.current == wanted.version:
            # Another promote that came too late may have put its files there meanwhile.
            entry["gcs"] = {"bucket": cloud.bucket, "generations": cloud.put()}
        _tell(wanted, hub, cloud, entry)
    return _fill(wanted, hub, entry)


def _whole(wanted: Publication, hub: Hub, head: str, parent: str | None) -> str:
    """Return the release's commit, in which every file is what it should be."""
    places = {path: path for path in wanted.files}
    for number in range(1, TRIES + 1):
        commit = _found(wanted, hub, head)
        wrong = _wrong(hub, places, wanted.files, commit)
        if not wrong:
            return commit
        state = State.read(hub, hub.head())
        head = state.head
        revision = wanted.revision or parent
        if revision is None or state.versions.current != wanted.version:
            break
        logger.warning("%s: %s was left out, it is copied now", hub.label, wrong[0])
        sources = {path: wanted.sources[path] for path in wrong}
        try:
            head = hub.commit([*_copies(wanted, sources, revision)], wanted.title, head)
        except (Moved, Unsure):
            hub.pause(number)
            head = hub.head()
    raise InputError(f"{hub.label}, {wrong[0]}: is not what release {wanted.version} has; {AGAIN}")


def _found(wanted: Publication, hub: Hub, head: str) -> str:
    """Return the last commit of a release."""
    for commit, title in hub.commits(head):
        if title == wanted.title:
            return commit
    raise InputError(
        f"{hub.label}: no commit has the title {wanted.title!r} although {VERSIONS} has the "
        "release; was the history squashed? restore it, or choose another version"
    )


def _tell(wanted: Publication, hub: Hub, cloud: Cloud, entry: Mapping[str, Any]) -> None:
    """Have the bucket's manifest say what the repository's says."""
    for number in range(1, TRIES + 1):
        # First the bucket, so that who publishes after us on the Hub also comes after us here.
        there, generation = cloud.read()
        versions = State.read(hub, hub.head()).versions
        if versions.entry(wanted.version) is not None:
            told = versions.mirrored(there, entry)
            if told.content == there.content or cloud.write(told, generation):
                return
        hub.pause(number)
    raise InputError(
        f"gs://{cloud.bucket}, {VERSIONS}: changes while release {wanted.version} is entered; "
        f"{AGAIN}"
    )


def _fill(wanted: Publication, hub: Hub, entry: dict[str, Any]) -> dict[str, Any]:
    """Have the repository's manifest name the commit, too; return the entry."""
    failed: InputError | None = None
    for number in range(1, TRIES + 1):
        state = State.read(hub, hub.head())
        there = state.versions.entry(wanted.version)
        if there is not None and there == {**there, **entry}:
            return there
        if there is not None:
            text = as_json(state.versions.with_changed(entry).content)
            title = f"Name the commit of release {wanted.version}"
            try:
                hub.commit([add(VERSIONS, text)], title, state.head)
                return entry
            except (Moved, Unsure) as error:
                failed = error
        hub.pause(number)
    raise failed or InputError(f"{hub.label}: main does not show release {wanted.version}; {AGAIN}")
