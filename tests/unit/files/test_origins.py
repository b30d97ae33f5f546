"""A product says what it was made from, and one made from something else is refused."""

import hashlib

import pytest

from localcal.errors import InputError
from localcal.files.origins import compared, record, refuse_other, refuse_other_files


@pytest.fixture
def inputs(tmp_path):
    files = {"weights": tmp_path / "w", "geography": tmp_path / "g"}
    for name, path in files.items():
        path.write_text(name)
    return files


def test_a_record_holds_the_digest_of_each_files_bytes(inputs):
    expected = hashlib.sha256(b"geography").hexdigest()
    assert record(inputs)["geography"] == expected
    assert list(record(inputs)) == ["geography", "weights"]


def test_what_was_made_from_the_same_files_and_more_passes(inputs):
    refuse_other("product.h5", record(inputs) | {"engine": "1"}, record(inputs))


def test_an_input_that_has_changed_is_named_with_product_and_remedy(inputs):
    recorded = record(inputs)
    inputs["geography"].write_text("elsewhere")
    message = "^product.h5: made from another geography than the run has now; remove it and run"
    with pytest.raises(InputError, match=message):
        refuse_other("product.h5", recorded, record(inputs))
    with pytest.raises(InputError, match="now; choose another$"):
        refuse_other("product.h5", recorded, record(inputs), "choose another")


def test_a_product_that_does_not_say_what_it_was_made_from_is_refused(inputs):
    recorded = record(inputs)
    del recorded["weights"]
    with pytest.raises(InputError, match="product.h5: does not say which weights it was made from"):
        refuse_other("product.h5", recorded, record(inputs))


def test_product_and_changed_file_are_both_named_since_either_may_be_wrong(inputs):
    recorded = record(inputs)
    assert refuse_other_files("product.h5", recorded, inputs) == recorded
    inputs["geography"].write_text("elsewhere")
    message = f"product.h5: made from another .*; remove whichever of it and {inputs['geography']} "
    with pytest.raises(InputError, match=message):
        refuse_other_files("product.h5", recorded, inputs)


def test_what_was_compared_already_is_not_read_again(tmp_path):
    path = tmp_path / "a"
    path.write_text("a")
    digest = record({"a": path})
    with compared({str(path): "as it was"}):
        assert record({"a": path}) == {"a": "as it was"}
    assert record({"a": path}) == digest
