"""`localcal.build_matrix`: the workflow's kernels in one call, the workflow's bytes."""

import numpy as np
import pytest

import localcal
from localcal.clones.freeze import freeze_values
from localcal.clones.frozen import write_frozen
from localcal.errors import InputError
from localcal.files.csr import CsrFile
from localcal.geography.geography import write_geography
from localcal.population.dataset import read_population, write_population
from localcal.targets.table import write_targets
from tests.households import random_places, random_population, targets_for
from tests.standin_engine import StandIn

RATES = """variable,entity,state,rate,reported,source
takes_up_snap_if_eligible,spm_unit,,0.7,,test
"""


@pytest.fixture(scope="module")
def objects():
    population = random_population(20, seed=41)
    places = random_places(population, 6, seed=42)
    return population, places, targets_for(places)


@pytest.fixture
def rates(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text(RATES)
    return path


@pytest.mark.parametrize("chunk_columns", [None, 1, 17, 120, 10_000])
def test_objects_in_any_number_of_chunks_give_one_matrix(tmp_path, objects, rates, chunk_columns):
    whole = localcal.build_matrix(*objects, tmp_path / "whole", take_up=rates, engine=StandIn())
    cut = localcal.build_matrix(
        *objects,
        tmp_path / "cut",
        take_up=rates,
        engine="tests.standin_engine:StandIn",
        chunk_columns=chunk_columns,
    )
    assert isinstance(cut, CsrFile)
    assert cut.path.read_bytes() == whole.path.read_bytes()
    assert cut.shape == (len(objects[2]), 120)
    assert (tmp_path / "cut" / "summary.json").exists()


def test_files_are_used_where_they_lie(tmp_path, objects, rates):
    population, places, targets = objects
    needed = {"snap", "income_tax", "medicaid", "age"}
    frozen = freeze_values(population, places, needed, rates, 7, StandIn())
    files = [tmp_path / name for name in ("p.h5", "g.h5", "t.parquet", "f.h5")]
    write_population(files[0], population)
    write_geography(files[1], places, {})
    write_targets(targets, files[2])
    write_frozen(files[3], frozen)
    ours = localcal.build_matrix(
        *files[:3], tmp_path / "m", frozen=str(files[3]), engine=StandIn(), chunk_columns=50
    )
    given = localcal.build_matrix(*objects, tmp_path / "o", frozen=frozen, engine=StandIn())
    assert ours.path.read_bytes() == given.path.read_bytes()
    made = {path.name for path in (tmp_path / "m").iterdir()}
    assert made == {"plan.json", "matrix.h5", "summary.json"} | {
        f"chunk_00000{number}.h5" for number in range(3)
    }


def test_the_seed_moves_the_take_up(tmp_path, objects, rates):
    first, second = (
        localcal.build_matrix(
            *objects, tmp_path / str(seed), take_up=rates, seed=seed, engine=StandIn()
        )
        for seed in (0, 1)
    )
    assert not np.array_equal(first.data, second.data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frozen": "frozen.h5", "take_up": "rates.csv"}, "either frozen or take_up"),
        ({"chunk_columns": 0}, "chunk_columns is 0"),
        ({"engine": "no_such:Engine"}, "cannot load 'no_such:Engine'"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, objects, arguments, message):
    with pytest.raises(InputError, match=message):
        localcal.build_matrix(*objects, tmp_path / "m", **{"engine": StandIn()} | arguments)


def test_the_package_has_nothing_else_to_offer():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        localcal.nonsense  # noqa: B018


def test_where_the_households_of_an_object_live_is_left_behind(tmp_path, objects):
    population, places, targets = objects
    own = {"in_denver": np.ones(20, dtype=bool), "county_fips": np.full(20, b"08031")}
    stored = population.with_values("household", own)
    plain = localcal.build_matrix(*objects, tmp_path / "plain", engine=StandIn())
    ours = localcal.build_matrix(stored, places, targets, tmp_path / "own", engine=StandIn())
    assert (ours.matrix() != plain.matrix()).nnz == 0
    assert "in_denver" not in read_population(tmp_path / "own" / "population.h5").values
