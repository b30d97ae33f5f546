"""What the model makes of an area file."""

import h5py
import numpy as np
import pytest

from localcal.population.dataset import read_population
from localcal.targets.evaluate import Evaluation
from localcal.targets.measures import distinct_measures
from localcal.targets.table import read_targets
from localcal.validation import simulate
from localcal.validation.simulate import simulate_area
from localcal.validation.totals import rows_of_area
from tests.areas_case import ALABAMA, FIRST, NATION, validated, written
from tests.standin_engine import StandIn


def test_a_district_s_totals_are_those_of_its_own_file(run, tmp_path):
    table = validated(run, tmp_path, FIRST, ALABAMA)
    population = read_population(tmp_path / "AL-01.h5")
    engine = StandIn()
    targets = read_targets(run["targets"])
    targets = targets.iloc[rows_of_area(FIRST, targets)]
    measures, of_target = distinct_measures(targets)
    evaluation = Evaluation(
        engine.load(tmp_path / "AL-01.h5", 2024), population, engine.variables()
    )
    weight = population.values["household_weight"].astype(float)
    own = {number: np.sum(values * weight) for number, values in evaluation.measure(measures)}
    # Medicaid too: its denominator is the state's, frozen, and not the district's.
    np.testing.assert_allclose(table["simulated"], [own[number] for number in of_target], rtol=1e-9)


def test_a_state_s_file_is_simulated_for_its_own_targets_and_its_districts(run, tmp_path):
    """Not for those of other states, of whom it holds nobody."""
    targets = read_targets(run["targets"])
    path = written(run, tmp_path, ALABAMA)
    simulate_area(ALABAMA, path, run["targets"], StandIn(), tmp_path / "totals.h5")
    with h5py.File(tmp_path / "totals.h5") as file:
        chosen = targets.iloc[file["row"][:]]
        assert file["row"].shape == file["total"].shape
    own = targets["geographic_id"].isin(["1", "101", "102", "103"])
    assert chosen["name"].tolist() == targets["name"][own].tolist()


@pytest.mark.parametrize("together", [7, 40])
def test_a_file_that_is_simulated_in_parts_has_the_same_totals(
    run, tmp_path, monkeypatch, together
):
    path = written(run, tmp_path, NATION)
    simulate_area(NATION, path, run["targets"], StandIn(), tmp_path / "whole.h5")
    loaded = []

    class Engine(StandIn):
        def load(self, path, period):
            states = read_population(path).values["state_fips"]
            loaded.append(states)
            return super().load(path, period)

    monkeypatch.setattr(simulate, "HOUSEHOLDS_TOGETHER", together)
    simulate_area(NATION, path, run["targets"], Engine(), tmp_path / "parts.h5")
    assert (tmp_path / "parts.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert len(loaded) > 2 and max(states.size for states in loaded) <= together
    # A few states at a time.
    first, second = (np.unique(states) for states in loaded[:2])
    assert first.max() <= second.min()
