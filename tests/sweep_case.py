"""A small sweep on the area files of a small run, with an engine that can be watched and broken."""

import gc
import json
import os
import signal
import weakref
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from localcal.areas.replicates import AreaReplicateInputs, write_area_replicates
from localcal.engine.protocol import CalculationError
from localcal.files.origins import record
from localcal.files.replicates import write_replicates
from localcal.sweeps import batch as batches
from localcal.sweeps.batch import Setting, plan_sweep, run_batch
from localcal.sweeps.bench import AreaFiles, RunFiles
from localcal.sweeps.collect import collect_failures, collect_outcome, collect_sweep
from localcal.sweeps.names import file_of
from localcal.sweeps.plan import draws_of, read_plan
from localcal.sweeps.sets import parameter_sets
from localcal.sweeps.settings import Sweep, batch_names
from localcal.sweeps.simulate import run_cells, write_baseline
from tests.areas_case import ALABAMA, NATION, written
from tests.standin_engine import StandIn, StandInSimulation

AREAS = {"US": NATION, "AL": ALABAMA}
ENGINE = "tests.standin_engine:StandIn"
OUTCOMES = ("cost", "revenue")


class Watched(StandIn):
    """Counts simulations, sees which of them and of their arrays are alive, and fails on demand.

    `broken_at` says of a value of `swept` what is raised in a simulation under it.
    """

    def __init__(self, swept="snap.maximum", broken_at=None):
        self.swept = swept
        self.broken_at = broken_at or {}
        self.begun = []
        self.alive = weakref.WeakSet()
        self.most_alive = 0
        self.arrays = []

    def simulate(self, population, common=None, units=None):
        value = next((c.value for c in reversed(self.changes) if c.path == self.swept), None)
        self.begun.append(value)
        if value in self.broken_at:
            raise self.broken_at[value]
        simulation = WatchedSimulation(self, population, common=common, units=units)
        self.alive.add(simulation)
        self.most_alive = max(self.most_alive, len(self.alive))
        return simulation

    @property
    def reforms(self):
        """Return the values of the parameter in the simulations under a reform."""
        return [value for value in self.begun if value is not None]

    @property
    def arrays_alive(self):
        return sum(array() is not None for array in self.arrays)


class WatchedSimulation(StandInSimulation):
    """Notes the arrays that it hands out under a reform."""

    def calculate(self, variable, year=None):
        found = super().calculate(variable, year)
        if self._engine.changes:
            self._engine.arrays.append(weakref.ref(found))
        return found


class Lethal(StandIn):
    """Is killed from outside in every simulation with a SNAP of 4,000 dollars."""

    def simulate(self, population, common=None, units=None):
        if any(change.value == 4_000 for change in self.changes):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().simulate(population, common, units)


def unusable(words="negative income"):
    return CalculationError(f"snap: {words}", 0)


class Case:
    """A sweep in a folder: its settings and sets, and the steps that its rules are."""

    def __init__(self, run, folder, monkeypatch, table=None, **settings):
        self.run, self.folder, self.monkeypatch = run, folder, monkeypatch
        self.engine = Watched()
        self.limits = []
        table = table or "snap.maximum\n" + "".join(f"{1000 * n}\n" for n in range(1, 11))
        (folder / "sets.csv").write_text(table)
        self.settings = {
            "parameters": str(folder / "sets.csv"),
            "areas": ["AL"],
            "outcomes": OUTCOMES,
            "pilot": 0,
            "batch_size": 4,
        } | settings
        self.outputs = folder / "sweep"
        self.killed_by = {}
        self.engine_name = ENGINE
        self.warm = batches.run_with_engine
        monkeypatch.setattr(batches, "run_with_engine", self.in_process)

    def in_process(self, engine, function, limit_mb, **arguments):
        """Do the work here; what a killed process means to its client is a MemoryError."""
        assert function == "localcal.sweeps.simulate:run_cells"
        self.limits.append(limit_mb)
        return run_cells(self.engine, **arguments)

    @property
    def sweep(self):
        return Sweep.model_validate(self.settings)

    @property
    def sets(self):
        return parameter_sets(self.sweep.parameters, "sweep.yaml")

    @property
    def setting(self):
        sweep = self.sweep
        areas = {name: self.files(name) for name in sweep.areas}
        return Setting(
            "test",
            sweep,
            self.engine_name,
            0,
            areas,
            self.draws_from,
            {1: "AL"},
            self.outputs / "sets",
            "code",
        )

    @property
    def draws_from(self):
        return RunFiles(self.run["population"], self.run["frozen"], 6)

    def files(self, name):
        path = self.folder / f"{name}.h5"
        if not path.exists():
            written(self.run, self.folder, AREAS[name])
        replicates = self.replicates(name) if self.sweep.replicates else None
        files = AreaFiles(path, replicates)
        seeds = "_".join(str(draw.seed) for draw in self.draws)
        baseline = self.outputs / f"baseline_{name}_{seeds}.h5"
        if not baseline.exists():
            baseline.parent.mkdir(exist_ok=True)
            write_baseline(
                StandIn(), files, self.draws_from, self.draws, self.sweep.outcomes, 10_000, baseline
            )
        return replace(files, baseline=baseline)

    @property
    def draws(self):
        return draws_of(self.sweep, 0)

    def replicates(self, name):
        """Write three replicates: the weights times 2, 3 and 4."""
        path = self.folder / f"{name}_replicates.h5"
        if not path.exists():
            weights = np.load(self.run["weights"])
            kept = np.flatnonzero(weights)
            about = record({key: self.run[key] for key in ("population", "geography")})
            about |= {"method": "bootstrap", "variance_factor": 0.5, "n_columns": len(weights)}
            made = [(weights[kept] * times, 1, 0.1) for times in (2, 3, 4)]
            source = self.folder / "replicates.h5"
            write_replicates(kept, made, 3, about, source)
            inputs = (self.run[key] for key in ("population", "geography", "weights"))
            write_area_replicates(AREAS[name], AreaReplicateInputs(*inputs, source), path)
        return path

    def plan(self):
        outputs = {
            "plan": self.outputs / "plan.parquet",
            "about": self.outputs / "plan.json",
            "cost": self.outputs / "cost.json",
        }
        plan_sweep(self.setting, self.sets, self.sweep.batch_size, "test.yaml", outputs)
        return outputs

    @property
    def batch_paths(self):
        names = batch_names(len(self.sets.ids), self.sweep.batch_size)
        return [self.outputs / "batches" / f"batch_{name}.parquet" for name in names]

    def run_one(self, number):
        path = self.batch_paths[number]
        run_batch(self.setting, self.outputs / "plan.parquet", number, 10_000, path)
        return pq.read_table(path).to_pandas()

    def collect(self):
        plan = self.outputs / "plan.parquet"
        folder = self.outputs / "outcomes"
        outcomes = [folder / f"{file_of(name)}.parquet" for name in self.sweep.outcomes]
        for name, path in zip(self.sweep.outcomes, outcomes, strict=True):
            collect_outcome(plan, self.batch_paths, name, path)
        failures = self.outputs / "failures.parquet"
        collect_failures(plan, self.batch_paths, failures)
        manifest = self.outputs / "manifest.json"
        files = {
            "plan": [plan],
            "batches": self.batch_paths,
            "outcomes": outcomes,
            "failures": [failures],
        }
        repeated = len(self.sets.repeated)
        collect_sweep("test", "demo", self.sweep, self.draws, repeated, files, manifest)
        return json.loads(manifest.read_text())

    def all(self, order=None):
        self.plan()
        for number in order or range(len(self.batch_paths)):
            self.run_one(number)
        return self.collect()

    def views(self):
        """Return the bytes of everything that is collected."""
        paths = [*(self.outputs / "outcomes").iterdir(), self.outputs / "failures.parquet"]
        paths.append(self.outputs / "manifest.json")
        return {path.name: path.read_bytes() for path in sorted(paths)}

    def read(self, outcome):
        return pq.read_table(self.outputs / "outcomes" / f"{outcome}.parquet").to_pandas()

    def finished(self):
        return sorted((self.outputs / "sets").rglob("*.parquet"))


@contextmanager
def no_collector():
    """Free only what nothing refers to, at once: what lies in a circle stays."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


__all__ = ["Case", "Path", "Watched", "no_collector", "read_plan", "unusable"]
