"""What a household adds to an official total.

The one definition of a target's value; the matrix, validation and sweeps all call it. For one
unit of household weight:

- a count (`person_count`, `tax_unit_count`, ...) is the number of the household's units that
  have a member who satisfies every constraint; persons count themselves, a household counts once;
- any other variable is summed over the units that have such a member;
- a reform target is the change in income tax when its variable is neutralised, for households
  with such a member.

A constraint is asked of persons; a variable of a unit holds for all its members.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from localcal.database.constraints import Constraint, holds
from localcal.engine.protocol import Simulation, Variable
from localcal.errors import InputError
from localcal.population.population import PERSON, Population
from localcal.targets.measures import COUNTED, REFORM_MEASURE, Measure


class Evaluation:
    """Measures of one population in one simulation; whatever measures share is computed once."""

    def __init__(
        self,
        simulation: Simulation,
        population: Population,
        variables: Mapping[str, Variable],
    ) -> None:
        self._simulation = simulation
        self._population = population
        self._variables = variables
        self._values: dict[str, np.ndarray] = {}
        self._masks: dict[tuple[Constraint, ...], np.ndarray] = {}

    def measure(self, measures: Sequence[Measure]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield each measure's position and its value per household, (households,) float64.

        Reform measures come last and together by variable, so that only one reformed simulation
        is alive at a time.

        Raises:
            InputError: a variable is unknown, has no number to add up or is not finite.
        """
        plain = [number for number, measure in enumerate(measures) if not measure.reform_id]
        for number in plain:
            yield number, self._plain(measures[number])
        reformed = [number for number, measure in enumerate(measures) if measure.reform_id]
        for variable in dict.fromkeys(measures[number].variable for number in reformed):
            change = self._reform(variable)
            for number in reformed:
                if measures[number].variable == variable:
                    yield number, change * self.satisfied(measures[number].constraints, "household")

    def _plain(self, measure: Measure) -> np.ndarray:
        counted = COUNTED.get(measure.variable)
        if counted is not None:
            return self._by_household(
                counted, self.satisfied(measure.constraints, counted).astype(np.float64)
            )
        entity = self._entity(measure.variable)
        values = self._calculate(measure.variable)
        if values.dtype.kind not in "biuf":
            raise InputError(f"target on '{measure.variable}': it is text, which has no total")
        return self._by_household(
            entity, values.astype(np.float64) * self.satisfied(measure.constraints, entity)
        )

    def _reform(self, variable: str) -> np.ndarray:
        if variable not in self._variables:
            raise InputError(f"reform target on '{variable}': the model has no such variable")
        entity = self._entity(REFORM_MEASURE)
        reformed = self._simulation.neutralize(variable)
        after = self._by_household(entity, reformed.calculate(REFORM_MEASURE).astype(np.float64))
        reformed.close()
        before = self._calculate(REFORM_MEASURE).astype(np.float64)
        return after - self._by_household(entity, before)

    def _entity(self, variable: str) -> str:
        if variable not in self._variables:
            raise InputError(f"the model has no variable '{variable}'")
        return self._variables[variable].entity

    def _calculate(self, variable: str) -> np.ndarray:
        if variable not in self._values:
            self._values[variable] = self._simulation.calculate(variable)
        return self._values[variable]

    def _by_household(self, entity: str, values: np.ndarray) -> np.ndarray:
        return np.bincount(
            self._population.household_of[entity],
            weights=values,
            minlength=self._population.count("household"),
        )

    def satisfied(self, constraints: tuple[Constraint, ...], entity: str) -> np.ndarray:
        """Say of each unit whether a member satisfies all constraints, (units,) bool."""
        return self._population.with_any(entity, self._persons(constraints))

    def _persons(self, constraints: tuple[Constraint, ...]) -> np.ndarray:
        if constraints not in self._masks:
            mask = np.ones(self._population.count(PERSON), dtype=bool)
            for constraint in constraints:
                entity = self._entity(constraint.variable)
                satisfied = holds(constraint, self._calculate(constraint.variable))
                mask &= self._population.of_members(entity, satisfied)
            self._masks[constraints] = mask
        return self._masks[constraints]
