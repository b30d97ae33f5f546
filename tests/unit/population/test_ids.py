"""Ids that are texts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcal.errors import InputError
from localcal.population.dataset import assemble
from localcal.population.ids import numbered
from tests.households import ENTITY, random_dataset

ENTITIES = ("person", "household", "tax_unit", "spm_unit", "family", "marital_unit")


def with_texts(data, named):
    """Return a dataset whose ids are made texts."""
    return data | {
        name: np.array([named(item) for item in values.tolist()])
        for name, values in data.items()
        if name.endswith("_id")
    }


@pytest.mark.parametrize("kind", ["S", "U", "O"])
def test_texts_are_numbered_in_their_order(kind):
    data = random_dataset(12, seed=1)
    texts = with_texts(data, lambda item: f"h{item:06}")
    if kind != "U":
        texts = {
            name: values.astype(kind) if name.endswith("_id") else values
            for name, values in texts.items()
        }
    ours, plain = numbered("test", texts), numbered("test", data)
    for entity in ENTITIES:
        column = f"{entity}_id"
        assert sorted(ours[column]) == list(range(1, data[column].size + 1))
        assert np.array_equal(np.argsort(ours[column]), np.argsort(data[column]))
        assert plain[column] is data[column]
    one, other = assemble("a", ours, 2024, ENTITY), assemble("b", data, 2024, ENTITY)
    for name, values in one.values.items():
        assert np.array_equal(values, other.values[name]), name
    assert all(np.array_equal(one.membership[g], other.membership[g]) for g in one.membership)


def test_texts_of_whole_numbers_become_these():
    data = random_dataset(12, seed=2)
    ours = numbered("test", with_texts(data, str))
    for name, values in data.items():
        assert np.array_equal(ours[name], values), name


@given(st.lists(st.text("01aé ", min_size=1, max_size=4), min_size=1, unique=True))
def test_different_texts_get_different_numbers_and_links_follow(texts):
    own = np.array(texts)
    link = own[np.arange(own.size * 2) % own.size]
    result = numbered("test", {"household_id": own, "person_household_id": link})
    ids = result["household_id"]
    assert np.unique(ids).size == own.size
    assert np.array_equal(result["person_household_id"], ids[np.arange(link.size) % own.size])


def test_links_may_be_texts_where_ids_are_numbers_and_the_other_way_round():
    for own, link in (([7, 9], ["9", "7"]), (["7", "9"], [9, 7]), (["7", "9"], [9.0, 7.0])):
        result = numbered("test", {"family_id": np.array(own), "person_family_id": np.array(link)})
        assert result["family_id"].tolist() == [7, 9]
        assert result["person_family_id"].tolist() == [9, 7]


def test_nobody_is_0_or_no_text():
    arrays = {
        "person_id": np.array(["a", "b", "c"]),
        "parent_1_id": np.array(["", "c", "0"]),
    }
    assert numbered("test", arrays)["parent_1_id"].tolist() == [0, 3, 0]


def test_a_link_to_nothing_is_named():
    arrays = {"tax_unit_id": np.array(["a"]), "person_tax_unit_id": np.array(["a", "x"])}
    message = "test: 'person_tax_unit_id' is 'x' in row 1, which 'tax_unit_id' does not list"
    with pytest.raises(InputError, match=message):
        numbered("test", arrays)
    arrays = {"person_id": np.array(["a"]), "parent_2_id": np.array(["z"])}
    with pytest.raises(InputError, match="'parent_2_id' is 'z' in row 0, which 'person_id' does"):
        numbered("test", arrays)


@pytest.mark.parametrize("wrong", [np.array([True]), np.array([1j]), np.array([None], object)])
def test_other_ids_than_numbers_and_texts_are_refused(wrong):
    data = random_dataset(1, seed=3)
    for column in ("household_id", "person_household_id"):
        broken = data | {column: np.resize(wrong, data[column].size)}
        with pytest.raises(InputError, match=f"test: '{column}' has to be a list of whole numbers"):
            assemble("test", numbered("test", broken), 2024, ENTITY)
