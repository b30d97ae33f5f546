"""What a household adds to a target, against a plain statement of the same."""

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.population.population import GROUPS
from localcal.targets.evaluate import Evaluation
from localcal.targets.measures import distinct_measures
from tests.households import MEASURES, as_targets, random_population
from tests.oracle import household_value
from tests.standin_engine import StandIn


def evaluated(population, measures):
    engine = StandIn()
    found, of_target = distinct_measures(as_targets(measures))
    evaluation = Evaluation(engine.simulate(population), population, engine.variables())
    values = dict(evaluation.measure(found))
    return [values[number] for number in of_target]


def plainly(population, variable, reform_id, constraints):
    engine = StandIn()
    simulation = engine.simulate(population)
    entity_of = {name: known.entity for name, known in engine.variables().items()}
    result = []
    for household in range(population.count("household")):
        persons = np.flatnonzero(population.membership["household"] == household)
        first = {group: population.starts[group][household] for group in GROUPS}
        first["person"] = population.starts["person"][household]

        def value_of(name, unit, first=first):
            return simulation.calculate(name)[first[entity_of[name]] + unit].item()

        def change(name, first=first, household=household):
            units = range(
                population.starts["tax_unit"][household],
                population.starts["tax_unit"][household + 1],
            )
            after = simulation.neutralize(name).calculate("income_tax")
            before = simulation.calculate("income_tax")
            return sum(float(after[unit]) - float(before[unit]) for unit in units)

        result.append(
            household_value(
                variable,
                constraints,
                persons.size,
                {g: list(population.membership[g][persons] - first[g]) for g in GROUPS},
                entity_of.get,
                value_of,
                change if reform_id else None,
            )
        )
    return np.array(result)


@pytest.mark.parametrize("measure", MEASURES, ids=str)
def test_every_kind_of_target_means_what_the_plain_statement_says(measure):
    population = random_population(60, seed=11)
    (ours,) = evaluated(population, [measure])
    theirs = plainly(population, *measure)
    assert np.count_nonzero(theirs) > 2
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-6)


def test_only_one_reformed_population_is_alive_at_a_time():
    population = random_population(5, seed=12)
    engine = StandIn()
    alive = []

    class Counted(type(engine.simulate(population))):
        def neutralize(self, variable):
            reformed = super().neutralize(variable)
            alive.append(variable)
            reformed.close = lambda: alive.remove(variable)
            return reformed

    measures, _ = distinct_measures(as_targets([m for m in MEASURES if m[1]] * 2))
    evaluation = Evaluation(Counted(engine, population), population, engine.variables())
    most = max(len(alive) for _ in evaluation.measure(measures))
    assert most == 0


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (("no_such", 0, []), "no variable 'no_such'"),
        (("person_count", 0, [("no_such", ">", "1")]), "no variable 'no_such'"),
        (("tenure_type", 0, []), "which has no total"),
        (("no_such", 3, []), "reform target on 'no_such'"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_by_name(measure, message):
    with pytest.raises(InputError, match=message):
        evaluated(random_population(3, seed=13), [measure])
