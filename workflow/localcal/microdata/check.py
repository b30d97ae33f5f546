"""Whether the model can use a dataset as it is."""

import logging
from collections.abc import Mapping

import numpy as np

from localcal.engine.protocol import Engine, Variable
from localcal.errors import InputError, near
from localcal.microdata.kinds import as_kind
from localcal.population.dataset import assemble, id_names
from localcal.population.ids import numbered
from localcal.population.population import ENTITIES, Population

logger = logging.getLogger(__name__)

# What the model derives from households' weights.
DERIVED_WEIGHTS = frozenset(f"{entity}_weight" for entity in ENTITIES if entity != "household")


def check_dataset(
    source: str,
    arrays: Mapping[str, np.ndarray],
    period: int,
    variables: Mapping[str, Variable],
) -> Population:
    """Return the dataset as a population if the model can use all of it.

    Weights other than the household's are left out: the model derives them.

    Raises:
        InputError: an id, a link, a length, a variable or a value is wrong.
    """
    names = sorted(arrays.keys() - id_names() - DERIVED_WEIGHTS)
    for name in names:
        if name not in variables:
            raise InputError(
                f"{source}: the model has no variable '{name}'{near(name, variables)}; rename it "
                "or list it under population.drop"
            )
        if variables[name].refused:
            raise InputError(
                f"{source}: the model computes '{name}' itself and refuses it as data; list it "
                "under population.drop"
            )
    if "household_weight" not in names:
        raise InputError(f"{source}: lacks household_weight")
    overriding = [name for name in names if variables[name].computed]
    if overriding:
        logger.warning(
            "%s stores variables that the model could compute, and the stored values win: %s "
            "(population.drop lets the model compute them)",
            source,
            ", ".join(overriding),
        )
    kept = numbered(source, {name: arrays[name] for name in arrays if name in id_names()})
    kept |= {name: as_kind(source, variables[name], arrays[name]) for name in names}
    weight = kept["household_weight"]
    if (weight < 0).any() or weight.sum() <= 0:
        raise InputError(f"{source}: household_weight has to be non-negative with a positive sum")
    return assemble(source, kept, period, {name: variables[name].entity for name in names})


def refuse_misplaced(
    source: str,
    arrays: Mapping[str, np.ndarray],
    table: Mapping[str, str],
    variables: Mapping[str, Variable],
) -> None:
    """Refuse variables that are in the table of another entity than theirs.

    Raises:
        InputError: names the first such variable, its table and its entity.
    """
    for name in sorted(arrays.keys() & table.keys() & variables.keys()):
        if name not in id_names() and table[name] != variables[name].entity:
            raise InputError(
                f"{source}: '{name}' is in the table {table[name]}, but the model has it for each "
                f"{variables[name].entity}; move it there, or list it under population.drop"
            )


def warn_of_unusable_units(source: str, population: Population, engine: Engine) -> None:
    """Log for which units the model cannot calculate something; whether targets need it is seen
    where these are known (`clones.check`).
    """
    unusable = engine.unusable_units(population)
    if unusable:
        unit = unusable[0]
        household = population.household_of[unit.entity][unit.position]
        logger.warning(
            "%s: %s %s of household %s %s; %d such units. The model cannot calculate what "
            "depends on %s for them: correct or remove them if that is needed",
            source,
            unit.entity,
            population.ids[unit.entity][unit.position],
            population.ids["household"][household],
            unit.reason,
            len(unusable),
            unit.variable,
        )
