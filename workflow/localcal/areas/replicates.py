"""An area's replicate weights, beside its dataset and in its layout.

Surveys publish theirs in a file of its own, keyed by household, and a model that is given
variables it does not know may refuse them; so the dataset stays as it is. Beside
`household_weight` stand `household_weight_rep_001` and so on, under the ids that the dataset has
and in its order:

    variance = variance_factor * sum over replicates of (estimate with it - estimate)^2
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from localcal.clones.locate import ids_of_columns
from localcal.errors import REMAKE, InputError
from localcal.files.arrays import read_weights
from localcal.files.hdf5 import create_h5
from localcal.files.origins import record, refuse_other_files
from localcal.files.replicates import read_about, read_replicates
from localcal.geography.areas import Area
from localcal.geography.geography import find_columns, read_columns
from localcal.population.dataset import read_population

WEIGHT = "household_weight"
# What replicates say of themselves, and whoever estimates with them needs.
CARRIED = ("method", "variance_factor")


@dataclass(frozen=True)
class AreaReplicateInputs:
    """The files that an area's replicate weights are made from."""

    population: Path
    geography: Path
    weights: Path
    replicates: Path


def write_area_replicates(area: Area, inputs: AreaReplicateInputs, path: Path) -> None:
    """Write the replicate weights of one area's households.

    Args:
        area: which columns.
        inputs: what they are made from.
        path: the file to write: `/household_id/{year}`, `/household_weight/{year}` and
            `/household_weight_rep_{number}/{year}`, the latter float32, in households; attributes
            `variance_factor`, `method`, level and area.

    Raises:
        InputError: the files do not belong together, or nobody is left.
    """
    population = read_population(inputs.population)
    weights = read_weights(inputs.weights)
    made_from = read_about(inputs.replicates, (*CARRIED, "n_columns"))
    if weights.size != made_from["n_columns"]:
        raise InputError(
            f"{inputs.weights}: has {weights.size} weights, its fit in {inputs.replicates} "
            f"{made_from['n_columns']} columns; {REMAKE}"
        )
    columns = find_columns(inputs.geography, area, weights > 0)
    if not columns.size:
        raise InputError(
            f"{area.folder}/{area.area}: no household has a positive weight there, so it has no "
            "replicates either; see the error of its dataset"
        )
    replicates = read_replicates(inputs.replicates, columns)
    origins = {"population": inputs.population, "geography": inputs.geography}
    refuse_other_files(inputs.replicates, made_from, origins)
    ids = ids_of_columns(population, read_columns(inputs.geography, columns))["household"]
    stored = {"household_id": ids.astype(np.int32), WEIGHT: weights[columns].astype(np.float32)}
    digits = max(3, len(str(len(replicates))))
    for number, found in enumerate(replicates, start=1):
        stored[f"{WEIGHT}_rep_{number:0{digits}}"] = found
    with create_h5(path, sum(values.nbytes for values in stored.values())) as file:
        file.attrs.update(record({"weights": inputs.weights, "replicates": inputs.replicates}))
        file.attrs.update({name: made_from[name] for name in CARRIED})
        file.attrs.update({"level": area.folder, "area": area.area, "weights_scope": area.scope})
        for name, values in stored.items():
            file[f"{name}/{population.period}"] = values
