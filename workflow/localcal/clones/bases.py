"""Which units a take-up rate is about.

A published rate is one of somebody: of the old among those who are eligible for SSI, say. A unit's
base is found once, in the base population, so that it is the same for all its clones and however
the work is cut.
"""

import contextlib
from collections import defaultdict
from collections.abc import Sequence
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
        InputError: a base depends on who takes up; a unit is of two bases of one variable, or of
            none.
    """
    by_variable: defaultdict[str, list[TakeUpRate]] = defaultdict(list)
    for rate in rates:
        by_variable[rate.variable].append(rate)
        _refuse_circular(rate, engine)
    if not any(rate.base for rate in rates):
        return tuple(rates)
    with contextlib.closing(engine.simulate(population)) as simulation:
        evaluation = Evaluation(simulation, population, engine.variables())
        with naming_households(population.ids["household"], "take_up.rates: a base"):
            found = [_of_variable(population, group, evaluation) for group in by_variable.values()]
    return tuple(rate for group in found for rate in group)


def _refuse_circular(rate: TakeUpRate, engine: Engine) -> None:
    for constraint in rate.base:
        if rate.variable in engine.dependencies(constraint.variable):
            raise InputError(
                f"take_up.rates: {rate.variable} has the base {in_words(rate.base)}, but "
                f"{constraint.variable} may be calculated from it; {REMEDY}"
            )


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
