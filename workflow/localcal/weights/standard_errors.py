"""Standard errors of every target and area, from replicate weights written one by one."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.errors import REMAKE, InputError
from localcal.files.atomic import atomic_path
from localcal.files.csr import CsrFile, CsrLike
from localcal.files.documents import read_json
from localcal.files.hdf5 import create_h5, open_h5
from localcal.files.origins import record, refuse_other, refuse_other_files
from localcal.files.table import read_table
from localcal.targets.table import read_targets
from localcal.weights.columns import Columns
from localcal.weights.pose import open_matrix
from localcal.weights.replicates import (
    FullFit,
    Replicate,
    Replication,
    pose_replication,
    replicate_weights,
    variance_factor,
)
from localcal.weights.rows import summarize_rows
from localcal.weights.settings import Settings
from localcal.weights.trace import read_trace

# Of a normal distribution, 90 % lie within so many standard deviations: how the Census Bureau
# publishes its margins of error.
MARGIN_90 = 1.645
TABLE = (
    "kind", "name", "geo_level", "geographic_id", "variable", "estimate", "standard_error",
    "margin_90", "relative_error",
)  # fmt: skip
# Values in a block of the file: 4 MB.
CHUNK = 1 << 20


@dataclass(frozen=True)
class ReplicateInputs:
    """The files that replicates are made from."""

    matrix: Path
    targets: Path
    geography: Path
    trace: Path
    diagnostics: Path
    fit: Path


@dataclass(frozen=True)
class ReplicateOutputs:
    """The files of a fit's replicates."""

    errors: Path
    replicates: Path
    """Written last: areas' files depend on it."""


def replicate_from_files(
    inputs: ReplicateInputs, outputs: ReplicateOutputs, settings: Settings, seed: int
) -> None:
    """Fit all replicates of a fit and write them and the standard errors.

    Args:
        inputs: the files read.
        outputs: the files written.
        settings: those of the fit.
        seed: the run's.

    Raises:
        InputError: too few households for replicates, or files that do not belong together.
    """
    matrix, places = open_matrix(inputs.matrix, inputs.targets, inputs.geography)
    targets, columns = read_targets(inputs.targets), Columns.at(places)
    full = _read_full(inputs, matrix)
    replication = pose_replication(matrix, targets, columns, settings, seed, full)
    errors = StandardErrors(matrix, columns, full.trace.weights())
    made = (errors.add(replication, found) for found in replicate_weights(replication))
    digests = {**matrix.origins(), **record({"trace": inputs.trace, "fit": inputs.fit})}
    with atomic_path(outputs.replicates) as part:
        write_replicates(replication, made, digests, part)
        factor = variance_factor(settings.replicate_method, settings.replicates)
        with atomic_path(outputs.errors) as table_part:
            errors.table(targets, factor).to_csv(table_part, index=False)


def _read_full(inputs: ReplicateInputs, matrix: CsrFile) -> FullFit:
    content = read_json(inputs.fit, ("mu", "merged", "selection", "digests"))
    beside = {"trace": inputs.trace, "diagnostics": inputs.diagnostics}
    refuse_other_files(inputs.fit, content["digests"], beside)
    refuse_other(inputs.fit, content["digests"], matrix.origins())
    single = read_table(inputs.diagnostics, ("huber_weight",), [])["huber_weight"].dropna()
    merged = [row["huber_weight"] for row in content["merged"]]
    trace, _ = read_trace(inputs.trace)
    if len(trace.base) != matrix.shape[1]:
        raise InputError(
            f"{inputs.trace}: has {len(trace.base)} columns and the matrix {matrix.shape[1]}; "
            f"{REMAKE}"
        )
    return FullFit(
        trace=trace,
        huber_weight=np.concatenate([single.to_numpy(np.float64), merged]),
        penalty=float(content["mu"]),
        is_selected=content["selection"] is not None,
    )


def write_replicates(
    replication: Replication, made: Iterable[Replicate], digests: dict, path: Path
) -> None:
    """Write replicates as they come.

    The file holds `weights`, float32 (K, n) in households, one replicate after the other; `columns`
    (n,), where the n kept columns are in the matrix, ascending; and of each replicate `sweeps` and
    `rms_gap`. Attributes: what it was made from, `method` and `variance_factor`.

    Args:
        replication: what they are replicates of.
        made: the replicates, in order.
        digests: what they were made from, by name.
        path: the file to write.
    """
    settings, order = replication.settings, np.argsort(replication.columns)
    count, n_kept = settings.replicates, len(order)
    with create_h5(path, 4 * count * n_kept + 8 * n_kept) as file:
        method = settings.replicate_method
        file.attrs.update(digests)
        file.attrs["method"] = method
        file.attrs["variance_factor"] = variance_factor(method, count)
        file.attrs["n_columns"] = replication.n_columns
        file["columns"] = replication.columns[order]
        weights = file.create_dataset(
            "weights", (count, n_kept), np.float32, chunks=(1, min(n_kept, CHUNK))
        )
        certificates = []
        for number, found in enumerate(made):
            weights[number] = found.weights[order]
            certificates.append(found.certificate)
        file["sweeps"] = np.array([one.sweeps for one in certificates], dtype=np.int64)
        file["rms_gap"] = np.array([one.rms_gap for one in certificates])


class StandardErrors:
    """Sums up how far the replicates' estimates are from the full fit's.

    Args:
        matrix: CSR (m x J).
        columns: its columns.
        weights: float32 (J,), of the full fit.
    """

    def __init__(self, matrix: CsrLike, columns: Columns, weights: np.ndarray) -> None:
        self.matrix = matrix
        self.places = {
            "nation": np.unique(np.zeros_like(columns.state), return_inverse=True),
            "state": np.unique(columns.state, return_inverse=True),
            "district": np.unique(columns.district, return_inverse=True),
        }
        self.estimate = self.estimates(weights)
        self.squares = np.zeros(len(self.estimate))
        self.n_columns = len(weights)

    def estimates(self, weights: np.ndarray) -> np.ndarray:
        """Return what the rows come to, then the households of every area."""
        weights = weights.astype(np.float64)
        households = [
            np.bincount(position, weights, len(areas)) for areas, position in self.places.values()
        ]
        return np.concatenate([summarize_rows(self.matrix, weights).estimate, *households])

    def add(self, replication: Replication, found: Replicate) -> Replicate:
        """Take in one replicate, and return it."""
        weights = np.zeros(self.n_columns, dtype=np.float32)
        weights[replication.columns] = found.weights
        away = self.estimates(weights) - self.estimate
        self.squares += away * away
        return found

    def table(self, targets: pd.DataFrame, factor: float) -> pd.DataFrame:
        """Return one row per target, then one per area: TABLE.

        `kind` is target, or households for the sum of weights in an area; estimates and errors are
        in the target's unit, or in households; `relative_error` is the standard error / |estimate|,
        empty where that is zero.
        """
        labels = targets[["name", "geo_level", "geographic_id", "variable"]].assign(kind="target")
        parts = [labels]
        for level, (areas, _) in self.places.items():
            named = ["US"] if level == "nation" else areas.astype(str).tolist()
            of_level = {"geo_level": level, "geographic_id": named, "variable": "household_count"}
            area = pd.DataFrame(of_level).assign(kind="households")
            parts.append(area.assign(name=f"households of {level} " + area["geographic_id"]))
        error = np.sqrt(factor * self.squares)
        size = np.abs(self.estimate)
        relative = np.divide(error, size, out=np.full(len(size), np.nan), where=size > 0)
        table = pd.concat(parts, ignore_index=True).assign(
            estimate=self.estimate,
            standard_error=error,
            margin_90=MARGIN_90 * error,
            relative_error=relative,
        )
        return table[list(TABLE)]


def read_replicates(path: Path, columns: np.ndarray) -> tuple[np.ndarray, dict[str, object]]:
    """Return the replicate weights of some columns, float32 (K, n), and the file's attributes.

    Args:
        path: a replicates.h5.
        columns: int64 (n,), all of them kept by the fit.

    Raises:
        InputError: the file is damaged, or of a fit that keeps other columns.
    """
    with open_h5(path) as file:
        kept, attributes = file["columns"][:], dict(file.attrs)
        place = np.searchsorted(kept, columns)
        if (place >= len(kept)).any() or (kept[np.minimum(place, len(kept) - 1)] != columns).any():
            raise InputError(f"{path}: of a fit that keeps other columns; {REMAKE}")
        rows = [file["weights"][number][place] for number in range(file["weights"].shape[0])]
    return np.stack(rows), attributes
