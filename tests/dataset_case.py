"""A dataset that somebody gave, and the population made from it."""

import warnings

import h5py
import pandas as pd

from localcal.microdata.sources import build_population
from localcal.population.population import ENTITIES
from tests.households import ENTITY
from tests.standin_engine import StandIn


def write_dataset(path, data, period="2024"):
    with h5py.File(path, "w") as file:
        for name, values in data.items():
            file[f"{name}/{period}"] = values
    return path


def as_tables(data):
    """Return a dataset as a table per entity, with texts as pandas has them."""
    tables = {entity: {} for entity in ENTITIES}
    for name, values in data.items():
        own = name.removesuffix("_id")
        entity = ENTITY.get(name) or (own if own in ENTITIES else "person")
        tables[entity][name] = values.astype(str) if values.dtype.kind == "S" else values
    return {entity: pd.DataFrame(columns) for entity, columns in tables.items()}


def write_tables(path, data, years=(), layout="table", period=2024, more=None):
    """Write a dataset as policyengine-us's USSingleYearDataset and USMultiYearDataset do."""
    options = {"format": layout, "track_times": False}
    options |= {"data_columns": True} if layout == "table" else {}
    with warnings.catch_warnings(), pd.HDFStore(path, "w") as store:
        # Years are no names in Python.
        warnings.simplefilter("ignore")
        for entity, frame in as_tables(data).items():
            whole = frame.assign(**(more or {}).get(entity, {}))
            for key in [f"{entity}/{year}" for year in years] or [entity]:
                store.put(key, whole, **options)
        for year in years:
            store.put(f"time_period/{year}", pd.Series([year]), **options)
        if not years and period is not None:
            store.put("_time_period", pd.Series([period]), **options)
    return path


def section(path, **changes):
    return {"source": "file", "path": str(path), "drop": [], "households": 25} | changes


def build(tmp_path, data, period="2024", **changes):
    return build_from(tmp_path, write_dataset(tmp_path / "given.h5", data, period), **changes)


def build_from(tmp_path, path, engine=None, **changes):
    outputs = tmp_path / "population.h5", tmp_path / "households.parquet"
    build_population(section(path, **changes), 2024, 0, engine or StandIn(), *outputs)
    return outputs
