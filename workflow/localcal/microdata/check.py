"""Whether the model can use a dataset as it is."""

import logging
from collections.abc import Mapping

import numpy as np

from localcal.engine.protocol import Variable
from localcal.errors import InputError
from localcal.population.dataset import assemble, id_names
from localcal.population.population import Population

logger = logging.getLogger(__name__)


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
    derived = {"person_weight", "tax_unit_weight", "spm_unit_weight"}
    derived |= {"family_weight", "marital_unit_weight"}
    names = sorted(arrays.keys() - id_names() - derived)
    for name in names:
        if name not in variables:
            raise InputError(
                f"{source}: the model has no variable '{name}'; rename it or list it under "
                "population.drop"
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
    for name in names:
        _check_values(source, name, arrays[name])
    kept = {name: arrays[name] for name in arrays if name in names or name in id_names()}
    return assemble(source, kept, period, {name: variables[name].entity for name in names})


def _check_values(source: str, name: str, values: np.ndarray) -> None:
    if values.ndim != 1:
        raise InputError(f"{source}: '{name}' has {values.ndim} dimensions instead of one")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"{source}: '{name}' is {values[bad]} in row {bad}; fill or remove it")
    if name == "household_weight" and ((values < 0).any() or values.sum() <= 0):
        raise InputError(f"{source}: household_weight has to be non-negative with a positive sum")
