"""Matrix x weights, once for all areas: what the files have to come to in the model.

A city has no rows of its own: its estimates are those of its columns in the nation's rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from localcal.errors import REMAKE, InputError
from localcal.files.arrays import read_weights
from localcal.files.csr import CsrFile, open_csr, row_ranges
from localcal.files.hdf5 import create_h5, open_h5
from localcal.files.origins import record, refuse_other_files
from localcal.geography.areas import Area
from localcal.geography.geography import find_columns
from localcal.jobs.progress import Progress
from localcal.targets.table import read_targets
from localcal.validation.totals import rows_of_area

# Entries of the matrix that are in memory at a time, at some 30 bytes each.
ENTRIES = 1 << 23

CITIES = "cities"

Files = Mapping[str, Path]


@dataclass(frozen=True)
class EstimateInputs:
    """The files that estimates are made from."""

    matrix: Path
    weights: Path
    targets: Path
    geography: Path


@dataclass(frozen=True)
class Estimates:
    """What some rows of the matrix come to, each (n,) float64."""

    estimate: np.ndarray
    mass: np.ndarray
    """The sum of the absolute contributions, which says how precise the estimate is."""


def estimate_totals(inputs: EstimateInputs, cities: Sequence[Area], path: Path) -> None:
    """Write what every row of the matrix comes to, and the nation's rows in every city.

    Args:
        inputs: the files.
        cities: the cities that have a file of their own.
        path: the estimates to write.

    Raises:
        InputError: the files do not belong together.
    """
    matrix = open_csr(inputs.matrix)
    made_from = {"targets": inputs.targets, "geography": inputs.geography}
    refuse_other_files(inputs.matrix, matrix.attributes, made_from)
    targets = read_targets(inputs.targets)
    weight = read_weights(inputs.weights)
    if weight.size != matrix.shape[1]:
        raise InputError(
            f"{inputs.weights}: has {weight.size} weights, the matrix "
            f"{matrix.shape[1]} columns; {REMAKE}"
        )
    rows = {city.area: rows_of_area(city, targets) for city in cities}
    weights = {city.area: _inside(city, inputs.geography, weight) for city in cities}
    with create_h5(path) as file:
        file.attrs.update(record(vars(inputs)))
        _store(file, matrix, np.arange(matrix.shape[0]), weight)
        for name in rows:
            _store(file.create_group(f"{CITIES}/{name}"), matrix, rows[name], weights[name])


def read_estimates(path: Path, area: Area, rows: np.ndarray, made_from: Files) -> Estimates:
    """Read what an area's rows come to.

    Args:
        path: the estimates.
        area: whose.
        rows: its rows, (n,).
        made_from: the files they have to be made from, by name.

    Raises:
        InputError: the file is damaged, was made from something else, or lacks the area.
    """
    with open_h5(path) as file:
        recorded = dict(file.attrs)
        if area.level == "city":
            group = file[f"{CITIES}/{area.area}"]
            estimate, mass = group["estimate"][:], group["mass"][:]
            lacking = estimate.size != rows.size
        else:
            lacking = file["estimate"].size <= rows.max(initial=-1)
            estimate, mass = (
                np.zeros(0) if lacking else file[name][:][rows] for name in ("estimate", "mass")
            )
    if lacking:
        raise InputError(f"{path}: lacks targets of {area.area}; {REMAKE}")
    refuse_other_files(path, recorded, made_from)
    return Estimates(estimate, mass)


def _inside(city: Area, geography: Path, weight: np.ndarray) -> np.ndarray:
    """Return the weights of a city's columns, zero for all others."""
    columns = find_columns(geography, city, weight > 0)
    inside = np.zeros_like(weight)
    inside[columns] = weight[columns]
    return inside


def _store(group: h5py.Group, matrix: CsrFile, rows: np.ndarray, weight: np.ndarray) -> None:
    """Write what some rows come to, a part of the matrix in memory at a time."""
    wide = weight.astype(np.float64)
    sizes = np.concatenate([[0], np.cumsum(np.diff(matrix.indptr)[rows])])
    estimate, mass = np.zeros(rows.size), np.zeros(rows.size)
    progress = Progress("entries of the matrix", int(sizes[-1]))
    for start, stop in row_ranges(sizes, ENTRIES):
        estimate[start:stop], mass[start:stop] = weighted_rows(matrix, rows[start:stop], wide)
        matrix.release()
        progress.advance(int(sizes[stop] - sizes[start]))
    group["estimate"], group["mass"] = estimate, mass


def weighted_rows(
    matrix: CsrFile, rows: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows x weights and the sum of the absolute contributions, both (n,) float64."""
    selected = matrix.rows(rows)
    products = selected.data.astype(np.float64) * weight[selected.indices]
    row = np.repeat(np.arange(rows.size), np.diff(selected.indptr))
    return (
        np.bincount(row, weights=products, minlength=rows.size),
        np.bincount(row, weights=np.abs(products), minlength=rows.size),
    )
