"""Objects that carry the digest of what they say."""

import json

import pytest

from localcal.files.seal import digest, is_broken, is_whole, sealed

CONTENT = {"a": 1, "b": [1.5, "x"], "c": {"d": None}}


def test_a_sealed_object_survives_its_file_and_the_order_of_its_keys():
    there = json.loads(json.dumps(sealed(CONTENT)))
    assert is_whole(there)
    assert is_whole(dict(reversed(there.items())))
    assert {name: there[name] for name in CONTENT} == CONTENT


@pytest.mark.parametrize("change", [{"a": 2}, {"a": 1.0}, {"b": []}, {"e": 0}, {"seal": "0"}])
def test_a_change_breaks_the_seal(change):
    assert not is_whole(sealed(CONTENT) | change)


def test_a_lost_seal_or_key_is_no_whole_object():
    assert not is_whole(CONTENT)
    for name in CONTENT:
        assert not is_whole({k: v for k, v in sealed(CONTENT).items() if k != name})


def test_the_digest_tells_numbers_apart_but_not_lists_and_tuples():
    assert digest({"a": 90}) != digest({"a": 90.0})
    assert digest({"a": [1, 2]}) == digest({"a": (1, 2)})
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest({"a": None}) != digest({})


def test_only_another_seal_is_a_broken_one():
    assert is_broken(sealed(CONTENT) | {"a": 2})
    assert not is_broken(sealed(CONTENT))
    assert not is_broken(CONTENT)
