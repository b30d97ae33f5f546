"""Which units a take-up rate is about.

A published rate is one of somebody: of the old among those who are eligible for SSI, say. A unit's
base is found once, in the base population, so that it is the same for all its clones and however
the work is cut.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from localcal.clones.take_up import REMEDY, TakeUpRate, in_words
from localcal.engine.protocol import Engine, naming_households
from localcal.errors import InputError
from localcal.population.population import Population
from localcal.targets.evaluate import Evaluation


def with_members(
    population: Population, rates: Sequence[TakeUpRate], engine: Engine
) -> tuple[TakeUpRate, ...]:
    """Return the rates, each with the units that it is about.

    Args:
        population: the base households.
        rates: of all variables.
        engine: calculates what bases ask.

    Raises:
        InputError: who is of a base depends on who takes up; a unit is of two bases of one
            variable, or of none.
    """
    by_variable: defaultdict[str, list[TakeUpRate]] = defaultdict(list)
    for rate in rates:
        by_variable[rate.variable].append(rate)
    if not any(rate.base for rate in rates):
        return tuple(rates)
    with _evaluating(population, engine) as evaluation:
        found = [_of_variable(population, group, evaluation) for group in by_variable.values()]
    for group in found:
        _refuse_circular(population, group, engine)
    return tuple(rate for group in found for rate in group)


@contextlib.contextmanager
def _evaluating(population: Population, engine: Engine) -> Iterator[Evaluation]:
    with (
        contextlib.closing(engine.simulate(population)) as simulation,
        naming_households(population.ids["household"], "take_up.rates: a base"),
    ):
        yield Evaluation(simulation, population, engine.variables())


def _refuse_circular(population: Population, rates: Sequence[TakeUpRate], engine: Engine) -> None:
    """Refuse bases of a variable of which units are, or are not, because they take up.

    The model may name the variable somewhere on the way to what a base asks and still never make
    it depend on it, as it may name it on the way to a unit's income, which comes before filing.
    What counts is whether anybody changes when all take up, and when nobody does.
    """
    variable = rates[0].variable
    asked = {constraint.variable for rate in rates for constraint in rate.base}
    if not any(variable in engine.dependencies(name) for name in asked):
        return
    entity = rates[0].entity
    for taking in (False, True):
        everybody = np.full(population.count(entity), taking)
        alike = population.with_values(entity, {variable: everybody})
        with _evaluating(alike, engine) as evaluation:
            for rate in (rate for rate in rates if rate.base):
                changed = evaluation.satisfied(rate.base, entity) != rate.members
                if changed.any():
                    what = (
                        f"is of the base {in_words(rate.base)} or not, as it takes up or does not"
                    )
                    raise _refusal(population, rate, np.flatnonzero(changed), what)


def _of_variable(
    population: Population, rates: Sequence[TakeUpRate], evaluation: Evaluation
) -> list[TakeUpRate]:
    """Give each rate of a variable its units, and what is left over to the one without base."""
    if not any(rate.base for rate in rates):
        return list(rates)
    named = [rate for rate in rates if rate.base]
    members = np.array([evaluation.satisfied(rate.base, rate.entity) for rate in named])
    times = members.sum(axis=0)
    twice = np.flatnonzero(times > 1)
    if twice.size:
        both = [in_words(named[n].base) for n in np.flatnonzero(members[:, twice[0]])[:2]]
        raise _refusal(population, rates[0], twice, f"is of two bases, {both[0]} and {both[1]}")
    rest = times == 0
    plain = [rate for rate in rates if not rate.base]
    if not plain and rest.any():
        raise _refusal(
            population,
            rates[0],
            np.flatnonzero(rest),
            "is of no base; add a row without one for all others",
        )
    kept = [replace(rate, members=of_base) for rate, of_base in zip(named, members, strict=True)]
    return [*(replace(rate, members=rest) for rate in plain), *kept]


def _refusal(population: Population, rate: TakeUpRate, units: np.ndarray, what: str) -> InputError:
    household = population.ids["household"][population.household_of[rate.entity][units[0]]]
    return InputError(
        f"take_up.rates: {rate.variable}: a {rate.entity} of household {household} {what} "
        f"({units.size} in all); {REMEDY}"
    )
