"""Checks of a dataset on entry."""

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.microdata.check import check_dataset
from tests.dataset_case import build
from tests.households import random_dataset
from tests.standin_engine import StandIn


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("person_tax_unit_id"), r"given\.h5: lacks person_tax_unit_id"),
        (lambda d: d.pop("household_weight"), r"given\.h5: lacks household_weight"),
        (
            lambda d: d["employment_income"].__setitem__(3, np.nan),
            r"given\.h5: 'employment_income' is nan in row 3",
        ),
        (lambda d: d.update(old_name=d["age"]), "no variable 'old_name'.*population.drop"),
        (lambda d: d["household_weight"].__setitem__(0, -1), "household_weight has to be"),
        (lambda d: d["person_spm_unit_id"].__setitem__(2, 5), "spm_unit 5"),
    ],
)
def test_bad_datasets_are_refused_by_name(tmp_path, change, message):
    data = random_dataset(25, seed=52)
    change(data)
    with pytest.raises(InputError, match=message):
        build(tmp_path, data)
    assert not (tmp_path / "population.h5").exists()


def test_other_weights_than_the_household_s_are_left_to_the_model():
    data = random_dataset(10, seed=55)
    data["person_weight"] = np.ones(data["person_id"].size)
    population = check_dataset("test", data, 2024, StandIn().variables())
    assert "person_weight" not in population.values
