"""Who takes up a benefit: frozen rates and draws that depend on nothing but their keys."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from localcal.database.constraints import Constraint, check_constraints, constraints_in
from localcal.engine.protocol import Variable
from localcal.errors import InputError, near, one_of
from localcal.files.rows import read_rows
from localcal.geography.codes import STATE_CODES, STATES
from localcal.population.draws import keyed_uniform
from localcal.population.population import PERSON, Population
from localcal.targets.comparison import check_comparison

logger = logging.getLogger(__name__)

COLUMNS = ("variable", "entity", "state", "rate", "reported", "source")
# A column that a table may have: which units a rate is about.
BASE = "base"
# The table is the user's, of which a run keeps a copy.
REMEDY = "correct take_up.rates, or remove this file if it is a run's damaged copy"


@dataclass(frozen=True)
class TakeUpRate:
    """The rate at which the units of an entity take up one benefit.

    Attributes:
        variable: the model's take-up variable.
        entity: whose variable it is.
        rate: (STATE_CODES,) float64, the share of units that take up among those of the base that
            do not report the benefit, by state FIPS code.
        reported: the person variable whose reporters always take up, '' if there is none.
        base: what somebody in a unit must satisfy for the rate to be about it; where there is
            nothing, it is about all units that no other rate of the variable is about.
        members: (units,) whether each unit of the base population is of the base; nothing stands
            for all of them.
    """

    variable: str
    entity: str
    rate: np.ndarray
    reported: str = ""
    base: tuple[Constraint, ...] = ()
    members: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=bool))


def read_rates(
    path: Path, variables: Mapping[str, Variable], states: np.ndarray
) -> tuple[TakeUpRate, ...]:
    """Read the table of take-up rates.

    Args:
        path: a table with the columns of `COLUMNS` and perhaps `BASE`; a row with an empty state
            holds for every state that has no row of its own.
        variables: the model's.
        states: FIPS codes of the states that need a rate.

    Raises:
        InputError: a column, a variable, a state or a rate is wrong, or a state has no rate.
    """
    rows = list(read_rows(path, COLUMNS, remedy=REMEDY))
    if not rows:
        raise InputError(f"{path}: holds no rate; {REMEDY}")
    rates: dict[tuple[str, tuple[Constraint, ...]], TakeUpRate] = {}
    given: dict[tuple, str] = {}
    for line, row in sorted(rows, key=lambda item: item[1]["state"] != ""):
        name = row["variable"]
        _check_variable(line, row, variables)
        base = _base(line, row.get(BASE, ""), variables)
        rate = rates.setdefault(
            (name, base),
            TakeUpRate(name, row["entity"], np.full(STATE_CODES, np.nan), row["reported"], base),
        )
        if row["reported"] != rate.reported:
            raise InputError(
                f"{line}: {name} is anchored to '{row['reported']}', but to '{rate.reported}' in "
                f"another row; {REMEDY}"
            )
        state = _state(line, row["state"])
        if before := given.get((name, base, state)):
            where = f"state {state}" if state else "every other state"
            raise InputError(f"{line}: {name} has a rate for {where} already ({before}); {REMEDY}")
        given[name, base, state] = line
        rate.rate[slice(None) if state is None else state] = _share(line, row["rate"])
    for (name, base), rate in rates.items():
        lacking = states[np.isnan(rate.rate[states])]
        if lacking.size:
            among = f" among {in_words(base)}" if base else ""
            raise InputError(f"{path}: {name} has no rate for state {lacking[0]}{among}; {REMEDY}")
    return tuple(rates[key] for key in sorted(rates))


def in_words(base: Iterable[Constraint]) -> str:
    """Return a base as tables write it."""
    return ";".join(map(str, base))


def _base(line: str, text: str, variables: Mapping[str, Variable]) -> tuple[Constraint, ...]:
    try:
        base = tuple(sorted(constraints_in(line, text)))
        check_constraints(line, base)
        for constraint in base:
            check_comparison(constraint, variables)
    except InputError as error:
        found = str(error).removeprefix(f"{line}: ")
        raise InputError(f"{line}: base: {found}; {REMEDY}") from error
    return base


def _check_variable(line: str, row: Mapping[str, str], variables: Mapping[str, Variable]) -> None:
    known = variables.get(row["variable"])
    choices = [name for name, variable in variables.items() if variable.is_take_up]
    if known is None or not known.is_take_up:
        raise InputError(
            f"{line}: the model has no take-up variable '{row['variable']}', only "
            f"{one_of(row['variable'], choices)}; {REMEDY}"
        )
    if known.entity != row["entity"]:
        raise InputError(
            f"{line}: {known.name} belongs to a {known.entity}, not {row['entity']}; {REMEDY}"
        )
    if not row["reported"]:
        return
    reported = variables.get(row["reported"])
    if reported is None:
        raise InputError(
            f"{line}: the model has no variable '{row['reported']}' (reported)"
            f"{near(row['reported'], variables)}; {REMEDY}"
        )
    if reported.entity != PERSON or reported.kind not in ("bool", "int", "float"):
        raise InputError(
            f"{line}: {reported.name} (reported) is {reported.kind} of a {reported.entity}, but "
            "has to be a person's variable that is true or above 0 for who reports the benefit; "
            f"{REMEDY}"
        )


def _state(line: str, text: str) -> int | None:
    """Return the state's code, None for every state that has no row of its own."""
    if not text:
        return None
    if not text.isdecimal() or int(text) not in STATES:
        raise InputError(f"{line}: state '{text}' is not a state's FIPS code, such as 6; {REMEDY}")
    return int(text)


def _share(line: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError as error:
        raise InputError(f"{line}: '{text}' is not a number; {REMEDY}") from error
    if not 0.0 <= share <= 1.0:
        raise InputError(f"{line}: the rate {text} is not between 0 and 1; {REMEDY}")
    return share


def anchored_to(population: Population, rate: TakeUpRate) -> TakeUpRate:
    """Return the rate for units that do not report the benefit in the base population."""
    if not rate.reported:
        return rate
    if rate.reported not in population.values:
        logger.warning(
            "%s: nobody always takes up, since the population lacks %s",
            rate.variable,
            rate.reported,
        )
        return replace(rate, reported="")
    weight = population.values["household_weight"].astype(np.float64)
    unit_weight = weight[population.household_of[rate.entity]]
    if rate.members.size:
        unit_weight = unit_weight * rate.members
    total = np.sum(unit_weight)
    share = float(np.sum(unit_weight * reports(population, rate)) / total) if total > 0 else 0.0
    return replace(rate, rate=anchored_rate(rate.rate, share))


def anchored_rate(rate: np.ndarray, share_reported: float) -> np.ndarray:
    """Return the rate for units that report nothing, so that all units together reach `rate`.

    Args:
        rate: take-up rates of all units, any shape.
        share_reported: the weighted share of units that report the benefit.
    """
    if share_reported >= 1.0:
        return np.zeros_like(rate)
    return np.clip((rate - share_reported) / (1.0 - share_reported), 0.0, 1.0)


def reports(population: Population, rate: TakeUpRate) -> np.ndarray:
    """Say of each unit of the rate's entity whether a member reports the benefit, (units,) bool."""
    reporting = np.asarray(population.values[rate.reported]) > 0
    return population.with_any(rate.entity, reporting)


def takes_up(
    population: Population,
    rate: TakeUpRate,
    household_id: np.ndarray,
    clone: np.ndarray,
    state: np.ndarray,
    seed: int,
    first: np.ndarray,
) -> np.ndarray:
    """Return whether each unit of the rate's base takes up, (units,) bool; false outside of it.

    Args:
        population: the clones.
        rate: of the benefit.
        household_id, clone, state: (households,) the id in the base population, the number of
            the clone, the state's FIPS code.
        seed: the run's.
        first: (households,) which of the base population's units is the household's first.
    """
    household = population.household_of[rate.entity]
    within = np.arange(household.size) - population.starts[rate.entity][household]
    draw = keyed_uniform(seed, rate.variable, household_id[household], clone[household], within)
    taking = draw < rate.rate[state[household]]
    if rate.reported:
        taking |= reports(population, rate)
    return taking & rate.members[first[household] + within] if rate.members.size else taking
