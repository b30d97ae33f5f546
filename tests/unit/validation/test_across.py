"""Files that speak of one place beside each other, on the stand-in model."""

import h5py
import numpy as np
import pytest

from localcal.errors import InputError
from localcal.population.dataset import read_population
from localcal.targets.table import read_targets
from localcal.validation.across import Comparisons, compare_districts, compare_states
from localcal.validation.simulate import simulate_area
from localcal.validation.totals import rows_of_area
from tests.areas_case import ALABAMA, FIRST, NATION, written
from tests.standin_engine import StandIn


class ByPosition(StandIn):
    """A model that looks at who else is there, as one that hashes positions would."""

    def load(self, path, period):
        simulation = super().load(path, period)
        calculate = simulation.calculate

        def shifted(variable):
            values = calculate(variable)
            return values + np.arange(values.size) if variable == "snap" else values

        simulation.calculate = shifted
        return simulation


@pytest.fixture
def files(run, tmp_path):
    """The files of a comparison, simulated by the stand-in model."""
    return simulated(run, tmp_path, StandIn())


def simulated(run, folder, engine):
    for area in (NATION, ALABAMA, FIRST):
        file = written(run, folder, area)
        simulate_area(area, file, run["targets"], engine, folder / f"{area.area}.totals.h5")
    totals = {area: folder / f"{area.area}.totals.h5" for area in (NATION, ALABAMA, FIRST)}
    return Comparisons(
        districts={FIRST: (folder / "AL-01.h5", totals[FIRST], totals[ALABAMA])},
        nation=totals[NATION],
        states={ALABAMA: totals[ALABAMA]},
        targets=run["targets"],
    )


def test_a_district_by_itself_is_what_it_is_inside_its_state(run, files):
    """Its own targets and its state's, of which it holds a part."""
    targets = read_targets(run["targets"])
    table = compare_districts(files, targets)
    rows = [*rows_of_area(FIRST, targets), *rows_of_area(ALABAMA, targets)]
    assert table["name"].tolist() == targets["name"].iloc[rows].tolist()
    assert (table["own_file"] != 0).sum() > 20
    np.testing.assert_allclose(table["own_file"], table["state_file"], rtol=1e-9)


def test_a_model_that_looks_at_who_else_is_there_is_noticed(run, tmp_path):
    files = simulated(run, tmp_path, ByPosition())
    with pytest.raises(InputError, match=r"AL-01\.totals\.h5: .*snap.* comes to .* when AL-01's"):
        compare_districts(files, read_targets(run["targets"]))


def test_a_value_that_only_the_district_s_file_has_is_noticed(run, files, tmp_path):
    file = tmp_path / "AL-01.h5"
    with h5py.File(file, "r+") as content:
        content["employment_income/2024"][3] += 50_000
    simulate_area(FIRST, file, run["targets"], StandIn(), tmp_path / "AL-01.totals.h5")
    with pytest.raises(InputError, match=r"by itself, but to .* inside its state's, .*AL\.totals"):
        compare_districts(files, read_targets(run["targets"]))


def test_rounding_is_no_difference(run, files, tmp_path):
    with h5py.File(tmp_path / "AL-01.totals.h5", "r+") as content:
        content["total"][:] *= 1 + 1e-8
    compare_districts(files, read_targets(run["targets"]))


def test_a_district_s_totals_of_another_file_are_refused(run, files, tmp_path):
    with h5py.File(tmp_path / "AL-01.h5", "r+") as content:
        content.attrs["note"] = "changed"
    with pytest.raises(InputError, match=r"AL-01\.totals\.h5: made from another area"):
        compare_districts(files, read_targets(run["targets"]))


def test_the_national_file_and_a_state_s_are_set_beside_each_other(run, files, tmp_path):
    targets = read_targets(run["targets"])
    # As if the nation had weights of another fit.
    with h5py.File(tmp_path / "US.h5", "r+") as content:
        content["household_weight/2024"][:] *= 0.96
    simulate_area(NATION, tmp_path / "US.h5", run["targets"], StandIn(), tmp_path / "US.totals.h5")
    table = compare_states(files, targets).set_index("name")
    state = read_population(tmp_path / "AL.h5")
    weight = state.values["household_weight"].astype(float)
    assert table.loc["households", "state_file"] == pytest.approx(weight.sum())
    persons = np.diff(state.starts["person"])
    assert table.loc["persons", "state_file"] == pytest.approx(np.sum(weight * persons))
    for size in ("households", "persons"):
        assert table.loc[size, "rel_difference"] == pytest.approx(-0.04, rel=1e-5)
    rows = rows_of_area(ALABAMA, targets)
    assert table.index.tolist()[2:] == targets["name"].iloc[rows].tolist()
    assert table["target_value"].tolist()[2:] == targets["value"].iloc[rows].tolist()
    counted = table.index.str.contains("count")
    assert counted.any()
    assert table["rel_difference"][counted].to_numpy() == pytest.approx(-0.04, rel=1e-5)


def test_without_a_national_file_or_a_sample_there_is_nothing_to_compare(run):
    files = Comparisons({}, None, {}, run["targets"])
    targets = read_targets(run["targets"])
    assert compare_states(files, targets).empty and compare_districts(files, targets).empty
