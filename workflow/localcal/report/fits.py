"""What the report reads of one fit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

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


def read_fit(scope: str, folder: Path) -> Fit:
    """Read the files of one fit from its folder."""
    texts = {"geographic_id": str, "domain_variable": str}
    targets = pd.read_csv(folder / "diagnostics.csv", dtype=texts)
    trace, _ = read_trace(folder / "trace.h5")
    kept = trace.factor > 0
    return Fit(
        scope=scope,
        report=json.loads((folder / "fit.json").read_text()),
        targets=targets.fillna({"domain_variable": ""}),
        areas=pd.read_csv(folder / "areas.csv", dtype={"area": str}),
        weights=trace.weights()[kept].astype(np.float64),
        factor=trace.factor[kept],
    )
