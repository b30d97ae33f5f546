"""A small run up to its area files, and what validation makes of them."""

import json

import numpy as np
import pandas as pd

from localcal.areas.write import AreaInputs, write_area
from localcal.clones.follow import follow_values
from localcal.clones.freeze import freeze_values
from localcal.clones.frozen import write_frozen, write_later
from localcal.files.origins import record
from localcal.geography.areas import Area
from localcal.geography.geography import write_geography
from localcal.matrix.assemble import assemble_matrix
from localcal.matrix.chunk import build_chunk
from localcal.matrix.plan import MatrixInputs, write_plan
from localcal.population.dataset import write_population
from localcal.targets.table import write_targets
from localcal.validation.compare import validate_area
from localcal.validation.estimates import EstimateInputs, estimate_totals
from localcal.validation.inputs import ValidationInputs
from localcal.validation.simulate import simulate_area
from tests.households import random_places, random_population, targets_for
from tests.standin_engine import StandIn

RATES = """variable,entity,state,rate,reported,source
takes_up_snap_if_eligible,spm_unit,,0.7,,test
"""
# Files of a run that a validation reads.
VALIDATED = ("estimates", "weights", "targets", "population", "geography")
NATION = Area("nation", "US", "United States", "US", None, ())
ALABAMA = Area("state", "AL", "Alabama", "1", 1, ())
FIRST = Area("district", "AL-01", "Alabama 1", "101", 1, ())
CITY = Area("city", "NYC", "New York", "NYC", 36, ("36001",))


def make_run(folder):
    """Return the files of a small run: 40 households, 6 clones, weights with zeros."""
    (folder / "rates.csv").write_text(RATES)
    population = random_population(40, seed=41)
    places = random_places(population, 6, seed=41)
    frozen = freeze_values(population, places, ["medicaid"], folder / "rates.csv", 0, StandIn())
    names = ("population", "geography", "frozen", "targets", "weights", "matrix", "later")
    files = {name: folder / f"{name}.file" for name in names}
    files["weights"] = folder / "weights.npy"
    write_population(files["population"], population)
    write_geography(files["geography"], places, {})
    write_frozen(files["frozen"], frozen)
    later = follow_values(population, places, frozen, StandIn())
    write_later(files["later"], later)
    write_targets(targets_for(places), files["targets"])
    planned = MatrixInputs(*(files[name] for name in names[:4]))
    write_plan(folder / "plan.json", planned, 240, 100)
    shards = [folder / f"chunk_{chunk}.h5" for chunk in range(3)]
    for chunk, shard in enumerate(shards):
        build_chunk(chunk, folder / "plan.json", planned, StandIn(), shard)
    assemble_matrix(
        folder / "plan.json", shards, files["targets"], files["matrix"], folder / "summary.json"
    )
    random = np.random.default_rng(41)
    weights = random.gamma(0.5, 2_000, 240).astype(np.float32)
    weights[random.random(240) < 0.4] = 0
    np.save(files["weights"], weights)
    run = files | {"fit": folder / "fit.json"}
    run["fit"].write_text(json.dumps({"digests": record(area_inputs(run).fitted())}))
    run["estimates"] = folder / "estimates.h5"
    estimate_totals(estimate_inputs(run), [CITY], run["estimates"])
    return run


def estimate_inputs(run, **others):
    names = ("matrix", "weights", "targets", "geography")
    return EstimateInputs(**{name: run[name] for name in names} | others)


def area_inputs(run, **others):
    names = ("population", "geography", "frozen", "later", "weights", "fit")
    return AreaInputs(**{name: run[name] for name in names} | others)


def written(run, folder, area):
    path = folder / f"{area.area}.h5"
    write_area(area, area_inputs(run), path)
    return path


def validated(run, folder, area, parent, weights=None):
    file, parent_file = written(run, folder, area), written(run, folder, parent)
    totals = folder / f"{parent.area}.totals.h5"
    simulate_area(parent, parent_file, run["targets"], StandIn(), totals)
    inputs = {name: run[name] for name in VALIDATED}
    inputs |= {"totals": totals, "parent": parent_file, "area": file}
    if weights is not None:
        inputs |= {"weights": weights, "estimates": folder / "other_estimates.h5"}
        estimate_totals(estimate_inputs(run, weights=weights), [CITY], inputs["estimates"])
    table = folder / f"{area.area}.csv"
    validate_area(area, ValidationInputs(**inputs), table)
    return pd.read_csv(table)
