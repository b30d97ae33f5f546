"""What is frozen by state, in the years after the run's.

Area files are also run for later years, in which the model would look at the file as if it were the
whole population. So what is frozen is followed into these years.
"""

import logging
from pathlib import Path

import numpy as np

from localcal.clones.frozen import Frozen, Later, read_frozen, write_later
from localcal.clones.sums import reaching_across, sample_states, sums_by_state
from localcal.engine.protocol import CalculationError, Engine
from localcal.geography.geography import Geography, read_geography
from localcal.population.dataset import LATER_YEARS, read_population
from localcal.population.population import Population

logger = logging.getLogger(__name__)

# How many years after the run's are calculated: what is legislated changes within the next few, and
# then the model but uprates, so the years between lie between (within 1 % for Medicaid's sums).
FOLLOWED = (1, 2, 3, LATER_YEARS)

# How much faster or slower than the nation's a state's sum may grow: of so few households, one
# that starts or stops to count can make more of a difference than the state has.
LARGEST_DEVIATION = 1.5


def follow_from_files(
    population: Path, geography: Path, frozen: Path, engine: Engine, path: Path
) -> None:
    """Write the later years' values of a run whose population, geography and values are files.

    Raises:
        InputError: a file is damaged.
    """
    later = follow_values(
        read_population(population), read_geography(geography), read_frozen(frozen), engine
    )
    write_later(path, later)


def follow_values(
    population: Population, geography: Geography, frozen: Frozen, engine: Engine
) -> Later:
    """Return what frozen variables come to by state in each of the years after the run's.

    A sum grows as that of some of its columns does when the model takes them into the later year.
    Where the model cannot, the years before are what the run's files hold for.

    Args:
        population: the base households.
        geography: the place of every column.
        frozen: what is frozen in the run's year.
        engine: the model.
    """
    if not frozen.variables:
        return {}
    unfrozen = Frozen(frozen.take_up, {}, {}, frozen.seed)
    sample = sample_states(population, geography, unfrozen)
    across = reaching_across(frozen.variables, sample, engine)
    result: dict[str, dict[int, np.ndarray]] = {name: {} for name in frozen.variables}
    start, last = population.period, 0
    latest = dict(frozen.variables)
    for ahead in FOLLOWED:
        year = start + ahead
        logger.info("following %s into %d", ", ".join(frozen.variables), year)
        try:
            sums = sums_by_state(frozen.variables, across, sample, engine, year)
        except CalculationError as error:
            logger.warning("area files will hold for the years to %d only: %s", start + last, error)
            break
        for name, before in frozen.variables.items():
            after = before * _growth(before, sums[name])
            for between in range(last + 1, ahead + 1):
                share = (between - last) / (ahead - last)
                value = latest[name] + share * (after - latest[name])
                result[name][start + between] = value.astype(before.dtype)
            latest[name] = after
        last = ahead
    return result


def _growth(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return by how much the sums of states grew, (STATE_CODES,)."""
    whole = before[~np.isnan(after)].sum(dtype=np.float64)
    nation = np.nansum(after, dtype=np.float64) / whole if whole else 1.0
    known = (before > 0) & (after > 0)
    growth = np.divide(after, before, out=np.full(after.size, nation), where=known)
    return np.clip(growth, nation / LARGEST_DEVIATION, nation * LARGEST_DEVIATION)
