"""A dataset's arrays from tables of persons and units."""

import numpy as np
import pandas as pd
import pytest

from localcal.microdata.units import entity_arrays
from localcal.population.dataset import assemble
from localcal.population.population import GROUPS

PERSONS = pd.DataFrame(
    {
        "household": [70, 70, 20, 70],
        "tax_unit": [5, 5, 1, 6],
        "spm_unit": [5, 5, 1, 5],
        "family": [5, 5, 1, 6],
        "marital_unit": [8, 9, 1, 2],
        "age": [40.0, 5.0, 80.0, 30.0],
        "is_female": [True, False, True, False],
        "tax_unit_role_input": ["HEAD", "DEPENDENT", "HEAD", "HEAD"],
    }
)
UNITS = {
    "household": pd.DataFrame(
        {"household_weight": [10.0, 20.0, 30.0], "state_fips": [6, 36, 48]}, index=[20, 70, 99]
    ),
    "tax_unit": pd.DataFrame({"paid": [1.0, 5.0, 6.0]}, index=[1, 5, 6]),
}


def test_persons_stand_by_household_and_units_are_numbered_by_their_first_members():
    arrays = entity_arrays(PERSONS, UNITS)
    assert arrays["age"].tolist() == [40, 5, 30, 80]
    assert arrays["person_household_id"].tolist() == [1, 1, 1, 2]
    assert arrays["person_tax_unit_id"].tolist() == [1, 1, 2, 3]
    assert arrays["person_spm_unit_id"].tolist() == [1, 1, 1, 2]
    assert arrays["person_marital_unit_id"].tolist() == [1, 2, 3, 4]
    assert arrays["household_weight"].tolist() == [20, 10]
    assert arrays["state_fips"].tolist() == [36, 6]
    assert arrays["paid"].tolist() == [5, 6, 1]
    assert arrays["tax_unit_role_input"].tolist() == [b"HEAD", b"DEPENDENT", b"HEAD", b"HEAD"]
    kinds = {"age": "f4", "is_female": "?", "state_fips": "i4", "person_id": "i4"}
    assert {name: arrays[name].dtype for name in kinds} == {
        name: np.dtype(kind) for name, kind in kinds.items()
    }


def test_it_is_a_dataset_as_others_are():
    own = dict.fromkeys(("household_weight", "state_fips"), "household") | {"paid": "tax_unit"}
    own |= dict.fromkeys(("age", "is_female", "tax_unit_role_input"), "person")
    population = assemble("test", entity_arrays(PERSONS, UNITS), 2024, own)
    assert [population.count(entity) for entity in GROUPS] == [2, 3, 2, 3, 4]


def test_a_unit_without_a_row_is_an_error():
    lacking = UNITS | {"household": UNITS["household"].drop(index=20)}
    with pytest.raises(KeyError, match="20"):
        entity_arrays(PERSONS, lacking)
