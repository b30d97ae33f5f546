"""What the report reads of one fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.files.documents import read_json
from localcal.files.origins import refuse_other_files
from localcal.files.table import read_table
from localcal.weights.trace import read_trace


@dataclass(frozen=True)
class Fit:
    """One scope's fit."""

    scope: str
    report: Mapping
    """Content of fit.json."""
    targets: pd.DataFrame
    """Content of diagnostics.csv."""
    areas: pd.DataFrame
    """Content of areas.csv."""
    weights: np.ndarray
    """float64 (K,): positive weights, households."""
    factor: np.ndarray
    """float64 (K,): their factors on the scaled design weight / selection probability."""
    kept: np.ndarray
    """bool (N,): the columns that have them."""


# What the report shows of fit.json and of the tables beside it.
REPORTED = (
    "accuracy", "dearest", "errors", "findings", "loss", "n_columns", "n_targets", "penalty",
    "records_per_target", "rms_gap", "settings", "stopped_by", "sweeps", "targets_by_verdict",
    "weights", "worst",
)  # fmt: skip
LABELS = (
    "name", "geo_level", "geographic_id", "variable", "domain_variable", "constraints", "verdict",
    "role", "source",
)  # fmt: skip
ESTIMATES = (
    "published_value", "target_value", "harmonized_value", "base_estimate", "final_estimate",
    "rel_error", "columns", "effective_households",
)  # fmt: skip
AREA_COLUMNS = (
    "level", "area", "records", "sum_of_weights", "effective_households", "largest_share",
    "fitted", "median", "p90", "max",
)  # fmt: skip


def read_fit(scope: str, folder: Path) -> Fit:
    """Read the files of one fit from its folder.

    Raises:
        InputError: one of them is missing or damaged.
    """
    report, diagnostics = folder / "fit.json", folder / "diagnostics.csv"
    areas, traced = folder / "areas.csv", folder / "trace.h5"
    content = read_json(report, (*REPORTED, "digests"))
    beside = {"diagnostics": diagnostics, "areas": areas, "trace": traced}
    refuse_other_files(report, content["digests"], beside)
    targets = read_table(diagnostics, (*LABELS, *ESTIMATES), LABELS)
    trace, _ = read_trace(traced)
    kept = trace.factor > 0
    return Fit(
        scope=scope,
        report={key: content[key] for key in REPORTED},
        targets=targets.fillna({"domain_variable": "", "source": ""}),
        areas=read_table(areas, AREA_COLUMNS, ["level", "area"]),
        weights=trace.weights()[kept].astype(np.float64),
        factor=trace.factor[kept],
        kept=kept,
    )
