"""Make the run in `example/`: small, with the toy model, and with replicates.

    python -m tests.formats.make_example [FOLDER]

For whoever changes a format. The run is a fixture for readers that others write, and
`test_formats.py` makes it anew to see that what is in it is still what localcal writes.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from localcal.jobs.job import same_arithmetic

# As in a job; read when numpy is imported.
os.environ.update(same_arithmetic())

import numpy as np
import pandas as pd

from localcal.areas.replicates import AreaReplicateInputs, write_area_replicates
from localcal.areas.write import AreaInputs, write_area
from localcal.clones.follow import follow_values
from localcal.clones.freeze import freeze_values
from localcal.clones.frozen import write_frozen, write_later
from localcal.geography.areas import Area
from localcal.geography.geography import Geography, write_geography
from localcal.matrix.assemble import assemble_matrix
from localcal.matrix.chunk import build_chunk
from localcal.matrix.plan import MatrixInputs, write_plan
from localcal.population.dataset import write_population
from localcal.population.population import Population
from localcal.targets.table import write_targets
from localcal.validation.compare import validate_area
from localcal.validation.estimates import EstimateInputs, estimate_totals
from localcal.validation.inputs import ValidationInputs
from localcal.validation.simulate import simulate_area
from localcal.weights.fit import FitInputs, FitOutputs, fit_from_files
from localcal.weights.settings import Settings
from localcal.weights.standard_errors import (
    ReplicateInputs,
    ReplicateOutputs,
    replicate_from_files,
)
from tests.households import random_places, random_population, targets_for
from tests.standin_engine import StandIn

EXAMPLE = Path(__file__).parent / "example"
HOUSEHOLDS, CLONES, CHUNK_COLUMNS, SEED = 12, 3, 20, 5
MEASURES = [
    ("household_count", 0, []),
    ("person_count", 0, []),
    ("person_count", 0, [("age", ">", "4"), ("age", "<", "18")]),
    ("employment_income", 0, []),
]
SETTINGS = {"minimum_columns": 3, "minimum_households": 3, "penalty": 0.1, "replicates": 3}
CALIFORNIA = Area("state", "CA", "California", "6", 6, ())
NATION = Area("nation", "US", "United States", "US", None, ())
GEOGRAPHY = {
    "source": "file",
    "clones": CLONES,
    "state_exponent": -0.3,
    "income_percentile": 90,
    "seed": SEED,
}


def make(folder: Path) -> None:
    """Make the run in a folder of its own."""
    population = random_population(HOUSEHOLDS, seed=SEED)
    places = random_places(population, CLONES, seed=SEED)
    for name in ("population", "targets", "matrix/chunks", "weights", "validation/totals"):
        (folder / name).mkdir(parents=True)
    given = what_is_given(population, places)
    (folder / "expected.json").write_text(json.dumps(given, indent=1) + "\n")
    files = {
        "population": folder / "population/population.h5",
        "geography": folder / "population/geography.h5",
        "frozen": folder / "population/frozen.h5",
        "targets": folder / "targets/targets.parquet",
    }
    make_inputs(folder, files, population, places)
    planned = MatrixInputs(**files)
    plan, matrix = folder / "matrix/plan.json", folder / "matrix/matrix.h5"
    write_plan(plan, planned, HOUSEHOLDS * CLONES, CHUNK_COLUMNS, ["age", "employment_income"])
    shards = [folder / f"matrix/chunks/chunk_{chunk:06d}.h5" for chunk in range(2)]
    for chunk, shard in enumerate(shards):
        build_chunk(chunk, plan, planned, StandIn(), shard)
    summary = folder / "matrix/summary.json"
    assemble_matrix(plan, shards, files["targets"], matrix, summary)
    for area in (CALIFORNIA, NATION):
        make_area(folder, area, files | {"matrix": matrix})


def what_is_given(population: Population, places: Geography) -> dict:
    """Return what the run is given in plain numbers, for readers to compare with."""
    of_household = {
        name: [values.tolist() for values in np.split(all_of_them, starts)]
        for name, all_of_them, starts in (
            (name, population.values[name], population.starts["person"][1:-1])
            for name in ("age", "employment_income")
        )
    }
    return {
        "about": "What the run was given: persons of each household by age and by earnings, and "
        "the place of each column.",
        "clones": CLONES,
        "household_id": population.ids["household"].tolist(),
        "household_weight": population.values["household_weight"].tolist(),
        **of_household,
        "state": places.state.tolist(),
        "district": places.district.tolist(),
    }


def make_inputs(
    folder: Path, files: dict[str, Path], population: Population, places: Geography
) -> None:
    """Write what the matrix is made from."""
    rates = folder / "rates.csv"
    rates.write_text(
        "variable,entity,state,rate,reported,source\n"
        "takes_up_snap_if_eligible,spm_unit,,0.6,,test\n"
    )
    frozen = freeze_values(population, places, ["medicaid"], rates, SEED, StandIn())
    rates.unlink()
    write_population(files["population"], population)
    write_geography(files["geography"], places, GEOGRAPHY)
    write_frozen(files["frozen"], frozen)
    later = follow_values(population, places, frozen, StandIn())
    write_later(folder / "population/later.h5", later)
    targets = targets_for(places, MEASURES)
    value = np.array(list(values_of(targets, population, places)))
    write_targets(targets.assign(original_value=value, value=value), files["targets"])


def values_of(targets: pd.DataFrame, population: Population, places: Geography) -> Iterator[float]:
    """Yield what each target is to come to: a tenth more than the design weights do."""
    starts = population.starts["person"][:-1]
    age, income = population.values["age"], population.values["employment_income"]
    each = [
        np.ones(HOUSEHOLDS),
        np.add.reduceat(np.ones(len(age)), starts),
        np.add.reduceat(((age > 4) & (age < 18)).astype(float), starts),
        np.add.reduceat(income.astype(float), starts),
    ]
    for row, (level, place) in enumerate(
        zip(targets["geo_level"], targets["geographic_id"], strict=True)
    ):
        here = np.ones(len(places)) if level == "nation" else getattr(places, level) == int(place)
        amount = each[row % len(MEASURES)][places.household]
        yield 1.1 * float(np.sum(places.design_weight * here * amount))


def make_area(folder: Path, area: Area, files: dict[str, Path]) -> None:
    """Fit the weights of an area's scope, and write its dataset and all about both."""
    weights = folder / "weights" / area.scope
    weights.mkdir()
    (folder / "areas" / area.folder).mkdir(parents=True)
    (folder / "validation" / area.folder).mkdir()
    made = {
        name: weights / f"{name}{suffix}"
        for name, suffix in (
            ("fit", ".json"),
            ("diagnostics", ".csv"),
            ("areas", ".csv"),
            ("trace", ".h5"),
            ("weights", ".npy"),
        )
    }
    levels = ("nation", "state", "district") if area.scope == "local" else ("nation",)
    settings = Settings(**SETTINGS, levels=levels)
    of_fit = {name: files[name] for name in ("matrix", "targets", "geography")}
    fit_from_files(FitInputs(**of_fit), FitOutputs(**made), settings, SEED, {})
    estimates = weights / "estimates.h5"
    estimate_totals(EstimateInputs(**of_fit, weights=made["weights"]), [], estimates)
    replicates = weights / "replicates.h5"
    outputs = ReplicateOutputs(
        errors=weights / "standard_errors.csv",
        diagnostics=weights / "diagnostics_with_errors.csv",
        areas=weights / "areas_with_errors.csv",
        replicates=replicates,
    )
    about = {name: path for name, path in made.items() if name != "weights"}
    replicate_from_files(ReplicateInputs(**of_fit, **about), outputs, settings, SEED)
    dataset = folder / "areas" / area.folder / f"{area.area}.h5"
    places = {name: files[name] for name in ("population", "geography")}
    inputs = AreaInputs(
        **places,
        frozen=files["frozen"],
        later=folder / "population/later.h5",
        weights=made["weights"],
        fit=made["fit"],
    )
    write_area(area, inputs, dataset)
    write_area_replicates(
        area,
        AreaReplicateInputs(**places, weights=made["weights"], replicates=replicates),
        dataset.with_name(f"{area.area}_replicates.h5"),
    )
    totals = folder / f"validation/totals/{area.area}.h5"
    simulate_area(area, dataset, files["targets"], StandIn(), totals)
    validated = ValidationInputs(
        **places,
        totals=totals,
        parent=dataset,
        area=dataset,
        targets=files["targets"],
        weights=made["weights"],
        estimates=estimates,
    )
    validate_area(area, validated, folder / f"validation/{area.folder}/{area.area}.csv")


if __name__ == "__main__":
    made = Path(sys.argv[1]) if sys.argv[1:] else EXAMPLE
    shutil.rmtree(made, ignore_errors=True)
    sys.exit(make(made))
