"""What the manifest of versions says, and what others wrote into it."""

import json

import pytest

from localcal.errors import InputError
from localcal.release.manifest import Versions, files_of, has_commit, is_of

THEIRS = {"version": "1.0.0", "hf": None, "extra": [1]}
OURS = {"version": "2.0.0", "pipeline_run_id": "two"}


def versions(*entries: dict, **more) -> Versions:
    current = entries[0]["version"] if entries else None
    return Versions.of({"current": current, "versions": list(entries), **more}, "it")


def test_a_manifest_that_is_not_there_has_no_versions():
    found = Versions.read(None, "it")
    assert (found.current, found.entries) == (None, [])
    assert found.who() == "no release is current"


def test_a_new_version_comes_first_and_is_current():
    found = versions(THEIRS, more="kept").with_current(OURS)
    assert found.content == {"current": "2.0.0", "versions": [OURS, THEIRS], "more": "kept"}
    assert found.who() == "release 2.0.0 of run two"
    assert versions(THEIRS).who() == "release 1.0.0 of run (unknown)"


def test_a_changed_version_stays_where_it_is():
    changed = OURS | {"hf": {"commit": "c"}}
    assert versions(THEIRS, OURS).with_changed(changed).entries == [THEIRS, changed]


def test_a_mirror_keeps_what_it_said_itself():
    here = versions(OURS, THEIRS)
    there = versions(THEIRS | {"gcs": 7}, {"version": "0.9.0"}, more="kept")
    entry = OURS | {"gcs": 8}
    found = here.mirrored(there, entry)
    assert found.current == "2.0.0"
    assert found.content["more"] == "kept"
    assert found.entries == [entry, THEIRS | {"gcs": 7}, {"version": "0.9.0"}]
    assert here.mirrored(found, entry) == found


def test_a_mirror_that_has_more_of_the_past_gets_what_is_newer():
    here = versions({"version": "3.0.0"}, OURS)
    found = here.mirrored(Versions.read(None, "it"), OURS)
    assert (found.current, found.entries) == ("3.0.0", [{"version": "3.0.0"}, OURS])


def test_a_version_that_others_entered_twice_stays_so():
    again = THEIRS | {"extra": [2]}
    here = versions(OURS, THEIRS, again)
    assert here.mirrored(Versions.read(None, "it"), OURS) == here
    there = versions(THEIRS | {"gcs": 7}, again | {"gcs": 8}, again | {"gcs": 9})
    found = here.mirrored(there, OURS)
    assert found.entries == [OURS, *there.entries]
    assert here.mirrored(found, OURS) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"versions": {}}',
        '{"versions": [{}]}',
        '{"versions": [], "current": ["1.0.0"]}',
        '{"versions": [{"version": "1.0.0", "size": NaN}]}',
    ],
)
def test_what_is_no_manifest_is_refused(text):
    with pytest.raises(InputError, match="^it: .*restore it"):
        Versions.read(text, "it")


def test_an_entry_is_a_run_s_release_or_its_roll_back():
    assert is_of(OURS, "two", None)
    assert not is_of(OURS, "one", None)
    assert not is_of(OURS | {"roll_back_version": "1.0.0"}, "two", None)
    assert is_of(OURS | {"roll_back_version": "1.0.0"}, "two", "1.0.0")


@pytest.mark.parametrize(
    ("hf", "has"), [(None, False), ({"commit": "1.0.0"}, False), ({"commit": 20 * "0a"}, True)]
)
def test_an_entry_names_a_commit_or_its_tag(hf, has):
    assert has_commit({"hf": hf}) == has


@pytest.mark.parametrize(
    ("text", "told"),
    [(None, "is not there"), ("{}", "does not say"), ('{"files": [1]}', "does not")],
)
def test_what_says_nothing_of_files_is_refused(text, told):
    with pytest.raises(InputError, match=f"^it: {told}"):
        files_of(text, "it")
    assert files_of(json.dumps({"files": {"a": {"sha256": "b"}}}), "it") == {"a": "b"}
