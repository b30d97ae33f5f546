"""Area files, on the stand-in model."""

import json

import h5py
import numpy as np
import pytest

import localcal.areas.write
from localcal.areas.write import write_area
from localcal.clones.frozen import read_frozen
from localcal.errors import InputError
from localcal.files.atomic import sha256_file
from localcal.files.origins import record
from localcal.geography.areas import Area
from localcal.geography.geography import find_columns, read_geography
from localcal.population.dataset import read_population
from tests.areas_case import ALABAMA, CITY, FIRST, NATION, area_inputs, written


def test_an_area_s_file_has_its_columns_and_nobody_else(run, tmp_path):
    population = read_population(written(run, tmp_path, ALABAMA))
    places, weights = read_geography(run["geography"]), np.load(run["weights"])
    chosen = np.flatnonzero((places.state == 1) & (weights > 0))
    assert np.array_equal(population.values["household_weight"], weights[chosen])
    assert (population.values["state_fips"] == 1).all()
    assert (population.values["county_fips"] == b"01001").all()
    base = read_population(run["population"])
    sizes = np.diff(base.starts["person"])[places.household[chosen]]
    assert np.array_equal(np.diff(population.starts["person"]), sizes)


def test_a_person_has_the_same_id_in_every_file(run, tmp_path):
    """And the one that its column had in the matrix: the model looks at ids."""
    nation = read_population(written(run, tmp_path, NATION))
    state = read_population(written(run, tmp_path, ALABAMA))
    here = nation.values["state_fips"] == 1
    for entity, ids in state.ids.items():
        assert np.array_equal(ids, nation.ids[entity][here[nation.household_of[entity]]]), entity
    from localcal.geography.geography import read_geography

    places, weights = read_geography(run["geography"]), np.load(run["weights"])
    active = np.flatnonzero((places.state == 1) & (weights > 0))
    assert np.array_equal(state.ids["household"], active + 1)


def test_a_file_says_for_ten_more_years_what_the_model_would_make_up(run, tmp_path):
    frozen = read_frozen(run["frozen"], run["later"]).later["medicaid_denominator"]
    years = range(2025, 2035)
    assert list(frozen) == list(years)
    with h5py.File(written(run, tmp_path, NATION)) as file:
        household = np.searchsorted(file["household_id/2024"][:], file["person_household_id/2024"])
        state = file["state_fips/2024"][:][household]
        for year in years:
            ids = file[f"person_id/{year}"]
            assert np.array_equal(ids[:], file["person_id/2024"][:])
            # Without taking their room again.
            assert ids.id.get_offset() == file["person_id/2024"].id.get_offset()
            assert np.array_equal(file[f"medicaid_denominator/{year}"][:], frozen[year][state])
        more = {name for name, group in file.items() if len(group) > 1}
    assert more == {"person_id", "medicaid_denominator"}
    # Reading is about the file's own year.
    assert read_population(tmp_path / "US.h5").period == 2024


def test_the_block_size_of_the_writer_does_not_show(run, tmp_path, monkeypatch):
    whole = written(run, tmp_path, NATION).read_bytes()
    (tmp_path / "US.h5").unlink()
    monkeypatch.setattr(localcal.areas.write, "BLOCK_HOUSEHOLDS", 7)
    assert written(run, tmp_path, NATION).read_bytes() == whole


@pytest.mark.parametrize(
    ("area", "reason"),
    [
        (
            Area("district", "AL-07", "Alabama 7", "107", 1, ()),
            r"districts/AL-07: no column lies there at all \(district 107\); is it of another Cong",
        ),
        (
            Area("state", "TX", "Texas", "48", 48, ()),
            r"states/TX: no column lies there at all \(state 48\); give the run more clones",
        ),
        (
            Area("city", "HFD", "Hartford", "HFD", 9, ("09110", "09003")),
            "cities/HFD: no column lies in any of its counties, 09110, 09003 .09110 is Capitol Pl",
        ),
    ],
)
def test_an_area_where_nobody_lives_is_refused_with_the_reason(run, tmp_path, area, reason):
    with pytest.raises(InputError, match=reason):
        written(run, tmp_path, area)
    assert list(tmp_path.iterdir()) == []


def test_an_area_whose_columns_have_no_weight_is_refused_as_such(run, tmp_path):
    weights = np.load(run["weights"])
    here = find_columns(run["geography"], FIRST, np.ones(weights.size, dtype=bool))
    weights[here] = 0
    np.save(tmp_path / "weights.npy", weights)
    inputs = area_inputs(run, weights=tmp_path / "weights.npy", fit=tmp_path / "fit.json")
    inputs.fit.write_text(json.dumps({"digests": record(inputs.fitted())}))
    reason = f"AL-01: no household has a positive weight there, since all of its {here.size} col"
    with pytest.raises(InputError, match=reason):
        write_area(FIRST, inputs, tmp_path / "AL-01.h5")


def test_a_city_without_one_of_its_counties_is_written_with_a_warning(run, tmp_path, caplog):
    city = Area("city", "NYC", "New York", "NYC", 36, ("36001", "46113"))
    assert written(run, tmp_path, city).read_bytes()
    assert "NYC: no column lies in 46113, so the file is without these counties: 46113 is" in (
        caplog.text
    )
    assert "36001," not in caplog.text


@pytest.mark.parametrize("name", ["population", "geography", "frozen", "weights"])
def test_files_that_the_weights_were_not_fitted_to_are_refused(run, tmp_path, name):
    other = tmp_path / run[name].name
    other.write_bytes(run[name].read_bytes() + b"x")
    with pytest.raises(InputError, match=f"fit.json: made from another {name} than the run has"):
        write_area(NATION, area_inputs(run, **{name: other}), tmp_path / "US.h5")


def test_weights_of_another_length_are_refused(run, tmp_path):
    np.save(tmp_path / "short.npy", np.ones(100, np.float32))
    inputs = area_inputs(run, weights=tmp_path / "short.npy", fit=tmp_path / "fit.json")
    inputs.fit.write_text(json.dumps({"digests": record(inputs.fitted())}))
    with pytest.raises(InputError, match="has 240 columns, but the weights are 100;"):
        write_area(NATION, inputs, tmp_path / "US.h5")


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_weights_that_are_none_are_refused(run, tmp_path, value):
    """Comparing them with 0 would drop some in silence and keep others."""
    weights = np.load(run["weights"])
    weights[3] = value
    np.save(tmp_path / "weights.npy", weights)
    inputs = area_inputs(run, weights=tmp_path / "weights.npy", fit=tmp_path / "fit.json")
    inputs.fit.write_text(json.dumps({"digests": record(inputs.fitted())}))
    with pytest.raises(InputError, match=r"weights\.npy: damaged, weight 3 is .*; remove it"):
        write_area(NATION, inputs, tmp_path / "US.h5")


def test_an_area_file_says_what_it_was_made_from(run, tmp_path):
    with h5py.File(written(run, tmp_path, CITY)) as file:
        assert file.attrs["weights"] == sha256_file(run["weights"])
        assert file.attrs["area"] == "NYC"


def test_an_area_knows_its_columns(run):
    places = read_geography(run["geography"])
    everywhere = np.ones(len(places), dtype=bool)
    for area, inside in ((CITY, places.county == b"36001"), (FIRST, places.district == 101)):
        found = find_columns(run["geography"], area, everywhere)
        assert np.array_equal(found, np.flatnonzero(inside))


def test_a_couple_that_would_be_alone_in_its_file_is_refused(run, tmp_path):
    """The model would take its marriage for one that it made up."""
    population = read_population(run["population"])
    couple = np.bincount(population.household_of["marital_unit"]) == 1
    couple &= np.diff(population.starts["person"]) > 1
    places = read_geography(run["geography"])
    chosen = np.flatnonzero(couple[places.household] & (places.state == 1))[0]
    weights = np.zeros_like(np.load(run["weights"]))
    weights[chosen] = 1
    np.save(tmp_path / "weights.npy", weights)
    inputs = area_inputs(run, weights=tmp_path / "weights.npy", fit=tmp_path / "fit.json")
    inputs.fit.write_text(json.dumps({"digests": record(inputs.fitted())}))
    with pytest.raises(InputError, match="states/AL: one couple alone has a positive weight"):
        write_area(ALABAMA, inputs, tmp_path / "AL.h5")
    assert not (tmp_path / "AL.h5").exists()
