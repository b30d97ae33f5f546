"""What rules were made with is kept beside the run's history."""

import json

import pytest

from localcal.errors import InputError
from localcal.run.provenance import RUN_FILE
from localcal.run.since import (
    SINCE_FILE,
    Entry,
    is_stale,
    made_so_far,
    read_since,
    record_since,
    unsettled,
)


def start(folder, present, now, changed=False):
    """Record a start; return whether something was added."""
    return record_since(folder, made_so_far(folder, present, changed), present, now) is not None


def test_only_what_is_new_is_added_and_nothing_where_nothing_is(tmp_path):
    assert start(tmp_path, {"a": "1", "b": "1"}, 100.7)
    assert not start(tmp_path, {"a": "1", "b": "1"}, 200)
    assert start(tmp_path, {"a": "1", "b": "2"}, 300)
    assert read_since(tmp_path) == [Entry(100, {"a": "1", "b": "1"}), Entry(300, {"b": "2"})]
    lines = (tmp_path / SINCE_FILE).read_text().splitlines()
    assert json.loads(lines[1])["when"] == "1970-01-01T00:05:00+00:00"


def test_a_clock_that_went_back_does_not_make_old_files_new(tmp_path):
    start(tmp_path, {"a": "1"}, 500)
    start(tmp_path, {"a": "2"}, 100)
    assert [entry.when for entry in read_since(tmp_path)] == [500, 501]
    assert is_stale(read_since(tmp_path), "a", "2", 500.9)


@pytest.mark.parametrize(
    ("mtime", "present", "stale"),
    [
        (99, "1", True),  # before anything was recorded
        (100.0, "1", False),
        (150, "2", True),
        (200.2, "2", False),
        (200.2, "1", True),
        (150, "1", False),  # as before the change that was taken back
        (200, "3", True),
    ],
)
def test_a_file_is_stale_that_was_made_with_something_else(mtime, present, stale):
    entries = [Entry(100, {"a": "1", "b": "1"}), Entry(200, {"a": "2"})]
    assert is_stale(entries, "a", present, mtime) == stale


def test_a_rule_that_the_record_does_not_know_makes_stale_files():
    entries = [Entry(100, {"b": "1"})]
    assert is_stale(entries, "a", "1", 200)
    assert unsettled(entries, {"a": "1", "b": "1"}) == {"a"}


def test_rules_that_were_never_made_otherwise_are_settled():
    entries = [Entry(100, {"a": "1", "b": "1", "gone": "1"}), Entry(200, {"b": "2"})]
    assert unsettled(entries, {"a": "1", "b": "2"}) == {"b"}
    assert unsettled(entries, {"a": "3", "b": "2"}) == {"a", "b"}


def test_a_run_without_the_record_is_right_unless_it_differs(tmp_path):
    assert made_so_far(tmp_path, {"a": "1"}, False) == []
    (tmp_path / RUN_FILE).write_text("{}")
    same = made_so_far(tmp_path, {"a": "1"}, False)
    assert not is_stale(same, "a", "1", 0) and not unsettled(same, {"a": "1"})
    other = made_so_far(tmp_path, {"a": "1"}, True)
    assert is_stale(other, "a", "1", 1e9)
    # What is made from now on is right, and what was made before stays stale.
    assert start(tmp_path, {"a": "1"}, 2e9, changed=True)
    assert is_stale(read_since(tmp_path), "a", "1", 1e9)
    assert not is_stale(read_since(tmp_path), "a", "1", 2e9)


def test_the_first_start_with_the_record_writes_what_was_true_all_along(tmp_path):
    (tmp_path / RUN_FILE).write_text("{}")
    assert start(tmp_path, {"a": "1"}, 500)
    assert read_since(tmp_path) == [Entry(None, {"a": "1"})]
    assert not start(tmp_path, {"a": "1"}, 600)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds nothing"),
        ("{", "line 1 is not JSON"),
        ("[]", "line 1 is no JSON object"),
        ('{"when": null}', "does not say what rules were made with"),
        ('{"when": null, "rules": {"a": 1}}', "does not say what rules were made with"),
        ('{"rules": {}}', "does not say when"),
        ('{"when": "yesterday", "rules": {}}', "does not say when"),
        ('{"when": 5, "rules": {}}', "does not say when"),
    ],
)
def test_a_damaged_record_is_refused(tmp_path, text, message):
    (tmp_path / SINCE_FILE).write_text(text)
    with pytest.raises(InputError, match=f"since.jsonl: .*{message}.*; restore or delete it"):
        read_since(tmp_path)
