"""One chunk of the matrix."""

import numpy as np
import pytest

from localcal.clones.locate import locate
from localcal.engine.protocol import CalculationError
from localcal.errors import InputError
from localcal.files.csr import open_csr
from localcal.geography.geography import take_columns
from localcal.matrix.chunk import build_chunk
from localcal.matrix.plan import MatrixInputs, write_plan
from localcal.population.dataset import read_population, write_population
from localcal.targets.evaluate import Evaluation
from localcal.targets.measures import distinct_measures
from tests.matrix_case import build
from tests.standin_engine import StandIn, StandInSimulation


def test_an_entry_is_its_clone_s_value_where_the_place_matches(tmp_path, inputs):
    """One column at a time, simulated alone, against the whole matrix."""
    from localcal.clones.frozen import read_frozen
    from localcal.geography.geography import read_geography
    from localcal.targets.table import read_targets

    matrix = open_csr(build(tmp_path / "m", inputs, 64)).matrix().toarray()
    targets = read_targets(inputs["targets"])
    places = read_geography(inputs["geography"])
    population, frozen = read_population(inputs["population"]), read_frozen(inputs["frozen"])
    engine = StandIn()
    measures, of_target = distinct_measures(targets)
    for column in range(0, 210, 17):
        place = take_columns(places, np.array([column]))
        clone = locate(population, place, frozen, np.ones(1))
        evaluation = Evaluation(engine.simulate(clone), clone, engine.variables())
        values = {number: value[0] for number, value in evaluation.measure(measures)}
        for row, target in enumerate(targets.itertuples()):
            here = {
                "nation": "US",
                "state": str(places.state[column]),
                "district": str(places.district[column]),
            }[target.geo_level]
            expected = values[of_target[row]] if here == target.geographic_id else 0.0
            assert matrix[row, column] == np.float32(expected)


def test_a_chunk_refuses_inputs_it_was_not_planned_for(tmp_path, inputs):
    write_plan(tmp_path / "plan.json", MatrixInputs(**inputs), 210, 50)
    inputs["frozen"].write_bytes(inputs["frozen"].read_bytes() + b"x")
    with pytest.raises(
        InputError,
        match=r"plan\.json: made from another frozen .*; remove whichever of it and .*frozen",
    ):
        build_chunk(
            0, tmp_path / "plan.json", MatrixInputs(**inputs), StandIn(), tmp_path / "shard.h5"
        )
    assert not (tmp_path / "shard.h5").exists()


class Complaining(StandInSimulation):
    """Has no SNAP for somebody who earns a certain amount."""

    def calculate(self, variable):
        if variable == "snap":
            odd = np.flatnonzero(self._population.values["employment_income"] == 98_765)
            if odd.size:
                household = self._population.household_of["person"][odd[0]]
                raise CalculationError("'snap' is not finite", int(household))
        return super().calculate(variable)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_what_the_model_cannot_calculate_names_the_base_household(
    tmp_path, inputs, monkeypatch, share
):
    """Whether a clone is simulated from scratch or by its representative."""
    monkeypatch.setattr("localcal.matrix.alike.LARGEST_SHARE", share)
    monkeypatch.setattr("localcal.matrix.alike.FULLY_SIMULATED", 40)
    population = read_population(inputs["population"])
    population.values["employment_income"][population.membership["household"] == 17] = 98_765
    write_population(inputs["population"], population)
    write_plan(tmp_path / "plan.json", MatrixInputs(**inputs), 210, 210)
    engine = StandIn()
    engine.simulate = lambda *arguments: Complaining(
        engine, arguments[0], frozenset(), *arguments[1:]
    )
    message = f"'snap' is not finite, first in household {population.ids['household'][17]}; "
    with pytest.raises(InputError, match=message):
        build_chunk(
            0, tmp_path / "plan.json", MatrixInputs(**inputs), engine, tmp_path / "shard.h5"
        )
