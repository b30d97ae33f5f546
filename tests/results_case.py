"""Small runs with results to compare: written by the project's own writers, without Snakemake."""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from localcal.files.atomic import write_json
from localcal.files.made import record_outputs, record_path
from localcal.targets.table import write_targets

# (level, area, variable, value); two households in two clones live in California.
TARGETS = (
    ("nation", "US", "household_count", 100.0),
    ("state", "6", "household_count", 40.0),
    ("state", "6", "snap", 5e6),
)
ERRORS = (
    ("nation", "household_count", "fitted", 0.01),
    ("state", "household_count", "fitted", -0.02),
    ("state", "snap", "fitted", 0.04),
    ("state", "snap", "left_out", None),
)
CONFIG = {"seed": 0, "weights": {"local": {"penalty": 0.1}}}


class Results:
    """A run's folder.

    Args:
        folder: the run's.
        config: what run.json says of it, besides the usual.
    """

    def __init__(self, folder: Path, **config: object) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        content = {
            "config": CONFIG | config,
            "inputs": {"areas.path": {"path": "areas.tsv", "sha256": "a" * 64}},
            "code": {"build_chunk": "c" * 64},
            "versions": {"numpy": "2.0.0"},
            "commit": "d" * 40,
            "clean": True,
            "branch": "main",
        }
        write_json(folder / "run.json", content)

    def complete(self) -> "Results":
        """Write everything that is compared."""
        self.targets(TARGETS)
        self.places([0, 0, 1, 1])
        for scope in ("local", "national"):
            self.weights([1, 2, 3, 0], scope)
            self.errors(ERRORS, scope)
        self.validation(0.01)
        return self

    def record(self, name: str) -> None:
        """Record a file as made; what it was before does not matter."""
        file = self.folder / name
        run = f"runs/{self.folder.name}"
        record_outputs([str(file), record_path(file, run)], run, "rule", {}, {})

    def _new(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def targets(self, rows, constraint: str = "[]") -> None:
        """Write resolved targets."""
        frame = pd.DataFrame(rows, columns=["geo_level", "geographic_id", "variable", "value"])
        number = np.arange(len(frame), dtype=np.int64)
        name = frame["geo_level"] + "_" + frame["geographic_id"] + "/" + frame["variable"]
        frame = frame.assign(
            target_id=number,
            stratum_id=number,
            reform_id=0,
            period=2024,
            domain_variable="",
            constraints=constraint,
            original_value=frame["value"],
            uprating_factor=1.0,
            tolerance=0.0,
            name=name,
            source="test",
        )
        write_targets(frame, self._new("targets/targets.parquet"))
        self.record("targets/targets.parquet")

    def places(self, household: list[int], population: str = "households") -> None:
        """Write which household each column is of, and the households."""
        self._new("population/population.h5").write_text(population)
        with h5py.File(self._new("population/geography.h5"), "w", track_order=False) as file:
            file["household"] = np.array(household, dtype=np.int32)
        for name in ("population", "geography"):
            self.record(f"population/{name}.h5")

    def weights(self, weights: list[float], scope: str = "local") -> None:
        """Write weights, and what the fit says of them."""
        name = f"weights/{scope}/weights.npy"
        np.save(self._new(name), np.array(weights, dtype="<f4"))
        self.record(name)
        fit = f"weights/{scope}/fit.json"
        write_json(self._new(fit), {"weights": {"design_effect": 1.25}})
        self.record(fit)

    def errors(self, rows, scope: str = "local") -> None:
        """Write diagnostics."""
        frame = pd.DataFrame(rows, columns=["geo_level", "variable", "role", "rel_error"])
        name = f"weights/{scope}/diagnostics.csv"
        frame.assign(domain_variable="").to_csv(self._new(name), index=False)
        self.record(name)

    def validation(self, median: float) -> None:
        """Write a summary of one level."""
        level = {
            "rows": 3,
            "with_target": 2,
            "median_abs_rel_error": median,
            "p90_abs_rel_error": 2 * median,
            "largest_abs_rel_error": 3 * median,
        }
        name = "validation/summary.json"
        content = {"areas": 4, "insane": [], "levels": {"state": level}}
        write_json(self._new(name), content)
        self.record(name)

    def amend(self, **changes: object) -> None:
        """Add changes to the history."""
        listed = [{"what": what, "old": None, "new": new} for what, new in changes.items()]
        (self.folder / "history.jsonl").write_text(json.dumps({"changes": listed}) + "\n")
