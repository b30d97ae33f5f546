"""What came out of two runs, side by side: targets, weights, errors and validation.

Every file is compared with its record before it is read. A list of two has the first run's value
and the second's, None where that run has none.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from localcal.database.constraints import Constraint, meaning
from localcal.errors import InputError
from localcal.files.arrays import read_weights
from localcal.files.documents import read_json
from localcal.files.hdf5 import open_h5
from localcal.files.made import Made, read_made, record_path, refuse_changed
from localcal.files.table import read_table
from localcal.run.expected import SCOPES
from localcal.targets.table import read_targets

__all__ = ["SCOPES", "Absent", "errors", "targets", "validation", "weights"]

# A target is the same in both runs where these are.
IDENTITY = [
    "reform_id",
    "variable",
    "geo_level",
    "geographic_id",
    "domain_variable",
    "constraints",
]
FAMILY = ["geo_level", "variable", "domain_variable"]
MOST_CHANGES = 20
# Values are sums of float32 numbers.
SAME = 1e-6
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
POPULATION, GEOGRAPHY = "population/population.h5", "population/geography.h5"


class Absent(InputError):
    """A run lacks what would be compared: it is not complete, or was not asked for it."""


def _made(folder: Path, name: str) -> Made:
    record = Path(record_path(f"runs/x/{name}", "runs/x")).relative_to("runs/x")
    if not (folder / record).exists() or not (folder / name).exists():
        raise Absent(f"{folder}: has no {name} yet")
    return read_made(folder / record)


def _whole(folder: Path, name: str) -> Path:
    """Return a file of a run that is what was made.

    Raises:
        Absent: the run does not have it.
        InputError: it is damaged.
    """
    refuse_changed(folder / name, _made(folder, name))
    return folder / name


def targets(first: Path, second: Path) -> dict[str, Any]:
    """Compare the resolved targets.

    Returns:
        `count`; `families`, by level, variable and domain, of those that have another number;
        `only`, how many the other run lacks; `shared`; `changed`, how many of these have another
        value; `largest_changes`, of these those that changed most relative to the larger value.

    Raises:
        InputError: one of the runs has none, or a damaged table.
    """
    tables = [read_targets(_whole(folder, "targets/targets.parquet")) for folder in (first, second)]
    both = _paired(*tables)
    value = both[["value_x", "value_y"]].to_numpy(np.float64)
    larger = np.abs(value).max(axis=1)
    change = np.divide(value[:, 1] - value[:, 0], larger, out=np.zeros(len(both)), where=larger > 0)
    moved = np.flatnonzero(np.abs(change) > SAME)
    most = moved[np.argsort(-np.abs(change[moved]), kind="stable")][:MOST_CHANGES]
    return {
        "count": [len(table) for table in tables],
        "families": _families(tables),
        "only": [len(table) - len(both) for table in tables],
        "shared": len(both),
        "changed": len(moved),
        "largest_changes": [
            {
                "name": str(both["name_x"].iloc[row]),
                "values": [_plain(number) for number in value[row]],
                "change": _plain(change[row]),
            }
            for row in most
        ],
    }


def _paired(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return the targets that both have; of several alike the first belongs to the first."""
    keyed = []
    for table in (first, second):
        table = table.assign(constraints=table["constraints"].map(_in_order))
        table["nth"] = table.groupby(IDENTITY, dropna=False).cumcount()
        keyed.append(table[[*IDENTITY, "nth", "name", "value"]])
    return keyed[0].merge(keyed[1], on=[*IDENTITY, "nth"])


def _in_order(constraints: str) -> str:
    """Return what constraints mean, however the database they came from orders and spells them."""
    return str(meaning(Constraint(*constraint) for constraint in json.loads(constraints)))


def _families(tables: list[pd.DataFrame]) -> list[dict[str, Any]]:
    counts = [table.groupby(FAMILY, dropna=False).size().to_dict() for table in tables]
    keys = sorted({*counts[0], *counts[1]}, key=str)
    return [
        {**_family(key), "count": [found.get(key, 0) for found in counts]}
        for key in keys
        if counts[0].get(key) != counts[1].get(key)
    ]


def _family(key: Any) -> dict[str, str]:
    return dict(zip(("level", "variable", "domain"), _texts(key), strict=True))


def _texts(key: Any) -> tuple[str, ...]:
    """Return the parts of a group's key as text, '' where a cell is empty."""
    return tuple("" if pd.isna(part) else str(part) for part in key)


def weights(first: Path, second: Path, scope: str) -> dict[str, Any]:
    """Compare the weights of a scope.

    Returns:
        `columns`, `records` (with a weight), `sum_of_weights`, `design_effect`; `households`,
        where both runs have the same households: the correlation of their total weights and
        quantiles of the second run's total over the first's; `same_columns`: where also the places
        are the same, the correlation of single weights. Each has `not_compared`.

    Raises:
        InputError: one of the runs has no such fit, or a damaged file of it.
    """
    folders = (first, second)
    fits = [_fit(folder, scope) for folder in folders]
    found = [read_weights(_whole(folder, f"weights/{scope}/weights.npy")) for folder in folders]
    quality = [fit["weights"] for fit in fits]
    return {
        "columns": [len(array) for array in found],
        "records": [int(np.count_nonzero(array)) for array in found],
        "sum_of_weights": [_plain(np.sum(array, dtype=np.float64)) for array in found],
        "design_effect": [_plain(one.get("design_effect")) for one in quality],
        "households": _households(folders, found),
        "same_columns": _columns(folders, found),
    }


def _fit(folder: Path, scope: str) -> dict[str, Any]:
    return read_json(_whole(folder, f"weights/{scope}/fit.json"), ("weights",))


def _households(folders: tuple[Path, Path], found: list[np.ndarray]) -> dict[str, Any]:
    digests = {_made(folder, POPULATION).sha256 for folder in folders}
    if len(digests) > 1:
        return {"not_compared": "the runs have other households"}
    totals = []
    for folder, array in zip(folders, found, strict=True):
        with open_h5(_whole(folder, GEOGRAPHY)) as file:
            household = file["household"][:]
        if len(household) != len(array):
            raise InputError(f"{folder / GEOGRAPHY}: has other columns than the weights")
        totals.append(np.bincount(household, array.astype(np.float64)))
    size = max(map(len, totals))
    a, b = (np.pad(total, (0, size - len(total))) for total in totals)
    positive = (a > 0) & (b > 0)
    ratio = b[positive] / a[positive]
    return {
        "not_compared": None,
        "count": [int(np.count_nonzero(total)) for total in totals],
        "correlation": _correlation(a, b),
        "ratio": {
            f"p{100 * quantile:.0f}": _plain(np.quantile(ratio, quantile)) if ratio.size else None
            for quantile in QUANTILES
        },
    }


def _columns(folders: tuple[Path, Path], found: list[np.ndarray]) -> dict[str, Any]:
    digests = {_made(folder, name).sha256 for folder in folders for name in (POPULATION, GEOGRAPHY)}
    if len(digests) > 2:
        return {"not_compared": "the runs have other columns"}
    return {"not_compared": None, "correlation": _correlation(*found)}


def _correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Return Pearson's correlation; None where one of them does not vary."""
    a, b = (array - np.mean(array, dtype=np.float64) for array in (first, second))
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size else None


def errors(first: Path, second: Path, scope: str) -> dict[str, Any]:
    """Compare a fit's relative errors, see `rel_error` in `localcal.weights.diagnostics`.

    Returns:
        `levels` and `families`, each with level, variable and domain as far as they apply, the
        role of the targets, and for both runs their count, and median and 90th percentile of the
        absolute errors.

    Raises:
        InputError: one of the runs has no such fit, or a damaged file of it.
    """
    texts = [*FAMILY, "role"]
    tables = [
        read_table(_whole(folder, f"weights/{scope}/diagnostics.csv"), [*texts, "rel_error"], texts)
        for folder in (first, second)
    ]
    return {
        "levels": _grouped(tables, ["geo_level", "role"]),
        "families": _grouped(tables, [*FAMILY, "role"]),
    }


def _grouped(tables: list[pd.DataFrame], keys: list[str]) -> list[dict[str, Any]]:
    groups = [
        {_texts(key): rows["rel_error"] for key, rows in table.groupby(keys, dropna=False)}
        for table in tables
    ]
    names = [{"geo_level": "level", "domain_variable": "domain"}.get(key, key) for key in keys]
    return [
        {**dict(zip(names, key, strict=True)), **_sizes([found.get(key) for found in groups])}
        for key in sorted({*groups[0], *groups[1]})
    ]


def _sizes(found: list[pd.Series | None]) -> dict[str, Any]:
    sizes = [None if error is None else error.dropna().abs() for error in found]
    return {
        "count": [0 if error is None else len(error) for error in found],
        "median": [None if size is None else _plain(size.median()) for size in sizes],
        "p90": [None if size is None else _plain(size.quantile(0.9)) for size in sizes],
    }


def validation(first: Path, second: Path) -> dict[str, Any]:
    """Compare what the written files come to in the model.

    Returns:
        `areas`; `insane`, how many totals are impossible; `levels`, for each the number of rows
        with a target, and median, 90th percentile and largest of the absolute relative errors.

    Raises:
        InputError: one of the runs was not validated, or its summary is damaged.
    """
    summaries = [
        read_json(_whole(folder, "validation/summary.json"), ("areas", "insane", "levels"))
        for folder in (first, second)
    ]
    levels = [summary["levels"] for summary in summaries]
    return {
        "areas": [summary["areas"] for summary in summaries],
        "insane": [len(summary["insane"]) for summary in summaries],
        "levels": [
            {"level": level, **_level([found.get(level, {}) for found in levels])}
            for level in sorted({*levels[0], *levels[1]})
        ],
    }


def _level(found: list[Mapping[str, Any]]) -> dict[str, Any]:
    named = {
        "count": "with_target",
        "median": "median_abs_rel_error",
        "p90": "p90_abs_rel_error",
        "largest": "largest_abs_rel_error",
    }
    return {name: [_plain(one.get(key)) for one in found] for name, key in named.items()}


def _plain(value: Any) -> Any:
    """Return a number as JSON has it: none that is not finite."""
    if value is None or isinstance(value, int):
        return value
    number = float(value)
    return number if math.isfinite(number) else None
