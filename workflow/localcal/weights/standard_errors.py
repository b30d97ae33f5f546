"""Standard errors of every target and area, from replicate weights written one by one."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.errors import REMAKE, InputError
from localcal.files.atomic import atomic_path
from localcal.files.csr import CsrFile, CsrLike
from localcal.files.documents import read_json
from localcal.files.origins import record, refuse_other, refuse_other_files
from localcal.files.replicates import write_replicates
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

logger = logging.getLogger(__name__)

# Of a normal distribution, 90 % lie within so many standard deviations: how the Census Bureau
# publishes its margins of error.
MARGIN_90 = 1.645
TABLE = (
    "kind", "name", "geo_level", "geographic_id", "variable", "estimate", "standard_error",
    "margin_90", "relative_error",
)  # fmt: skip
# Of these, what goes into the tables of the fit.
ADDED = ("standard_error", "margin_90", "relative_error")


@dataclass(frozen=True)
class ReplicateInputs:
    """The files that replicates are made from."""

    matrix: Path
    targets: Path
    geography: Path
    trace: Path
    diagnostics: Path
    areas: Path
    fit: Path


@dataclass(frozen=True)
class ReplicateOutputs:
    """The files of a fit's replicates."""

    errors: Path
    diagnostics: Path
    """The fit's, with the errors of every target."""
    areas: Path
    """The fit's, with the errors of every area's households."""
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
    factor = variance_factor(settings.replicate_method, settings.replicates)
    attributes = {
        **matrix.origins(),
        **record({"trace": inputs.trace, "fit": inputs.fit}),
        "method": settings.replicate_method,
        "variance_factor": factor,
        "n_columns": replication.n_columns,
    }
    with atomic_path(outputs.replicates) as part:
        made = _taken_in(errors, replication)
        write_replicates(replication.columns, made, settings.replicates, attributes, part)
        table = errors.table(targets, factor)
        for found, path in (
            (table, outputs.errors),
            (with_errors(inputs.diagnostics, table, "target", ""), outputs.diagnostics),
            (with_errors(inputs.areas, table, "households", "households_"), outputs.areas),
        ):
            with atomic_path(path) as table_part:
                found.to_csv(table_part, index=False)


def with_errors(path: Path, errors: pd.DataFrame, kind: str, prefix: str) -> pd.DataFrame:
    """Return a table of a fit, as it is written, with the errors of one kind as last columns.

    Args:
        path: diagnostics.csv or areas.csv.
        errors: of `StandardErrors.table`.
        kind: target or households: the rows that belong to the table's, in its order.
        prefix: before the names of the new columns.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    found = errors.loc[errors["kind"] == kind, list(ADDED)].reset_index(drop=True)
    return table.join(found.add_prefix(prefix), validate="one_to_one")


def _taken_in(
    errors: "StandardErrors", replication: Replication
) -> Iterator[tuple[np.ndarray, int, float]]:
    """Yield what the file holds of each replicate, and have it counted."""
    short, gap = 0, 0.0
    for found in replicate_weights(replication):
        errors.add(replication, found)
        short += not found.certificate.within_tolerance
        gap = max(gap, found.certificate.rms_gap)
        yield found.weights, found.certificate.sweeps, found.certificate.rms_gap
    if short:
        logger.warning(
            "%d of %d replicates ended by the cap on sweeps, with an rms gap of up to %.2g, above "
            "the tolerance of %g", short, replication.settings.replicates, gap,
            replication.settings.tolerance,
        )  # fmt: skip


def _read_full(inputs: ReplicateInputs, matrix: CsrFile) -> FullFit:
    content = read_json(inputs.fit, ("mu", "merged", "selection", "digests"))
    beside = {name: getattr(inputs, name) for name in ("trace", "diagnostics", "areas")}
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

    def add(self, replication: Replication, found: Replicate) -> None:
        """Take in one replicate."""
        weights = np.zeros(self.n_columns, dtype=np.float32)
        weights[replication.columns] = found.weights
        away = self.estimates(weights) - self.estimate
        self.squares += away * away

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
