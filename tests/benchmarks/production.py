"""A run's inputs at production size, and work in children of a process with the model loaded."""

import gc
import json
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import common
import pandas as pd
from crossed import DISTRICT, NATION, PERIOD, REFORMS, STATE

from localcal.clones.freeze import FreezeInputs, freeze_from_files
from localcal.database.demo import write_demo_database
from localcal.database.reader import district_income
from localcal.engine.policyengine import PolicyEngineUS
from localcal.geography.draw import assign_geography
from localcal.geography.geography import Geography, read_geography, write_geography
from localcal.matrix.plan import MatrixInputs, write_plan
from localcal.microdata.sources import build_population
from localcal.targets.table import write_targets

HOUSEHOLDS = 12_000
CLONES = 430
SECTION = {"source": "synthetic", "households": HOUSEHOLDS, "path": None, "drop": []}


def load_engine() -> PolicyEngineUS:
    """Return the model as the warm server holds it before it forks."""
    engine = PolicyEngineUS()
    engine.warm_up([name for name, _ in DISTRICT + STATE + NATION] + ["tax_unit_is_filer"])
    gc.collect()
    gc.freeze()
    return engine


def make_inputs(folder: Path, engine: PolicyEngineUS, repository: Path, seed: int) -> MatrixInputs:
    """Write everything that chunks read for 12,000 synthetic households and 430 clones."""
    config = repository / "config"
    inputs = MatrixInputs(
        *(folder / name for name in ("population.h5", "geography.h5", "f.h5", "targets.parquet"))
    )
    households = folder / "households.parquet"
    build_population(SECTION, PERIOD, seed, engine, inputs.population, households)
    database = folder / "policy_data.db"
    write_demo_database(config / "published", config / "areas.tsv", database)
    income = district_income(database, PERIOD)
    geography = assign_geography(
        households=pd.read_parquet(households),
        places=config / "geography/county_district.csv",
        district_population=config / "geography/district_population.csv",
        n_clones=CLONES,
        income_percentile=90,
        income=income,
        state_exponent=-0.3,
        seed=seed,
    )
    write_geography(inputs.geography, geography, {})
    write_targets(targets(geography, reforms=True), inputs.targets)
    sources = FreezeInputs(
        inputs.population, inputs.geography, inputs.targets, config / "take_up.csv"
    )
    freeze_from_files(sources, seed, engine, inputs.frozen)
    return inputs


def targets(geography: Geography, reforms: bool) -> pd.DataFrame:
    """Return some 16,000 targets: every measure of every level in every place."""
    places = {
        "nation": ["US"],
        "state": sorted({str(state) for state in geography.state}),
        "district": sorted({str(district) for district in geography.district}),
    }
    measures = {
        "district": DISTRICT,
        "state": DISTRICT + STATE,
        "nation": DISTRICT + STATE + NATION,
    }
    rows = [
        (level, place, variable, 0, constraints)
        for level, areas in places.items()
        for place in areas
        for variable, constraints in measures[level]
    ]
    if reforms:
        rows += [("nation", "US", name, 1 + n, []) for n, name in enumerate(REFORMS)]
    return pd.DataFrame(
        [
            {
                "target_id": number,
                "stratum_id": number,
                "variable": variable,
                "reform_id": reform,
                "period": PERIOD,
                "geo_level": level,
                "geographic_id": place,
                "domain_variable": "",
                "constraints": json.dumps(constraints),
                "original_value": 1.0,
                "uprating_factor": 1.0,
                "value": 1.0,
                "tolerance": float("nan"),
                "name": f"{level}/{place}/{number}",
                "source": "benchmark",
            }
            for number, (level, place, variable, reform, constraints) in enumerate(rows)
        ]
    )


def plan_of(inputs: MatrixInputs, folder: Path, chunk_columns: int) -> Path:
    """Write the plan for one chunk size."""
    path = folder / f"plan_{chunk_columns}.json"
    columns = read_geography(inputs.geography).household.size
    write_plan(path, inputs, columns, chunk_columns)
    return path


@dataclass(frozen=True)
class Cost:
    """What a child took: seconds, and MB with everything it shares with its parent."""

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float
    result: object


def in_child(work: Callable, *arguments: object) -> Cost:
    """Call a function in a forked child, as the warm server does for every job."""
    return common.in_new_process(_counted, work, arguments, method="fork")


def used_so_far() -> tuple[float, float]:
    """Return this process's CPU seconds and peak MB."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def _counted(work: Callable, arguments: tuple) -> Cost:
    wall = time.perf_counter()
    result = work(*arguments)
    wall = time.perf_counter() - wall
    cpu_seconds, peak_mb = used_so_far()
    return Cost(cpu_seconds, wall, peak_mb, result)
