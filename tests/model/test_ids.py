"""Formulas that look at ids: the same in a chunk, a part, a file and a user's own simulation."""

import numpy as np
import pytest

from localcal.clones.freeze import freeze_values
from localcal.clones.locate import locate
from localcal.geography.geography import Geography, take_columns
from localcal.matrix.chunk import evaluate_columns
from localcal.population.dataset import write_population
from localcal.population.population import GROUPS, Population
from tests.households import targets_for

# The model's own warnings are not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")

PERIOD = 2024
PLACES = {
    6: (634, b"06037", b"060370000000000"),
    36: (3612, b"36061", b"360610001001000"),
    48: (4801, b"48183", b"481830000000000"),
    56: (5601, b"56021", b"560210000000000"),
}
ADULTS = 24
COLUMNS = ADULTS * len(PLACES)
MEASURES = [("snap", 0, []), ("household_count", 0, [("snap", ">", "0")])]


@pytest.fixture(scope="module")
def adults():
    """Return adults who are alike in everything: out of work for some weeks, with benefits."""
    own = np.arange(ADULTS)
    everybody = {
        "age": np.full(ADULTS, 30, dtype=np.float32),
        "employment_income": np.full(ADULTS, 6_000, dtype=np.float32),
        "unemployment_compensation": np.full(ADULTS, 4_000, dtype=np.float32),
        "weeks_unemployed": np.full(ADULTS, 17, dtype=np.float32),
    }
    return Population(
        period=PERIOD,
        values=everybody | {"household_weight": np.full(ADULTS, 1_000, dtype=np.float32)},
        entity=dict.fromkeys(everybody, "person") | {"household_weight": "household"},
        ids=dict.fromkeys(("person", *GROUPS), own + 1),
        membership=dict.fromkeys(GROUPS, own),
        references={},
    )


@pytest.fixture(scope="module")
def places():
    district, county, block = (
        np.array(list(PLACES.values()), dtype=object)[:, i] for i in range(3)
    )
    return Geography(
        n_households=ADULTS,
        n_clones=len(PLACES),
        household=np.repeat(np.arange(ADULTS, dtype=np.int32), len(PLACES)),
        clone=np.tile(np.arange(len(PLACES), dtype=np.int32), ADULTS),
        state=np.tile(np.array(list(PLACES), dtype=np.int32), ADULTS),
        district=np.tile(district.astype(np.int32), ADULTS),
        county=np.tile(county.astype("S5"), ADULTS),
        block=np.tile(block.astype("S15"), ADULTS),
        design_weight=np.full(COLUMNS, 250.0),
    )


@pytest.fixture(scope="module")
def frozen(engine, adults, places):
    return freeze_values(adults, places, ["snap"], None, 9, engine)


@pytest.fixture(scope="module")
def whole(engine, adults, places, frozen):
    """Return the matrix of all columns at once, dense."""
    return evaluate_columns(adults, places, frozen, targets_for(places, MEASURES), engine).toarray()


@pytest.mark.parametrize("size", [1, 7])
def test_the_matrix_does_not_depend_on_how_columns_are_cut(
    engine, adults, places, frozen, whole, size
):
    targets = targets_for(places, MEASURES)
    # Every fourth of the smallest chunks, of all states.
    starts = range(0, COLUMNS, 5 if size == 1 else size)
    for start in starts:
        columns = np.arange(start, min(start + size, COLUMNS))
        part = evaluate_columns(adults, take_columns(places, columns), frozen, targets, engine)
        assert np.array_equal(part.toarray(), whole[:, columns]), start
    # When somebody is out of work decides: equal adults do not get equal benefits.
    snap = whole[targets.index[targets["name"] == "nation_US/snap/0"]]
    assert np.unique(snap[:, places.state == 48]).size > 1


@pytest.mark.parametrize("state", [48, 56])
def test_a_file_in_its_user_s_simulation_comes_to_matrix_times_weights(
    adults, places, frozen, whole, tmp_path, state
):
    from policyengine_us import Microsimulation

    columns = np.flatnonzero(places.state == state)[::2]
    weight = np.random.default_rng(1).uniform(50, 3_000, columns.size).astype(np.float32)
    write_population(
        tmp_path / "area.h5", locate(adults, take_columns(places, columns), frozen, weight)
    )
    simulation = Microsimulation(dataset=str(tmp_path / "area.h5"))
    snap = simulation.calculate("snap", PERIOD).sum()
    targets = targets_for(places, MEASURES)
    row = targets.index[targets["name"] == "nation_US/snap/0"]
    assert snap == pytest.approx((whole[row][:, columns] @ weight).item(), rel=1e-6)
