"""JSON files are read whole, or refused with their name and what to do."""

import pytest

from localcal.errors import InputError
from localcal.files.documents import read_json

REMEDY = "; remove it and run the same command again$"


def test_an_object_is_read_with_the_keys_it_has_to_have(tmp_path):
    (tmp_path / "a.json").write_text('{"one": 1, "two": [2]}')
    assert read_json(tmp_path / "a.json", ["one"]) == {"one": 1, "two": [2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b'{"one": 1', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"two": 2}', "lacks one"),
    ],
)
def test_a_damaged_document_is_named_with_what_to_do(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.json: damaged, {message}.*{REMEDY}"):
        read_json(tmp_path / "a.json", ["one"])
    with pytest.raises(InputError, match=rf"b\.json: no such file{REMEDY}"):
        read_json(tmp_path / "b.json")
