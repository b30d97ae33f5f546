"""Area files and what validation makes of them, on the stand-in model."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest

import localcal.areas.write
from localcal.areas.write import write_area
from localcal.clones.freeze import freeze_values
from localcal.clones.frozen import write_frozen
from localcal.errors import InputError
from localcal.files.atomic import sha256_file
from localcal.geography.areas import Area
from localcal.geography.geography import columns_in_area, write_geography
from localcal.matrix.assemble import assemble_matrix
from localcal.matrix.chunk import build_chunk
from localcal.matrix.plan import write_plan
from localcal.population.dataset import read_population, write_population
from localcal.targets.evaluate import Evaluation
from localcal.targets.measures import distinct_measures
from localcal.targets.table import read_targets, write_targets
from localcal.validation.compare import summarize_validation, validate_area
from localcal.validation.totals import rows_of_area, simulate_area
from tests.households import random_places, random_population, targets_for
from tests.standin_engine import StandIn

RATES = """variable,entity,state,rate,reported,source
takes_up_snap_if_eligible,spm_unit,,0.7,,test
"""
NATION = Area("national", "US", "United States", "US", None, ())
ALABAMA = Area("states", "AL", "Alabama", "1", 1, ())
FIRST = Area("districts", "AL-01", "Alabama 1", "101", 1, ())
CITY = Area("cities", "NYC", "New York", "NYC", 36, ("36001",))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the files of a small run: 40 households, 6 clones, weights with zeros."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "rates.csv").write_text(RATES)
    population = random_population(40, seed=41)
    places = random_places(population, 6, seed=41)
    frozen = freeze_values(population, places, ["medicaid"], folder / "rates.csv", 0, StandIn())
    names = ("population", "geography", "frozen", "targets", "weights", "matrix")
    files = {name: folder / f"{name}.file" for name in names}
    files["weights"] = folder / "weights.npy"
    write_population(files["population"], population)
    write_geography(files["geography"], places, {})
    write_frozen(files["frozen"], frozen)
    write_targets(targets_for(places), files["targets"])
    planned = {name: files[name] for name in ("population", "geography", "frozen", "targets")}
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
    digests = {name: sha256_file(path) for name, path in area_inputs(files).items()}
    (folder / "fit.json").write_text(json.dumps({"digests": digests}))
    return files | {"fit": folder / "fit.json"}


def area_inputs(run):
    return {name: run[name] for name in ("population", "geography", "frozen", "weights")}


def written(run, folder, area):
    path = folder / f"{area.area}.h5"
    write_area(area, run["fit"], area_inputs(run), path)
    return path


def validated(run, folder, area, parent, weights=None):
    file, parent_file = written(run, folder, area), written(run, folder, parent)
    totals = folder / f"{parent.area}.totals.h5"
    simulate_area(parent, parent_file, run["targets"], StandIn(), totals)
    inputs = {name: run[name] for name in ("matrix", "weights", "targets", "geography")}
    inputs |= {"totals": totals, "parent": parent_file, "area": file}
    if weights is not None:
        inputs["weights"] = weights
    table = folder / f"{area.area}.csv"
    validate_area(area, inputs, table)
    return pd.read_csv(table)


@pytest.mark.parametrize(
    ("area", "parent"), [(NATION, NATION), (ALABAMA, ALABAMA), (FIRST, ALABAMA), (CITY, CITY)]
)
def test_the_files_say_what_the_matrix_promised(run, tmp_path, area, parent):
    table = validated(run, tmp_path, area, parent)
    assert len(table) == rows_of_area(area, read_targets(run["targets"])).size > 0
    assert (table["simulated"].abs() > 0).sum() > 10
    np.testing.assert_allclose(table["simulated"], table["estimate"], rtol=2e-6, atol=1e-3)


def test_an_area_s_file_has_its_columns_and_nobody_else(run, tmp_path):
    population = read_population(written(run, tmp_path, ALABAMA))
    from localcal.geography.geography import read_geography

    places, weights = read_geography(run["geography"]), np.load(run["weights"])
    chosen = np.flatnonzero((places.state == 1) & (weights > 0))
    assert np.array_equal(population.values["household_weight"], weights[chosen])
    assert (population.values["state_fips"] == 1).all()
    assert (population.values["county_fips"] == b"01001").all()
    base = read_population(run["population"])
    sizes = np.diff(base.starts["person"])[places.household[chosen]]
    assert np.array_equal(np.diff(population.starts["person"]), sizes)


def test_the_block_size_of_the_writer_does_not_show(run, tmp_path, monkeypatch):
    whole = written(run, tmp_path, NATION).read_bytes()
    (tmp_path / "US.h5").unlink()
    monkeypatch.setattr(localcal.areas.write, "BLOCK_COLUMNS", 7)
    assert written(run, tmp_path, NATION).read_bytes() == whole


def test_an_area_without_weight_is_refused(run, tmp_path):
    nowhere = Area("districts", "AL-07", "Alabama 7", "107", 1, ())
    with pytest.raises(InputError, match="districts/AL-07: no household has a positive weight"):
        written(run, tmp_path, nowhere)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["population", "geography", "frozen", "weights"])
def test_files_that_the_weights_were_not_fitted_to_are_refused(run, tmp_path, name):
    other = tmp_path / run[name].name
    other.write_bytes(run[name].read_bytes() + b"x")
    inputs = area_inputs(run) | {name: other}
    with pytest.raises(InputError, match=f"{other}: is not the {name} that"):
        write_area(NATION, run["fit"], inputs, tmp_path / "US.h5")


def test_weights_of_another_length_are_refused(run, tmp_path):
    np.save(tmp_path / "short.npy", np.ones(100, np.float32))
    inputs = area_inputs(run) | {"weights": tmp_path / "short.npy"}
    fit = json.loads(run["fit"].read_text())
    fit["digests"]["weights"] = sha256_file(inputs["weights"])
    (tmp_path / "fit.json").write_text(json.dumps(fit))
    with pytest.raises(InputError, match=r"short\.npy: has another length"):
        write_area(NATION, tmp_path / "fit.json", inputs, tmp_path / "US.h5")


def test_other_weights_than_the_file_s_are_noticed(run, tmp_path):
    weights = np.load(run["weights"])
    weights[np.flatnonzero(weights)[5]] *= 1.01
    np.save(tmp_path / "other.npy", weights)
    with pytest.raises(InputError, match="do not belong together"):
        validated(run, tmp_path, NATION, NATION, tmp_path / "other.npy")


def test_a_record_that_differs_from_the_state_s_is_noticed(run, tmp_path, monkeypatch):
    original = localcal.areas.write._append

    def altered(file, clones, first, totals):
        if file.attrs["level"] == "districts":
            older = clones.values["age"] + (np.arange(clones.count("person")) == 1)
            clones = clones.with_values("person", {"age": older.astype(np.int32)})
        original(file, clones, first, totals)

    monkeypatch.setattr(localcal.areas.write, "_append", altered)
    with pytest.raises(InputError, match=r"AL-01\.h5: 'age' differs from the records"):
        validated(run, tmp_path, FIRST, ALABAMA)


def test_totals_of_another_file_are_refused(run, tmp_path):
    validated(run, tmp_path, ALABAMA, ALABAMA)
    file = tmp_path / "AL.h5"
    with h5py.File(file, "r+") as content:
        content.attrs["note"] = "changed"
    inputs = {name: run[name] for name in ("matrix", "weights", "targets", "geography")}
    inputs |= {"totals": tmp_path / "AL.totals.h5", "parent": file, "area": file}
    with pytest.raises(InputError, match=r"AL\.totals\.h5: not made from"):
        validate_area(ALABAMA, inputs, tmp_path / "AL.csv")


def test_a_district_s_totals_are_those_of_its_own_file(run, tmp_path):
    table = validated(run, tmp_path, FIRST, ALABAMA)
    population = read_population(tmp_path / "AL-01.h5")
    engine = StandIn()
    targets = read_targets(run["targets"])
    targets = targets.iloc[rows_of_area(FIRST, targets)]
    measures, of_target = distinct_measures(targets)
    evaluation = Evaluation(
        engine.load(tmp_path / "AL-01.h5", 2024), population, engine.variables()
    )
    weight = population.values["household_weight"].astype(float)
    own = {number: np.sum(values * weight) for number, values in evaluation.measure(measures)}
    # Medicaid too: its denominator is the state's, frozen, and not the district's.
    np.testing.assert_allclose(table["simulated"], [own[number] for number in of_target], rtol=1e-9)


def test_the_summary_counts_rows_and_refuses_a_missing_one(run, tmp_path):
    tables = {}
    for area, parent in ((NATION, NATION), (FIRST, ALABAMA)):
        validated(run, tmp_path, area, parent)
        tables[f"{area.level}/{area.area}"] = tmp_path / f"{area.area}.csv"
    summary = tmp_path / "summary.json"
    summarize_validation(tables, [NATION, FIRST], run["targets"], summary)
    assert '"rows": 36' in summary.read_text()
    lines = tables["districts/AL-01"].read_text().splitlines(keepends=True)
    tables["districts/AL-01"].write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match=r"AL-01\.csv: has 17 rows for 18 targets"):
        summarize_validation(tables, [NATION, FIRST], run["targets"], summary)


def test_an_area_file_says_what_it_was_made_from(run, tmp_path):
    with h5py.File(written(run, tmp_path, CITY)) as file:
        assert file.attrs["weights"] == sha256_file(run["weights"])
        assert file.attrs["area"] == "NYC"


def test_an_area_knows_its_columns(run):
    from localcal.geography.geography import read_geography

    places = read_geography(run["geography"])
    assert np.array_equal(columns_in_area(CITY, places), places.county == b"36001")
    assert np.array_equal(columns_in_area(FIRST, places), places.district == 101)
