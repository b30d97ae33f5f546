"""What an outcome is made from: values with and without a reform, and whom they belong to."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from localcal.engine.protocol import Simulation, Variable
from localcal.population.population import PERSON, Population

HOUSEHOLD = "household"

# By how much of a decile a sum of many weights may be wrong.
ROUNDING = 1e-9


def for_reading(array: np.ndarray) -> np.ndarray:
    """Return a view of an array through which nobody can change it."""
    view = array.view()
    view.flags.writeable = False
    return view


def all_for_reading(arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Return arrays by name of which nobody can change one, or put another in its place."""
    return MappingProxyType({name: for_reading(array) for name, array in arrays.items()})


class Row(NamedTuple):
    """What an outcome function says: a value with the reform and without it.

    Attributes:
        group: what part of the population or of the outcome it is about; '' for all of it.
        value: with the reform, one number or one per weight vector, (vectors,).
        baseline: the same without the reform.
    """

    group: str
    value: np.ndarray | float
    baseline: np.ndarray | float


class Values(Mapping[str, np.ndarray]):
    """Values of variables in one simulation, each calculated when it is asked for and then kept.

    Each has one value per unit of its entity, as float64; a boolean is 0 or 1.
    """

    def __init__(self, names: Collection[str], get: Callable[[str], np.ndarray]) -> None:
        self._names = sorted(set(names))
        self._get = get
        self._known: dict[str, np.ndarray] = {}

    @classmethod
    def calculated(cls, simulation: Simulation, names: Collection[str]) -> "Values":
        """Return what a simulation, which has to stay open, calculates."""
        return cls(names, lambda name: np.asarray(simulation.calculate(name), dtype=np.float64))

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._known:
            self._known[name] = for_reading(self._get(name))
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True)
class Units:
    """The units of some households.

    Attributes:
        household_of: entity to the position of each unit's household, (units,) int64.
        persons: entity to the number of persons in each unit, (units,) float64.
        entity_of: variable to its entity.
    """

    household_of: Mapping[str, np.ndarray]
    persons: Mapping[str, np.ndarray]
    entity_of: Mapping[str, str]

    @classmethod
    def of(cls, population: Population, variables: Mapping[str, Variable]) -> "Units":
        """Return the units of a population."""
        persons = {
            entity: np.bincount(unit, minlength=population.count(entity)).astype(np.float64)
            for entity, unit in population.membership.items()
        }
        persons[PERSON] = np.ones(population.count(PERSON))
        entity_of = {name: variable.entity for name, variable in variables.items()}
        return cls(all_for_reading(population.household_of), all_for_reading(persons), entity_of)

    @cached_property
    def households(self) -> int:
        return self.persons[HOUSEHOLD].size

    def within(self, chosen: np.ndarray) -> tuple["Units", dict[str, np.ndarray]]:
        """Return the units of some households, and where they are among all.

        Args:
            chosen: (households,) bool.
        """
        position = np.cumsum(chosen) - 1
        of = {entity: np.flatnonzero(chosen[home]) for entity, home in self.household_of.items()}
        household_of = {entity: position[self.household_of[entity][of[entity]]] for entity in of}
        persons = {entity: self.persons[entity][of[entity]] for entity in of}
        return Units(household_of, persons, self.entity_of), of


def weighted_sum(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the sum of values times each weight vector, (vectors,).

    numpy's own sum, not linear algebra's: that adds in an order which the processor and the number
    of threads decide, so that the last digit would depend on the machine.

    Args:
        values: (units,).
        weights: (units, vectors).
    """
    # A row of the product per vector, which is added by itself however many there are.
    total: np.ndarray = np.multiply(values, weights.T, order="C").sum(axis=1)
    return total


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean of values by each weight vector, (vectors,); NaN where all weigh nothing."""
    return weighted_sum(values, weights) / weighted_sum(np.ones(len(values)), weights)


@dataclass(frozen=True)
class Context:
    """A simulation under a reform beside one without it, of the same weighted households.

    All outcomes are given the same arrays, so none of them can change one.

    Attributes:
        units: whose units they are.
        reformed: variable to its values under the reform, (units,) float64.
        baseline: the same without it.
        weights: of each household, one column per weight vector, (households, vectors) float64;
            one vector may be given as (households,).
        state: what each household's state is called, (households,) of text.
        whole: the context that this one is a part of, and which of its households are in it.
    """

    units: Units
    reformed: Mapping[str, np.ndarray]
    baseline: Mapping[str, np.ndarray]
    weights: np.ndarray
    state: np.ndarray
    whole: "tuple[Context, np.ndarray] | None" = None

    def __post_init__(self) -> None:
        if self.weights.ndim == 1:
            object.__setattr__(self, "weights", self.weights[:, np.newaxis])
        for name in ("weights", "state"):
            object.__setattr__(self, name, for_reading(getattr(self, name)))
        for name in ("reformed", "baseline"):
            values = getattr(self, name)
            if not isinstance(values, Values):
                object.__setattr__(self, name, all_for_reading(values))
        assert self.weights.shape[0] == self.state.size == self.units.households

    @property
    def sides(self) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
        """Return the values with the reform and those without it."""
        return self.reformed, self.baseline

    def unit_weights(self, entity: str) -> np.ndarray:
        """Return the weight of each unit, which is its household's, (units, vectors)."""
        return self.weights[self.units.household_of[entity]]

    def person_weights(self, entity: str) -> np.ndarray:
        """Return how many persons each unit stands for, (units, vectors)."""
        return self.unit_weights(entity) * self.units.persons[entity][:, np.newaxis]

    def total(self, values: Mapping[str, np.ndarray], variable: str) -> np.ndarray:
        """Return the weighted sum of a variable of one side over its units, (vectors,)."""
        return weighted_sum(self.of_households(values, variable), self.weights)

    def of_households(self, values: Mapping[str, np.ndarray], variable: str) -> np.ndarray:
        """Return what a variable of one side comes to in each household, (households,)."""
        household = self.units.household_of[self.units.entity_of[variable]]
        return np.bincount(household, weights=values[variable], minlength=self.units.households)

    def equivalised(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return each household's net income over the square root of its size, (households,).

        Source: OECD, "What are equivalence scales?" (the square root scale).
        """
        income = self.of_households(values, "household_net_income")
        return income / np.sqrt(self.units.persons[HOUSEHOLD])

    @cached_property
    def decile(self) -> np.ndarray:
        """Return each household's decile of equivalised baseline income, (households, vectors).

        From 1 to 10, each with a tenth of the persons of the whole area, also where this context
        is a part of it: a household is in the decile in which the last of its persons stands when
        all stand in the order of income.
        """
        if self.whole is not None:
            context, chosen = self.whole
            return context.decile[chosen]
        order = np.argsort(self.equivalised(self.baseline), kind="stable")
        reached = np.cumsum(self.person_weights(HOUSEHOLD)[order], axis=0)
        decile = np.empty(reached.shape, dtype=np.int64)
        with np.errstate(invalid="ignore"):
            # A sum of rounded weights may say of a whole number that it is a little more.
            share = np.nan_to_num(10 * reached / reached[-1:])
        decile[order] = np.clip(np.ceil(share - ROUNDING), 1, 10)
        return for_reading(decile)

    def within(self, state: str) -> "Context":
        """Return the context of one state's households."""
        chosen = self.state == state
        units, of = self.units.within(chosen)

        def some(values: Mapping[str, np.ndarray]) -> Values:
            return Values(values, lambda name: values[name][of[units.entity_of[name]]])

        reformed, baseline = map(some, self.sides)
        weights, label = self.weights[chosen], self.state[chosen]
        return Context(units, reformed, baseline, weights, label, (self, chosen))
