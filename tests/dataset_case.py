"""A dataset that somebody gave, and the population made from it."""

import h5py

from localcal.microdata.sources import build_population
from tests.standin_engine import StandIn


def write_dataset(path, data, period="2024"):
    with h5py.File(path, "w") as file:
        for name, values in data.items():
            file[f"{name}/{period}"] = values
    return path


def section(path, **changes):
    return {"source": "file", "path": str(path), "drop": [], "households": 25} | changes


def build(tmp_path, data, period="2024", **changes):
    path = write_dataset(tmp_path / "given.h5", data, period)
    outputs = tmp_path / "population.h5", tmp_path / "households.parquet"
    build_population(section(path, **changes), 2024, 0, StandIn(), *outputs)
    return outputs
