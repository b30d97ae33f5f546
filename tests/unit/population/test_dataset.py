"""Households as datasets."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from localcal.errors import InputError
from localcal.population.dataset import (
    assemble,
    find,
    id_columns,
    read_arrays,
    read_population,
    write_population,
)
from localcal.population.population import (
    ENTITIES,
    GROUPS,
    NO_REFERENCE,
    clone_households,
    one_person_per_state,
)
from tests.households import ENTITY, random_dataset, random_population


def incomes_by_household(data):
    """Return household id to the sorted incomes of its members, without our code."""
    result = {}
    for household, income in zip(
        data["person_household_id"], data["employment_income"], strict=True
    ):
        result.setdefault(int(household), []).append(float(income))
    return {household: sorted(values) for household, values in result.items()}


def test_sorting_by_household_moves_no_value_to_another_household():
    data = random_dataset(30, seed=1, shuffle=True)
    population = assemble("test", data, 2024, ENTITY)
    columns = id_columns(population) | dict(population.values)
    assert incomes_by_household(columns) == incomes_by_household(data)
    for entity in ENTITIES:
        assert (np.diff(population.household_of[entity]) >= 0).all()
    deductions = dict(zip(data["tax_unit_id"], data["charitable_deduction"], strict=True))
    ours = zip(columns["tax_unit_id"], columns["charitable_deduction"], strict=True)
    assert dict(ours) == deductions


def test_shared_units_stay_shared():
    data = random_dataset(20, seed=2, shuffle=True)
    population = assemble("test", data, 2024, ENTITY)
    columns = id_columns(population)
    for group in GROUPS:
        links = dict(zip(data["person_id"], data[f"person_{group}_id"], strict=True))
        ours = dict(zip(columns["person_id"], columns[f"person_{group}_id"], strict=True))
        assert ours == links


def test_a_population_survives_its_file(tmp_path):
    population = random_population(15, seed=3)
    write_population(tmp_path / "p.h5", population)
    again = read_population(tmp_path / "p.h5")
    for name, values in population.values.items():
        assert np.array_equal(again.values[name], values)
    for entity in ENTITIES:
        assert np.array_equal(again.ids[entity], population.ids[entity])
    write_population(tmp_path / "q.h5", again)
    assert (tmp_path / "p.h5").read_bytes() == (tmp_path / "q.h5").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("spm_unit_id"), "lacks spm_unit_id"),
        (lambda d: d["person_household_id"].__setitem__(4, 99_999), "household 99999"),
        (lambda d: d["person_id"].__setitem__(1, d["person_id"][0]), "more than once"),
        (lambda d: d.update(age=d["age"][:-1]), "'age' has"),
        (lambda d: d.update(tax_unit_id=np.append(d["tax_unit_id"], 77_777)), "77777 has no"),
    ],
)
def test_broken_ids_and_links_are_named(change, message):
    data = random_dataset(10, seed=6)
    change(data)
    with pytest.raises(InputError, match=message):
        assemble("given.h5", data, 2024, ENTITY)


def test_a_unit_across_households_is_refused():
    data = random_dataset(10, seed=7)
    data["person_family_id"][:] = data["family_id"][0]
    data["family_id"] = data["family_id"][:1]
    with pytest.raises(InputError, match="family has members in more than one household"):
        assemble("given.h5", data, 2024, ENTITY)


def test_foreign_layouts_are_refused_by_name(tmp_path):
    path = tmp_path / "flat.h5"
    with h5py.File(path, "w") as file:
        file["age"] = np.arange(3)
    with pytest.raises(InputError, match="'age' is not a group of periods"):
        read_arrays(path)
    with h5py.File(path, "w") as file:
        file["age/2023"] = file["age/2024"] = np.arange(3)
    with pytest.raises(InputError, match="2 periods"):
        read_arrays(path)
    with h5py.File(path, "w") as file:
        file["age/2023"] = file["income/2024"] = np.arange(3)
    with pytest.raises(InputError, match="one year"):
        read_arrays(path)
    path.write_text("not HDF5")
    with pytest.raises(InputError, match="not an HDF5 file"):
        read_arrays(path)
    with pytest.raises(InputError, match="no such file"):
        read_arrays(tmp_path / "missing.h5")


@pytest.mark.parametrize(
    ("first", "width"), [(1, np.int32), (2**31 - 3, np.int32), (2**31 - 2, np.int64)]
)
def test_ids_are_as_wide_as_the_model_s_while_they_fit(first, width):
    """Three ids from `first`; the largest that fits 32 bits is 2**31 - 1."""
    population = one_person_per_state(2024, [1, 6, 36])
    clones = clone_households(population, np.arange(3), dict.fromkeys(ENTITIES, first))
    columns = id_columns(clones)
    assert {array.dtype.type for array in columns.values()} == {width}
    assert columns["person_id"].tolist() == [first, first + 1, first + 2]


@pytest.mark.parametrize(
    ("point_to", "message"),
    [
        (lambda data: 99_999, "'parent_1_id' names 99999, which does not exist"),
        (
            lambda data: data["person_id"][data["person_household_id"] != 500][0],
            "'parent_1_id' points into another household",
        ),
    ],
)
def test_a_reference_that_a_clone_could_not_carry_is_refused(point_to, message):
    data = random_dataset(10, seed=9)
    parent = np.zeros(data["person_id"].size, dtype=np.int64)
    parent[np.flatnonzero(data["person_household_id"] == 500)[0]] = point_to(data)
    with pytest.raises(InputError, match=f"given.h5: {message}"):
        assemble("given.h5", data | {"parent_1_id": parent}, 2024, ENTITY)


def test_a_file_that_localcal_did_not_write_is_refused(tmp_path):
    """It does not say whose variable is whose."""
    write_population(tmp_path / "p.h5", random_population(5, seed=11))
    with h5py.File(tmp_path / "p.h5", "r+") as file:
        del file["age"].attrs["entity"]
    with pytest.raises(InputError, match=r"p\.h5: does not say whose variable age is"):
        read_population(tmp_path / "p.h5")


def test_positions_are_found_whatever_the_order_of_ids():
    assert find(np.array([5, 3, 9]), np.array([3, 4, 9, 10, 5, 0])).tolist() == [
        1, -1, 2, -1, 0, -1
    ]  # fmt: skip


def test_the_first_person_can_be_pointed_to_and_nobody_is_zero():
    arrays = id_columns(one_person_per_state(2024, [1, 6]))
    assert arrays["person_id"].tolist() == [1, 2]
    arrays["parent_1_id"] = np.array([1, 0])
    population = assemble("test", arrays, 2024, {})
    assert population.references["parent_1_id"].tolist() == [0, NO_REFERENCE]
    assert id_columns(population)["parent_1_id"].tolist() == [1, 0]


def test_what_a_file_says_of_later_years_is_for_its_users(tmp_path):
    """Who reads the file itself gets its own year, also where it is given as a dataset."""
    population = random_population(6, seed=8)
    later = {2025: np.zeros(population.count("person"), dtype=np.float32)}
    write_population(tmp_path / "some.h5", replace(population, later={"employment_income": later}))
    with h5py.File(tmp_path / "some.h5") as file:
        assert sorted(file["employment_income"]) == ["2024", "2025"]
        assert sorted(file["person_id"]) == [str(year) for year in range(2024, 2035)]
    again = read_population(tmp_path / "some.h5")
    given, period = read_arrays(tmp_path / "some.h5")
    assert again.period == period == 2024
    for values in (again.values, given):
        assert np.array_equal(values["employment_income"], population.values["employment_income"])
    # A file of somebody else's with two years of a variable is still refused.
    with h5py.File(tmp_path / "some.h5", "a") as file:
        del file["employment_income"].attrs["entity"]
    with pytest.raises(InputError, match="'employment_income' has 2 periods"):
        read_arrays(tmp_path / "some.h5")
