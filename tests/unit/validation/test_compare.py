"""What validation makes of area files, on the stand-in model."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

import localcal.areas.write
from localcal.errors import InputError
from localcal.files import origins
from localcal.population.dataset import read_population
from localcal.targets.table import read_targets
from localcal.validation.compare import (
    COLUMNS,
    FLOAT_PRECISION,
    compare_records,
    is_sane,
    validate_area,
)
from localcal.validation.inputs import ValidationInputs
from localcal.validation.totals import rows_of_area
from tests.areas_case import ALABAMA, CITY, FIRST, NATION, VALIDATED, validated, written


@pytest.mark.parametrize(
    ("area", "parent"), [(NATION, NATION), (ALABAMA, ALABAMA), (FIRST, ALABAMA), (CITY, CITY)]
)
def test_the_files_say_what_the_matrix_promised(run, tmp_path, area, parent):
    table = validated(run, tmp_path, area, parent)
    assert len(table) == rows_of_area(area, read_targets(run["targets"])).size > 0
    assert (table["simulated"].abs() > 0).sum() > 10
    np.testing.assert_allclose(table["simulated"], table["estimate"], rtol=2e-6, atol=1e-3)


def test_other_weights_than_the_file_s_are_noticed(run, tmp_path):
    weights = np.load(run["weights"])
    weights[np.flatnonzero(weights)[5]] *= 1.01
    np.save(tmp_path / "other.npy", weights)
    with pytest.raises(InputError, match=r"US\.h5: 'household_weight' is .* by .*other\.npy"):
        validated(run, tmp_path, NATION, NATION, tmp_path / "other.npy")


def test_a_record_that_differs_from_the_state_s_is_noticed(run, tmp_path, monkeypatch):
    original = localcal.areas.write._append

    def altered(file, clones, stored, totals):
        if file.attrs["level"] == "districts":
            older = clones.values["age"] + (np.arange(clones.count("person")) == 1)
            clones = clones.with_values("person", {"age": older.astype(np.int32)})
        original(file, clones, stored, totals)

    monkeypatch.setattr(localcal.areas.write, "_append", altered)
    with pytest.raises(InputError, match=r"AL-01\.h5: 'age' differs from the records"):
        validated(run, tmp_path, FIRST, ALABAMA)


@pytest.mark.parametrize(
    ("area", "parent"), [(NATION, NATION), (ALABAMA, ALABAMA), (FIRST, ALABAMA), (CITY, CITY)]
)
def test_no_area_takes_the_digest_of_all_places(run, tmp_path, monkeypatch, area, parent):
    """What they say of the area is compared instead."""
    validated(run, tmp_path, area, parent)
    hashed = []
    original = origins.sha256_file

    def counted(path):
        hashed.append(path)
        return original(path)

    monkeypatch.setattr(origins, "sha256_file", counted)
    inputs = {name: run[name] for name in VALIDATED}
    inputs |= {
        "totals": tmp_path / f"{parent.area}.totals.h5",
        "parent": tmp_path / f"{parent.area}.h5",
        "area": tmp_path / f"{area.area}.h5",
    }
    validate_area(area, ValidationInputs(**inputs), tmp_path / "again.csv")
    assert not {run[name] for name in ("geography", "population", "matrix")} & set(hashed)


def test_a_city_is_not_validated_with_another_geography(run, tmp_path):
    other = tmp_path / "geography.h5"
    other.write_bytes(run["geography"].read_bytes())
    with h5py.File(other, "r+") as file:
        column = int(np.argmax((file["county"][:] == b"36001") & (np.load(run["weights"]) > 0)))
        file["county"][column], file["block"][column] = b"36061", b"360610001001001"
    validated(run, tmp_path, CITY, CITY)
    inputs = {name: run[name] for name in VALIDATED} | {"geography": other}
    inputs |= {"totals": tmp_path / "NYC.totals.h5"}
    inputs |= dict.fromkeys(("parent", "area"), tmp_path / "NYC.h5")
    with pytest.raises(InputError, match=r"NYC\.h5: holds \d+ households, but by .*geography\.h5"):
        validate_area(CITY, ValidationInputs(**inputs), tmp_path / "again.csv")


def test_ids_that_differ_from_the_state_s_are_noticed(run, tmp_path, monkeypatch):
    """The model looks at them."""
    original = localcal.areas.write._append

    def altered(file, clones, stored, totals):
        if file.attrs["level"] == "districts":
            clones = replace(clones, ids={**clones.ids, "person": clones.ids["person"] + 1})
        original(file, clones, stored, totals)

    monkeypatch.setattr(localcal.areas.write, "_append", altered)
    with pytest.raises(InputError, match=r"AL-01\.h5: 'person_id' is \d+ in household"):
        validated(run, tmp_path, FIRST, ALABAMA)


def test_totals_of_another_file_are_refused(run, tmp_path):
    validated(run, tmp_path, ALABAMA, ALABAMA)
    file = tmp_path / "AL.h5"
    with h5py.File(file, "r+") as content:
        content.attrs["note"] = "changed"
    inputs = {name: run[name] for name in VALIDATED}
    inputs |= {"totals": tmp_path / "AL.totals.h5", "parent": file, "area": file}
    with pytest.raises(InputError, match=r"AL\.totals\.h5: made from another area than"):
        validate_area(ALABAMA, ValidationInputs(**inputs), tmp_path / "AL.csv")


@pytest.mark.parametrize(
    ("level", "variable", "possible", "impossible"),
    [
        # The nation: 340 million persons in 131 million households, wages of 11 trillion dollars.
        ("nation", "person_count", 340e6, 380e6),
        ("nation", "household_count", 131e6, 201e6),
        ("nation", "employment_income", 11e12, 31e12),
        # California, the largest state, as possible; what belongs to the nation as impossible.
        ("state", "person_count", 39.5e6, 340e6),
        ("state", "tax_unit_count", 19e6, 131e6),
        ("state", "employment_income", 1.5e12, 11e12),
        ("city", "person_count", 8.3e6, 340e6),
        ("city", "household_count", 3.3e6, 131e6),
        ("city", "employment_income", 0.6e12, 11e12),
        # Montana's districts are large; what belongs to a middling state is too much for one.
        ("district", "person_count", 0.8e6, 5e6),
        ("district", "household_count", 0.4e6, 2e6),
        ("district", "employment_income", 60e9, 600e9),
    ],
)
def test_the_largest_area_is_possible_and_a_total_of_the_level_above_is_not(
    level, variable, possible, impossible
):
    totals = np.array([possible, impossible, -possible, -impossible, np.nan, np.inf])
    sane = is_sane(level, np.full(6, variable), totals)
    assert sane.tolist() == [True, False, True, False, False, False]


@pytest.mark.parametrize(
    ("level", "dollars", "persons", "units"),
    [
        ("nation", 30e12, 340e6 * 1.1, 200e6),
        ("state", 5e12, 40e6 * 1.1, 25e6),
        ("city", 5e12, 40e6 * 1.1, 25e6),
        ("district", 500e9, 1.2e6, 0.8e6),
    ],
)
def test_the_ceilings_are_those_of_the_reference_pipeline(level, dollars, persons, units):
    """A total may reach them; said a second time, so that a slip in one place shows."""
    variable = np.array(["snap", "person_count", "spm_unit_count"])
    ceiling = np.array([dollars, persons, units])
    assert is_sane(level, variable, ceiling).all()
    assert not is_sane(level, variable, ceiling * (1 + 1e-9)).any()


def test_totals_are_set_against_official_ones_where_there_are_any(run, tmp_path):
    """A city has no targets of its own; its rows are the nation's, without their values."""
    state = validated(run, tmp_path, ALABAMA, ALABAMA)
    assert (state["target_value"] == 1_000.0).all()
    np.testing.assert_allclose(state["error"], state["simulated"] - 1_000.0, rtol=1e-12)
    np.testing.assert_allclose(state["rel_error"], state["simulated"] / 1_000.0 - 1, rtol=1e-9)
    assert state.columns.tolist() == COLUMNS
    assert set(state["level"]) == {"state"} and set(state["area"]) == {"AL"}
    city = validated(run, tmp_path, CITY, CITY)
    assert city[["target_value", "error", "rel_error"]].isna().all(axis=None)
    assert (city["simulated"] != 0).any()


@pytest.mark.parametrize(("shift", "is_noticed"), [(0.2, False), (2.0, True), (-2.0, True)])
def test_one_total_that_is_off_is_noticed_and_rounding_is_not(run, tmp_path, shift, is_noticed):
    """32-bit entries are good to about one part in ten million; more is another file."""
    validated(run, tmp_path, ALABAMA, ALABAMA)
    inputs = {name: run[name] for name in VALIDATED}
    inputs |= dict.fromkeys(("parent", "area"), tmp_path / "AL.h5")
    inputs["totals"] = tmp_path / "AL.totals.h5"
    targets = read_targets(run["targets"])
    name = "state_1/employment_income/9"
    with h5py.File(inputs["totals"], "r+") as file:
        place = targets["name"].iloc[file["row"][:]].tolist().index(name)
        # All incomes are positive, so the total is the sum of absolute contributions.
        file["total"][place] *= 1 + shift * FLOAT_PRECISION
    if is_noticed:
        with pytest.raises(InputError, match=rf"AL\.h5: {name} comes to .* \(1 of 18 targets"):
            validate_area(ALABAMA, ValidationInputs(**inputs), tmp_path / "AL.csv")
    else:
        validate_area(ALABAMA, ValidationInputs(**inputs), tmp_path / "AL.csv")


def test_a_person_in_another_unit_than_in_the_state_s_file_is_noticed(run, tmp_path):
    state, district = written(run, tmp_path, ALABAMA), written(run, tmp_path, FIRST)
    compare_records(FIRST, district, state)
    people = read_population(district)
    membership, household = people.membership["tax_unit"], people.household_of["person"]
    size = np.bincount(membership)
    person, other = next(
        (one, unit)
        for one in range(household.size)
        for unit in membership[household == household[one]]
        if unit != membership[one] and size[membership[one]] > 1
    )
    with h5py.File(district, "r+") as file:
        file["person_tax_unit_id/2024"][person] = people.ids["tax_unit"][other]
    with pytest.raises(InputError, match=r"AL-01\.h5: 'person_tax_unit_id' differs from the rec"):
        compare_records(FIRST, district, state)
