"""Whether the model can do with the run's households and the places of their clones."""

import logging
from collections.abc import Collection

import numpy as np
import pandas as pd

from localcal.clones.locate import GIVEN_PLACES
from localcal.engine.protocol import Engine
from localcal.errors import REMAKE, InputError
from localcal.geography.geography import Geography
from localcal.geography.vintages import other_vintage
from localcal.population.population import Population

logger = logging.getLogger(__name__)


def check_places(population: Population, geography: Geography, engine: Engine) -> None:
    """Refuse places that the model would read as others, before anything is computed with them.

    Raises:
        InputError: the population stores where its households live, which clones would take along;
            or a column lies in a county that the model does not know.
    """
    left = sorted(population.values.keys() & engine.place_variables() - set(GIVEN_PLACES))
    if left:
        raise InputError(
            f"population.h5: stores {', '.join(left)}, which says where a household lives, but "
            f"its clones live elsewhere; {REMAKE}"
        )
    counties = np.unique(geography.county)
    unknown = sorted(engine.unknown_counties([county.decode() for county in counties]))
    if unknown:
        here = np.isin(geography.county, np.array(unknown, dtype="S5"))
        column = int(np.argmax(here))
        county = geography.county[column].decode()
        known_as = other_vintage(county) or f"{county} is no county's code"
        raise InputError(
            f"geography.h5: column {column} lies in county {county}, which the model "
            f"({engine.version}) does not know: {known_as} ({np.count_nonzero(here)} columns lie "
            f"in {len(unknown)} such counties: {', '.join(unknown[:9])}); in geography.path or "
            "geography.places use the codes that blocks have in the 2020 census"
        )


def refuse_unusable_units(population: Population, needed: Collection[str], engine: Engine) -> None:
    """Refuse units for which the model cannot calculate what targets need.

    Raises:
        InputError: names the first such unit and its household by their ids.
    """
    for unit in engine.unusable_units(population):
        readers = sorted(name for name in needed if unit.variable in engine.dependencies(name))
        if readers:
            household = population.household_of[unit.entity][unit.position]
            raise InputError(
                f"population.h5: {unit.entity} {population.ids[unit.entity][unit.position]} of "
                f"household {population.ids['household'][household]} {unit.reason}, so the model "
                f"cannot calculate '{readers[0]}' for it; correct or remove such units in the "
                "dataset, or exclude the targets with targets.exclude"
            )


def warn_of_absent_districts(targets: pd.DataFrame, geography: Geography) -> None:
    """Log which districts have targets but no column; their targets cannot be met."""
    district = targets["geographic_id"][targets["geo_level"] == "district"].astype(np.int64)
    absent = np.setdiff1d(district, geography.district)
    if absent.size:
        logger.warning(
            "no column lies in %d districts that have targets (%s); are the targets, or the "
            "geography, of another Congress? Else raise geography.clones",
            absent.size,
            ", ".join(map(str, absent[:9])),
        )
