"""What is fixed once per run, so that no value depends on how the work is cut.

Two things would otherwise depend on who happens to be simulated together: take-up rates that are
anchored to reported receipt, and model variables that look at the whole population (in
policyengine-us 2.68 the denominators that spread a state's Medicaid spending over its enrollees).
Both are computed here for the whole run and given to every chunk and every area file.

Area files are also run for later years, in which the model would look at the file as if it were the
whole population. So what is frozen is followed into these years.
"""

import contextlib
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from localcal.clones.check import check_places, refuse_unusable_units, warn_of_absent_districts
from localcal.clones.frozen import Frozen, write_frozen
from localcal.clones.locate import locate
from localcal.clones.take_up import TakeUpRate, anchored_to, read_rates
from localcal.engine.protocol import CalculationError, Engine
from localcal.errors import InputError
from localcal.geography.codes import STATE_CODES
from localcal.geography.geography import Geography, read_geography, take_columns
from localcal.population.dataset import LATER_YEARS, read_population
from localcal.population.population import Population
from localcal.targets.measures import distinct_measures, needed_variables
from localcal.targets.table import read_targets

logger = logging.getLogger(__name__)


# Columns per state that stand for its population when a sum over it is frozen.
COLUMNS_PER_STATE = 200

# Columns per state by which it is measured how such a sum grows, and after how many years: what is
# legislated changes within the next few, and then the model but uprates, so the years between lie
# between (within 1 % for Medicaid's sums). Of 20 columns, a household that starts or stops to count
# moved California's enrolment by a fifth; of 100 and 200 its growth in a year differs by 2 %.
COLUMNS_PER_STATE_LATER = 100
FOLLOWED = (1, 2, 3, LATER_YEARS)

# How much faster or slower than the nation's a state's sum may grow: of so few households, one
# that starts or stops to count can make more of a difference than the state has.
LARGEST_DEVIATION = 1.5


@dataclass(frozen=True)
class FreezeInputs:
    """The files that are read to freeze a run's values."""

    population: Path
    geography: Path
    targets: Path
    rates: Path | None
    """The table of take-up rates, None when take-up is switched off."""


def freeze_from_files(inputs: FreezeInputs, seed: int, engine: Engine, path: Path) -> None:
    """Write what is frozen for a run whose population, geography and targets are files.

    Raises:
        InputError: see `freeze_values`.
    """
    targets = read_targets(inputs.targets)
    measures, _ = distinct_measures(targets)
    geography = read_geography(inputs.geography)
    warn_of_absent_districts(targets, geography)
    frozen = freeze_values(
        population=read_population(inputs.population),
        geography=geography,
        needed=needed_variables(measures),
        rates=inputs.rates,
        seed=seed,
        engine=engine,
    )
    write_frozen(path, frozen)


def freeze_values(
    population: Population,
    geography: Geography,
    needed: Collection[str],
    rates: Path | None,
    seed: int,
    engine: Engine,
) -> Frozen:
    """Compute what is frozen for a run.

    Args:
        population: the base households.
        geography: the place of every column.
        needed: the variables that targets and their constraints use.
        rates: the table of take-up rates, None when take-up is switched off.
        seed: the run's.
        engine: the model.

    Raises:
        InputError: a place or a rate is wrong, or a target needs a variable that cannot be frozen
            or calculated for everybody.
    """
    check_places(population, geography, engine)
    refuse_unusable_units(population, needed, engine)
    take_up: tuple[TakeUpRate, ...] = ()
    if rates is not None:
        table = read_rates(rates, engine.variables(), np.unique(geography.state))
        take_up = tuple(anchored_to(population, rate) for rate in table)
    frozen = Frozen(take_up, {}, {}, seed)
    kinds = engine.population_wide()
    ranks = {name: "it ranks the population" for name, kind in kinds.items() if kind == "rank"}
    _refuse_unusable(needed, ranks, engine)
    sums = sorted(kinds.keys() - ranks.keys())
    if not sums:
        return frozen
    values = _values_by_state(population, geography, frozen, sums, engine)
    unusable = {name: reason for name, (_, reason) in values.items() if reason}
    _refuse_unusable(needed, unusable, engine)
    for name, reason in sorted(unusable.items()):
        logger.warning("%s is not frozen: %s; no target needs it", name, reason)
    usable = {name: by_state for name, (by_state, reason) in values.items() if not reason}
    entity = {name: engine.variables()[name].entity for name in usable}
    later = _followed(population, geography, Frozen(take_up, {}, {}, seed), usable, engine)
    return Frozen(take_up, usable, entity, seed, later)


def _followed(
    population: Population,
    geography: Geography,
    frozen: Frozen,
    sums: Mapping[str, np.ndarray],
    engine: Engine,
) -> dict[str, dict[int, np.ndarray]]:
    """Return what sums by state come to in each of the years after the run's.

    A sum grows as that of some of its columns does when the model takes them into the later year.
    Where the model cannot, the years before are what the run's files hold for.
    """
    if not sums:
        return {}
    columns, weight = _columns_by_state(geography, COLUMNS_PER_STATE_LATER)
    logger.info("following %s into later years over %d columns", ", ".join(sums), columns.size)
    places = take_columns(geography, columns)
    located = locate(population, places, frozen, weight)
    first = {}
    for name in sums:
        state = places.state[located.household_of[engine.variables()[name].entity]]
        first[name] = np.unique(state, return_index=True)

    def sums_in(year: int) -> dict[str, np.ndarray]:
        # Of its own, since a simulation keeps every year that it has calculated.
        with contextlib.closing(engine.simulate(located)) as simulation:
            values = {name: simulation.calculate(name, year) for name in sums}
        return {name: values[name][units] for name, (_, units) in first.items()}

    start = population.period
    before = sums_in(start)
    result: dict[str, dict[int, np.ndarray]] = {name: {} for name in sums}
    last, latest = 0, dict(sums)
    for ahead in FOLLOWED:
        try:
            after = sums_in(start + ahead)
        except CalculationError as error:
            logger.warning("area files will hold for the years to %d only: %s", start + last, error)
            break
        for name, (states, _) in first.items():
            by_state = np.zeros_like(sums[name])
            by_state[states] = sums[name][states] * _growth(before[name], after[name])
            for year in range(last + 1, ahead + 1):
                share = (year - last) / (ahead - last)
                between = latest[name] + share * (by_state - latest[name])
                result[name][start + year] = between.astype(by_state.dtype)
            latest[name] = by_state
        last = ahead
    return result


def _growth(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return by how much the sums of some states grew, (states,)."""
    whole = before.sum(dtype=np.float64)
    nation = after.sum(dtype=np.float64) / whole if whole else 1.0
    known = (before > 0) & (after > 0)
    growth = np.divide(after, before, out=np.full(after.size, nation), where=known)
    return np.clip(growth, nation / LARGEST_DEVIATION, nation * LARGEST_DEVIATION)


def _columns_by_state(geography: Geography, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return up to `most` evenly spaced columns of every state and weights that keep its sum.

    Columns come in ascending order, both arrays have shape (n,).
    """
    chosen, weights = [], []
    for state in np.unique(geography.state):
        members = np.flatnonzero(geography.state == state)
        kept = members[:: -(-members.size // most)]
        weight = geography.design_weight[kept]
        total = geography.design_weight[members].sum()
        chosen.append(kept)
        weights.append(weight * (total / weight.sum()) if weight.sum() > 0 else weight)
    columns = np.concatenate(chosen)
    order = np.argsort(columns)
    return columns[order], np.concatenate(weights)[order]


def _values_by_state(
    population: Population,
    geography: Geography,
    frozen: Frozen,
    names: list[str],
    engine: Engine,
) -> dict[str, tuple[np.ndarray, str]]:
    """Return per variable its value by state and, where it cannot be frozen, the reason."""
    columns, weight = _columns_by_state(geography, COLUMNS_PER_STATE)
    logger.info("freezing %s over %d columns", ", ".join(names), columns.size)
    places = take_columns(geography, columns)
    located = locate(population, places, frozen, weight)
    simulation = engine.simulate(located)
    households = np.bincount(places.state, weights=weight, minlength=STATE_CODES)
    result = {}
    for name in names:
        entity = engine.variables()[name].entity
        state = places.state[located.household_of[entity]]
        result[name] = _sum_by_state(name, simulation.calculate(name), state, households)
    simulation.close()
    return result


def _sum_by_state(
    name: str, values: np.ndarray, state: np.ndarray, households: np.ndarray
) -> tuple[np.ndarray, str]:
    """Return what every state's units have in common and, where it is unusable, the reason.

    A state where nobody counts, as may happen in a run of few columns, gets as much per household
    as the others, if there are any. None of its people has a share in the run's own year; in a
    later year some may, and the model would give them all that the state spends.

    Args:
        name: the variable.
        values: its value, (units,).
        state: the state of each, (units,).
        households: how many live in each, (states,).
    """
    by_state = np.zeros(STATE_CODES, dtype=values.dtype)
    present = np.unique(state)
    for code in present:
        here = values[state == code]
        if (here != here[0]).any():
            return by_state, "it differs between the households of a state"
        by_state[code] = here[0]
    empty = present[by_state[present] == 0]
    counted = by_state > 0
    if empty.size and counted.any():
        logger.warning(
            "nobody in states %s counts towards %s: they get as much per household as the others",
            ", ".join(map(str, empty)),
            name,
        )
        by_state[empty] = households[empty] * (by_state.sum() / households[counted].sum())
    return by_state, ""


def _refuse_unusable(needed: Collection[str], unusable: Mapping[str, str], engine: Engine) -> None:
    for variable in sorted(set(needed)):
        for name in sorted(engine.dependencies(variable) & unusable.keys()):
            raise InputError(
                f"targets on '{variable}' need '{name}', which looks at the whole population and "
                f"cannot be frozen: {unusable[name]}; exclude them with targets.exclude"
            )
