"""Calibrated datasets, one per area, in PolicyEngine's layout.

Written block of columns by block of columns, so that memory does not grow with the file. Besides
the base population's inputs a file stores the household weight, the place, the take-up draws and
the frozen variables, these also for the years after the run's; every other weight is a formula of
the model.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from localcal.clones.frozen import read_frozen
from localcal.clones.locate import locate
from localcal.errors import InputError
from localcal.files.arrays import read_weights
from localcal.files.atomic import require_space
from localcal.files.documents import read_json
from localcal.files.hdf5 import create_h5, open_h5
from localcal.files.origins import refuse_other_files
from localcal.files.pieces import Pieces, Write
from localcal.geography.areas import Area
from localcal.geography.geography import find_columns, read_columns, take_columns
from localcal.geography.vintages import other_vintage
from localcal.jobs.progress import Progress
from localcal.population.dataset import entity_of_column, id_columns, keep_ids, read_population
from localcal.population.population import ENTITIES, Population
from localcal.timing import WRITE, phase

logger = logging.getLogger(__name__)

# What a file says of the fit its weights come from.
OF_TWO_FITS = {
    "national": (
        "Weights of the national fit (weights/national/fit.json). Files of states, districts and "
        "cities have those of the local fit, so what they say of a state differs: see "
        "validation/states.csv."
    ),
    "local": (
        "Weights of the local fit (weights/local/fit.json). The national file has those of the "
        "national fit, so what it says of a state differs: see validation/states.csv."
    ),
}

# Households written at a time: some 50 MB of clones with 150 variables.
BLOCK_HOUSEHOLDS = 20_000


@dataclass(frozen=True)
class AreaInputs:
    """The files that an area's dataset is made from."""

    population: Path
    geography: Path
    frozen: Path
    later: Path
    weights: Path
    fit: Path
    """The report of the fit, which says what the weights were fitted to."""

    def fitted(self) -> dict[str, Path]:
        """Return what the weights were fitted to, and they, by name."""
        others = ("fit", "later")
        return {name: path for name, path in vars(self).items() if name not in others}


def write_area(area: Area, inputs: AreaInputs, path: Path) -> None:
    """Write the dataset of one area: its columns with a positive weight.

    Args:
        area: which columns.
        inputs: what it is made from.
        path: the dataset to write.

    Raises:
        InputError: weights and geography do not belong together, or nobody is left.
    """
    recorded = read_json(inputs.fit, ["digests"])["digests"]
    digests = refuse_other_files(inputs.fit, recorded, inputs.fitted())
    population = read_population(inputs.population)
    frozen = read_frozen(inputs.frozen, inputs.later)
    weights = read_weights(inputs.weights)
    columns = find_columns(inputs.geography, area, weights > 0)
    if not columns.size:
        raise InputError(f"{area.folder}/{area.area}: {_why_empty(area, inputs, weights.size)}")
    places = read_columns(inputs.geography, columns)
    totals = {
        entity: int(np.diff(population.starts[entity])[places.household].sum())
        for entity in ENTITIES
    }
    if totals["marital_unit"] == 1 and totals["person"] > 1:
        raise InputError(
            f"{area.folder}/{area.area}: one couple alone has a positive weight there, and the "
            "model takes a marital unit without any other for one that it was not told; keep more "
            "records (weights) or give it more clones (geography.clones)"
        )
    if area.counties:
        _warn_of_missing_counties(area, inputs)
    about = digests | {"level": area.folder, "area": area.area, "weights_scope": area.scope}
    about |= {"weights_note": OF_TWO_FITS[area.scope]}
    period, progress = population.period, Progress(f"{area.area}: households", columns.size)
    with Pieces[Population](sink=lambda: dataset_sink(path, period, totals, about)) as pieces:
        for start in range(0, columns.size, BLOCK_HOUSEHOLDS):
            block = np.arange(start, min(start + BLOCK_HOUSEHOLDS, columns.size))
            weight = weights[columns[block]]
            pieces.write(locate(population, take_columns(places, block), frozen, weight))
            progress.advance(block.size)


@contextmanager
def dataset_sink(
    path: Path, period: int, totals: Mapping[str, int], about: Mapping[str, str]
) -> Iterator[Write[Population]]:
    """Yield what writes the next households of a dataset, which exists once all are written.

    Args:
        path: the dataset.
        period: its year.
        totals: how many units of each entity there will be.
        about: what the file says about itself.

    Raises:
        InputError: the disk has no room for it.
    """
    stored = dict.fromkeys(ENTITIES, 0)
    with create_h5(path) as file:
        file.attrs.update(about)

        def write(clones: Population) -> None:
            if len(file) == 0:
                require_space(path, _file_size(clones, totals))
            _append(file, clones, stored, totals)
            for entity in ENTITIES:
                stored[entity] += clones.count(entity)

        yield write
        keep_ids(file, period)


def _why_empty(area: Area, inputs: AreaInputs, all_columns: int) -> str:
    """Return why an area has no column with a weight, and what to do about it."""
    n_columns = find_columns(inputs.geography, area, np.ones(all_columns, dtype=bool)).size
    if n_columns:
        return (
            f"no household has a positive weight there, since all of its {n_columns} columns have "
            "the weight 0; keep more records (weights) or give it more clones (geography.clones)"
        )
    if area.level == "city":
        listed = "; ".join(filter(None, map(other_vintage, area.counties)))
        hint = f" ({listed})" if listed else ""
        return (
            f"no column lies in any of its counties, {', '.join(area.counties)}{hint}; correct "
            "them in the table of areas, or give the run more clones (geography.clones)"
        )
    hint = "is it of another Congress than the geography? Else " if area.level == "district" else ""
    return (
        f"no column lies there at all ({area.level} {area.code}); {hint}give the run more clones "
        "(geography.clones), or take the area out of the config's areas"
    )


def _warn_of_missing_counties(area: Area, inputs: AreaInputs) -> None:
    with open_h5(inputs.geography) as file:
        found = np.unique(file["county"][:]).tolist()
    missing = [county for county in area.counties if county.encode() not in found]
    if missing:
        logger.warning(
            "%s: no column lies in %s, so the file is without these counties: %s",
            area.area,
            ", ".join(missing),
            "; ".join(filter(None, map(other_vintage, missing))) or "are their codes right?",
        )


@phase(WRITE)
def _append(
    file: h5py.File, clones: Population, stored: Mapping[str, int], totals: Mapping[str, int]
) -> None:
    period = str(clones.period)
    ids = id_columns(clones)
    for name, values in sorted((ids | dict(clones.values)).items()):
        entity = entity_of_column(clones, name)
        where = f"{name}/{period}"
        if where not in file:
            file.create_dataset(where, shape=(totals[entity],), dtype=values.dtype)
            if name in clones.entity:
                file[name].attrs["entity"] = entity
        own = slice(stored[entity], stored[entity] + values.size)
        file[where][own] = values
        for year, there in clones.later.get(name, {}).items():
            if str(year) not in file[name]:
                file.create_dataset(f"{name}/{year}", (totals[entity],), there.dtype)
            file[name][str(year)][own] = there


def _file_size(clones: Population, totals: Mapping[str, int]) -> int:
    """Return how many bytes the whole file's arrays take, from one block of it."""
    columns = id_columns(clones) | dict(clones.values)
    return sum(
        totals[entity_of_column(clones, name)]
        * values.dtype.itemsize
        * (1 + len(clones.later.get(name, {})))
        for name, values in columns.items()
    )
