"""Whether an area file's records are those of its columns, on the stand-in model."""

import h5py
import numpy as np
import pytest

import localcal.areas.write
from localcal.errors import InputError
from localcal.population.dataset import read_population
from localcal.validation.compare import validate_area
from localcal.validation.inputs import ValidationInputs
from localcal.validation.simulate import simulate_area
from tests.areas_case import ALABAMA, CITY, FIRST, NATION, VALIDATED, written
from tests.standin_engine import StandIn

AREAS = [NATION, ALABAMA, FIRST, CITY]


def validate(run, folder, area, change, **others):
    """Validate an area whose file, and its state's, was changed before anything was made of it."""
    parent = ALABAMA if area is FIRST else area
    for name in {area, parent}:
        with h5py.File(written(run, folder, name), "r+") as file:
            change(file)
    files = {name: run[name] for name in VALIDATED} | {
        "area": folder / f"{area.area}.h5",
        "parent": folder / f"{parent.area}.h5",
        "totals": folder / "totals.h5",
        **others,
    }
    simulate_area(parent, files["parent"], run["targets"], StandIn(), files["totals"])
    validate_area(area, ValidationInputs(**files), folder / "table.csv")


def put(name, value, row=0):
    """Return a function that puts a value into an array of a file, into all rows with slice."""

    def change(file):
        file[f"{name}/2024"][row] = value

    return change


@pytest.mark.parametrize("area", AREAS, ids=lambda area: area.area)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("county_fips", b"00001"),
        ("block_geoid", b"010010001001999"),
        ("congressional_district_geoid", 5606),
        ("state_fips", 56),
        ("spm_unit_id", 10**6),
    ],
)
def test_what_a_record_says_that_its_column_does_not_is_named(run, tmp_path, area, name, value):
    if name == "spm_unit_id":

        def change(file):
            for array in ("spm_unit_id", "person_spm_unit_id"):
                numbers = file[f"{array}/2024"][:]
                file[f"{array}/2024"][:] = np.where(numbers == numbers[0], value, numbers)

        source = "population.file"
    else:
        change, source = put(name, value), "geography.file"
    with pytest.raises(InputError) as raised:
        validate(run, tmp_path, area, change)
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / area.area}.h5: '{name}' is {str(value).strip("b'")} in")
    assert f"by {run['geography'].with_name(source)} (1 of " in message
    assert message.endswith("remove whichever is old or damaged and run the same command again")


def test_all_counties_of_a_state_set_to_one_are_noticed(run, tmp_path):
    """No total of a state's file looks at them."""
    rows = {}

    def change(file):
        rows["all"] = file["county_fips/2024"].size
        file["county_fips/2024"][:] = b"01003"

    with pytest.raises(InputError, match=r"AL\.h5: 'county_fips' is 01003 .*, but 01001") as raised:
        validate(run, tmp_path, ALABAMA, change)
    assert f"({rows['all']} of {rows['all']} differ)" in str(raised.value)


def test_ids_that_agree_among_themselves_but_are_not_the_column_s_are_noticed(run, tmp_path):
    """The model looks at them, and a state's file has nothing beside it."""

    def change(file):
        file["person_id/2024"][:] += 1

    with pytest.raises(InputError, match=r"AL\.h5: 'person_id' is \d+ in household \d+, but \d+"):
        validate(run, tmp_path, ALABAMA, change)


def test_a_household_too_few_is_noticed(run, tmp_path, monkeypatch):
    whole = localcal.areas.write.find_columns

    def fewer(path, area, among):
        return whole(path, area, among)[:-9]

    monkeypatch.setattr(localcal.areas.write, "find_columns", fewer)
    with pytest.raises(InputError, match=r"AL\.h5: holds \d+ households, but by .* \d+ columns"):
        validate(run, tmp_path, ALABAMA, lambda file: None)


def test_a_file_without_a_place_is_refused(run, tmp_path):
    with pytest.raises(InputError, match=r"AL\.h5: lacks 'block_geoid'; remove"):
        validate(run, tmp_path, ALABAMA, lambda file: file.__delitem__("block_geoid"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_weights_that_are_none_are_refused_before_anything_is_done_with_them(run, tmp_path, value):
    with pytest.raises(InputError, match=r"AL\.h5: damaged, weight 0 is .*; remove it and run the"):
        validate(run, tmp_path, ALABAMA, put("household_weight", value))
    weights = np.load(run["weights"])
    weights[7] = value
    np.save(tmp_path / "weights.npy", weights)
    with pytest.raises(InputError, match=r"weights\.npy: damaged, weight 7 is .* \(1 of 240"):
        validate(run, tmp_path, ALABAMA, lambda file: None, weights=tmp_path / "weights.npy")


def test_only_some_variables_are_read_where_only_some_are_needed(run):
    whole = read_population(run["population"])
    part = read_population(run["population"], only=("age",))
    assert list(part.values) == ["age"]
    assert np.array_equal(part.ids["person"], whole.ids["person"])
