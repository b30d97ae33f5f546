"""Another fit to begin from, as it lies in the folder of its run."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from localcal.errors import InputError
from localcal.files.origins import record
from localcal.geography.geography import write_geography
from localcal.population.dataset import write_population
from localcal.population.population import take_households
from localcal.weights.fit import FitInputs, FitOutputs, fit_from_files
from localcal.weights.matching import LEVELS, Matched
from localcal.weights.prior import read_prior
from localcal.weights.settings import Settings
from localcal.weights.trace import Trace, write_trace
from tests.areas_case import make_run
from tests.formats.pages import differences
from tests.households import random_places, random_population

OTHER = "0" * 64


def write_run(folder: Path, households: range = range(30), seed: int = 1, **changes) -> Path:
    """Write another run as far as a fit begins from it; return its trace."""
    population = take_households(random_population(40, seed=41), np.array(households))
    places = random_places(population, 6, seed)
    beside = {name: folder / f"population/{name}.h5" for name in ("geography", "population")}
    (folder / "population").mkdir(parents=True)
    write_geography(beside["geography"], places, {})
    write_population(beside["population"], population)
    rng = np.random.default_rng(seed)
    arrays = {
        "base": places.design_weight * 1.1, "probability": np.ones(len(places)),
        "dense_factor": rng.uniform(0.5, 2.0, len(places)), "factor": np.zeros(len(places)),
    } | changes  # fmt: skip
    trace = folder / "weights/local/trace.h5"
    trace.parent.mkdir(parents=True)
    write_trace(Trace(**arrays), record(beside), trace)
    return trace


@pytest.fixture
def new(tmp_path):
    """This run's population file and the places of its columns: the last 30 of 40 households."""
    population = take_households(random_population(40, seed=41), np.arange(10, 40))
    write_population(tmp_path / "new.h5", population)
    return tmp_path / "new.h5", random_places(population, 8, seed=5)


def test_the_same_columns_begin_from_the_trace_wherever_it_lies(tmp_path, new):
    trace = write_run(tmp_path / "old")
    alone = tmp_path / "alone.h5"
    shutil.copy(trace, alone)
    with h5py.File(trace) as file:
        geography, factor = file.attrs["geography"], file["dense_factor"][:]
    places = random_places(random_population(30, seed=41), 6, seed=1)
    found = read_prior(alone, geography, places, None)
    assert isinstance(found, Trace)
    np.testing.assert_array_equal(found.dense_factor, factor)
    with pytest.raises(InputError, match="has 180 columns and the matrix 240, though they say"):
        read_prior(alone, geography, new[1], None)
    with pytest.raises(InputError, match="no such file"):
        read_prior(tmp_path / "none.h5", geography, places, None)


def test_other_columns_are_matched_by_what_lies_beside_the_trace(tmp_path, new):
    population, places = new
    found = read_prior(write_run(tmp_path / "old"), OTHER, places, population)
    assert isinstance(found, Matched)
    assert found.households == 20 and sum(found.columns.values()) == 240
    assert found.columns["nothing"] == 0 and found.columns["household_district"] > 0
    # Those of the ten new households have their places' means.
    assert found.columns["district"] >= 80 and len(np.unique(found.dense_factor[160:])) <= 10
    assert len(np.unique(found.dense_factor[:160])) > 50
    # Of other data everybody is new, and of a state without weights nothing is known.
    base = random_places(random_population(30, seed=41), 6, seed=1)
    nobody = np.where(base.state == 36, 0.0, 2.0)
    other = write_run(tmp_path / "other", dense_factor=nobody)
    someone = tmp_path / "someone.h5"
    write_population(someone, random_population(30, seed=8))
    found = read_prior(other, OTHER, places, someone)
    assert found.households == 0 and found.columns["nothing"] == (places.state == 36).sum()
    assert set(found.dense_factor[places.state == 36]) == {1.0}
    assert set(found.dense_factor[places.state != 36]) == {2.0}


def test_columns_without_design_weight_say_nothing(tmp_path, new):
    # A trace of given weights has the weight itself as base where there is no design weight.
    path = write_run(tmp_path / "old", base=np.full(180, 1e6))
    geography = path.parents[2] / "population/geography.h5"
    with h5py.File(geography, "a") as file:
        file["design_weight"][1:] = 0.0
    with h5py.File(path, "a") as file:
        file.attrs.update(record({"geography": geography}))
        factor = file["dense_factor"][0]
    found = read_prior(path, OTHER, new[1], new[0])
    assert set(found.dense_factor) == {factor, 1.0}


def test_a_trace_of_other_columns_without_its_run_is_refused(tmp_path, new):
    population, places = new
    trace = write_run(tmp_path / "old")
    alone = tmp_path / "elsewhere/weights/local/trace.h5"
    alone.parent.mkdir(parents=True)
    shutil.copy(trace, alone)
    with pytest.raises(InputError, match=r"no .*/elsewhere/population/geography.h5 and no .*n.h5"):
        read_prior(alone, OTHER, places, population)
    (tmp_path / "old/population/population.h5").rename(tmp_path / "away.h5")
    with pytest.raises(InputError, match=r"is not there: no [^ ]*/population.h5; point weights"):
        read_prior(trace, OTHER, places, population)
    (tmp_path / "away.h5").rename(tmp_path / "old/population/population.h5")
    with pytest.raises(InputError, match="not given this run's population.h5"):
        read_prior(trace, OTHER, places, None)


@pytest.mark.parametrize("name", ["geography", "population"])
def test_files_that_are_not_the_traces_are_refused(tmp_path, new, name):
    population, places = new
    trace = write_run(tmp_path / "old")
    write_run(tmp_path / "other", range(29), seed=2)
    file = tmp_path / f"old/population/{name}.h5"
    content = file.read_bytes()
    for wrong in (
        content[: len(content) // 2],
        (tmp_path / f"other/population/{name}.h5").read_bytes(),
    ):
        file.write_bytes(wrong)
        with pytest.raises(InputError, match=f"{file}: is not the {name} that .*trace.h5 was made"):
            read_prior(trace, OTHER, places, population)


def test_a_trace_that_no_fit_writes_is_refused(tmp_path, new):
    population, places = new
    for number, (changes, words) in enumerate([
        ({"dense_factor": np.full(180, np.nan)}, "column 0 has no base and dense_factor"),
        ({"base": np.where(np.arange(180) == 7, -1.0, 1.0)}, "column 7 has no base"),
        ({key: np.ones(6) for key in ("base", "dense_factor", "probability", "factor")},
         "has 6 columns and .*geography.h5 180"),
    ]):  # fmt: skip
        trace = write_run(tmp_path / str(number), **changes)
        with pytest.raises(InputError, match=words):
            read_prior(trace, OTHER, places, population)
    short = tmp_path / "short.h5"
    write_population(short, random_population(29, seed=41))
    with pytest.raises(InputError, match="short.h5: has 29 households and this run's geography 30"):
        read_prior(write_run(tmp_path / "whole"), OTHER, places, short)


def test_a_run_says_how_its_columns_were_matched_and_has_the_same_bytes_twice(tmp_path):
    run = make_run(tmp_path)
    trace = write_run(tmp_path / "old")
    inputs = {name: run[name] for name in ("matrix", "targets", "geography", "population")}
    names = ("fit.json", "diagnostics.csv", "areas.csv", "trace.h5", "weights.npy")
    made = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        outputs = FitOutputs(*(folder / name for name in names))
        fit_from_files(FitInputs(**inputs, prior=trace), outputs, Settings(penalty=0.01), 0, {})
        made.append([(folder / name).read_bytes() for name in names])
    assert made[0] == made[1]
    about = json.loads(made[0][0])["prior"]
    assert about["households"] == 30
    assert set(about["matched"]) == {*LEVELS, "nothing"}
    assert differences(tmp_path / "first/fit.json", "weights/local/fit.json") == []
    assert sum(about["matched"].values()) == 240 and about["matched"]["household_state"] > 0
