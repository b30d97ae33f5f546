"""Datasets as tables of pandas."""

import numpy as np
import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.population.entity_tables import has_entity_tables, read_entity_tables
from localcal.population.population import ENTITIES
from tests.dataset_case import as_tables, write_dataset, write_tables
from tests.households import random_dataset

REMEDY = "give another"


@pytest.mark.parametrize("layout", ["table", "fixed"])
@pytest.mark.parametrize("years", [(), (2023, 2024)])
def test_tables_give_what_they_were_made_of(tmp_path, layout, years):
    data = random_dataset(20, seed=1)
    path = write_tables(tmp_path / "given.h5", data, years, layout)
    assert has_entity_tables(path, REMEDY)
    arrays, table, period = read_entity_tables(path, 2024)
    assert period == 2024
    assert arrays.keys() == data.keys() == table.keys()
    for name, values in data.items():
        found = arrays[name].astype("S") if values.dtype.kind == "S" else arrays[name]
        assert np.array_equal(found, values), name
    assert table["tenure_type"] == "household" and table["person_tax_unit_id"] == "person"


def test_the_other_layout_is_none_of_tables(tmp_path):
    path = write_dataset(tmp_path / "given.h5", random_dataset(5, seed=1))
    assert not has_entity_tables(path, REMEDY)
    (tmp_path / "text.h5").write_text("no")
    for name in ("text.h5", "missing.h5"):
        with pytest.raises(InputError, match=f"{name}: .*give another"):
            has_entity_tables(tmp_path / name, REMEDY)


def test_categories_are_read_as_their_names(tmp_path):
    tables = as_tables(random_dataset(20, seed=1))
    expected = tables["household"]["tenure_type"].tolist()
    tables["household"]["tenure_type"] = pd.Categorical(expected)
    options = {"format": "table", "data_columns": True, "track_times": False}
    with pd.HDFStore(tmp_path / "given.h5", "w") as store:
        for entity in ENTITIES:
            store.put(entity, tables[entity], **options)
        store.put("_time_period", pd.Series([2024]), **options)
    arrays, _, _ = read_entity_tables(tmp_path / "given.h5", 2024)
    assert arrays["tenure_type"].tolist() == expected


def test_other_years_are_named(tmp_path):
    data = random_dataset(5, seed=1)
    path = write_tables(tmp_path / "years.h5", data, (2022, 2023))
    with pytest.raises(InputError, match=r"years\.h5: is about 2022, 2023, the run about 2024"):
        read_entity_tables(path, 2024)
    path = write_tables(tmp_path / "one.h5", data, period=2021)
    assert read_entity_tables(path, 2024).period == 2021


def test_tables_without_a_year_are_refused(tmp_path):
    path = write_tables(tmp_path / "given.h5", random_dataset(5, seed=1), period=None)
    with pytest.raises(InputError, match=r"given\.h5: does not say its year; add a table _time"):
        read_entity_tables(path, 2024)


def test_a_column_in_two_tables_is_refused(tmp_path):
    data = random_dataset(5, seed=1)
    path = write_tables(tmp_path / "given.h5", data, more={"person": {"state_fips": 6}})
    with pytest.raises(InputError, match="tables person and household both have a column 'state_f"):
        read_entity_tables(path, 2024)


def test_a_damaged_file_is_refused(tmp_path):
    path = write_tables(tmp_path / "given.h5", random_dataset(50, seed=1))
    whole = path.read_bytes()
    refused = 0
    for start in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:start] + bytes(200) + whole[start + 200 :])
        try:
            has_entity_tables(path, REMEDY) and read_entity_tables(path, 2024)
        except InputError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
            refused += 1
    assert refused
