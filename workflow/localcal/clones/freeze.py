"""What is fixed once per run, so that no value depends on how the work is cut.

Two things would otherwise depend on who happens to be simulated together: take-up rates that are
anchored to reported receipt, and model variables that look at the whole population (in
policyengine-us 2.68 the denominators that spread a state's Medicaid spending over its enrollees).
Both are computed here for the whole run and given to every chunk and every area file.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from localcal.clones.bases import with_members
from localcal.clones.check import check_places, refuse_unusable_units, warn_of_absent_districts
from localcal.clones.frozen import Frozen, write_frozen
from localcal.clones.sums import Sample, reaching_across, sample_states, sums_by_state
from localcal.clones.take_up import TakeUpRate, anchored_to, read_rates
from localcal.engine.protocol import Engine
from localcal.errors import InputError
from localcal.geography.codes import STATE_CODES
from localcal.geography.geography import Geography, read_geography
from localcal.population.dataset import read_population
from localcal.population.population import Population
from localcal.targets.measures import distinct_measures, needed_variables
from localcal.targets.table import read_targets

logger = logging.getLogger(__name__)


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
        bases = with_members(population, table, engine)
        take_up = tuple(anchored_to(population, rate) for rate in bases)
    frozen = Frozen(take_up, {}, {}, seed)
    kinds = engine.population_wide()
    ranks = {name: "it ranks the population" for name, kind in kinds.items() if kind == "rank"}
    _refuse_unusable(needed, ranks, engine)
    sums = sorted(kinds.keys() - ranks.keys())
    if not sums:
        return frozen
    sample = sample_states(population, geography, frozen)
    logger.info("freezing %s over %d columns", ", ".join(sums), sample.weight.size)
    found = sums_by_state(sums, reaching_across(sums, sample, engine), sample, engine)
    values = {name: _sum_of_all(name, found[name], sample) for name in sums}
    unusable = {name: reason for name, (_, reason) in values.items() if reason}
    _refuse_unusable(needed, unusable, engine)
    for name, reason in sorted(unusable.items()):
        logger.warning("%s is not frozen: %s; no target needs it", name, reason)
    usable = {name: by_state for name, (by_state, reason) in values.items() if not reason}
    entity = {name: engine.variables()[name].entity for name in usable}
    return Frozen(take_up, usable, entity, seed)


def _sum_of_all(name: str, by_state: np.ndarray, sample: Sample) -> tuple[np.ndarray, str]:
    """Return what every state's units have in common and, where it is unusable, the reason.

    A state where nobody counts, as may happen in a run of few columns, gets as much per household
    as the others, if there are any. None of its people has a share in the run's own year; in a
    later year some may, and the model would give them all that the state spends.
    """
    if np.isnan(by_state).any():
        return by_state, "it differs between the households of a state"
    households = np.bincount(sample.places.state, weights=sample.weight, minlength=STATE_CODES)
    counted = by_state > 0
    present = np.unique(sample.places.state)
    empty = present[by_state[present] == 0]
    if empty.size and counted.any():
        logger.warning(
            "nobody in states %s counts towards %s: they get as much per household as the others",
            ", ".join(map(str, empty)),
            name,
        )
        by_state = by_state.copy()
        by_state[empty] = households[empty] * (by_state.sum() / households[counted].sum())
    return by_state, ""


def _refuse_unusable(needed: Collection[str], unusable: Mapping[str, str], engine: Engine) -> None:
    for variable in sorted(set(needed)):
        for name in sorted(engine.dependencies(variable) & unusable.keys()):
            raise InputError(
                f"targets on '{variable}' need '{name}', which looks at the whole population and "
                f"cannot be frozen: {unusable[name]}; exclude them with targets.exclude"
            )
