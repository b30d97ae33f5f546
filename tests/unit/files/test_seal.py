"""Objects that carry the digest of what they say."""

import json

import pytest

from localcal.files.seal import is_whole, sealed

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
