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
        (
            lambda d: d.update(is_disabled=np.full(d["age"].size, b"False")),
            r"given\.h5: 'is_disabled' is 'False' in row 0; the model wants true or false",
        ),
        (
            lambda d: d.update(tenure_type=np.full(25, 4)),
            r"given\.h5: 'tenure_type' is 4 in row 0; codes go from 0 \(RENTED\) to 3 \(NONE\)",
        ),
        (lambda d: d.update(age=d["age"] + 0.5), "'age' is .*5 in row 0; .* a whole number"),
        (lambda d: d.update(agee=d["age"]), "no variable 'agee' .did you mean age"),
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


def test_flags_and_codes_are_stored_as_the_model_reads_them():
    data = random_dataset(10, seed=56)
    flags = np.arange(data["age"].size) % 2
    data |= {"is_disabled": flags.astype(float), "tenure_type": np.arange(10) % 4}
    data["age"] = data["age"].astype(float)
    population = check_dataset("test", data, 2024, StandIn().variables())
    assert population.values["is_disabled"].dtype == bool
    assert population.values["is_disabled"].sum() == flags.sum()
    assert population.values["age"].dtype == np.int32
    assert population.values["tenure_type"][:4].tolist() == [
        b"RENTED",
        b"OWNED_OUTRIGHT",
        b"OWNED_WITH_MORTGAGE",
        b"NONE",
    ]
