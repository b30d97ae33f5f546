"""Published counts of the areas of targets."""

import numpy as np
import pandas as pd

from localcal.weights.counts import published_counts

ROWS = [
    ("nation", "US", "agi", 0, 900.0),
    ("state", "1", "agi", 0, 600.0),
    ("state", "2", "agi", 0, 300.0),
    ("district", "101", "person_count", 0, 10.0),
    ("district", "102", "person_count", 0, 20.0),
    ("district", "201", "person_count", 0, 5.0),
    ("state", "1", "household_count", 0, 12.0),
    ("state", "2", "household_count", 0, 0.0),
    ("state", "1", "tax_unit_count", 1, 8.0),
]
COLUMNS = ["geo_level", "geographic_id", "variable", "reform_id", "value"]


def table() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=COLUMNS).assign(constraints="[]")


def counts(targets: pd.DataFrame, usable: np.ndarray | None = None):
    usable = np.ones(len(targets), dtype=bool) if usable is None else usable
    return published_counts(targets, usable, {1, 2}, {101, 102, 201})


def test_an_area_without_a_count_has_the_sum_of_its_parts():
    found = counts(table())
    assert found.families == (("household_count", 0, "[]"), ("person_count", 0, "[]"))
    households, persons = found.of(np.arange(5))
    np.testing.assert_array_equal(persons, [35.0, 30.0, 5.0, 10.0, 20.0])
    # What is zero is no size to divide by.
    np.testing.assert_array_equal(households, [12.0, 12.0, np.nan, np.nan, np.nan])


def test_a_sum_with_a_missing_part_is_no_sum():
    usable = np.arange(len(ROWS)) != 3
    persons = counts(table(), usable).of(np.arange(5))[1]
    np.testing.assert_array_equal(persons, [np.nan, np.nan, 5.0, np.nan, 20.0])


def test_of_two_values_for_one_area_neither_counts():
    twice = pd.concat([table(), table().iloc[3:4]], ignore_index=True)
    persons = counts(twice).of(np.arange(4))[1]
    np.testing.assert_array_equal(persons, [np.nan, np.nan, 5.0, np.nan])


def test_a_family_does_not_speak_for_itself():
    left = counts(table()).beside(("person_count", 0, "[]"))
    assert left.families == (("household_count", 0, "[]"),)
    assert left.values.shape[0] == 1 and left.name(0) == "household_count []"
