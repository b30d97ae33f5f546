"""Formulas that look at ids: the same in a chunk, a part, a file and a user's own simulation."""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest

import localcal.matrix.alike
from localcal.clones.freeze import freeze_values
from localcal.clones.frozen import Frozen
from localcal.clones.locate import locate
from localcal.errors import InputError
from localcal.geography.geography import Geography, take_columns
from localcal.matrix.chunk import evaluate_columns
from localcal.population.dataset import write_population
from localcal.population.population import GROUPS, Population
from tests.households import targets_for
from tests.model.test_policyengine import TARGETED
from tests.unusual_households import other_ids, some_of, unusual_households

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
# What is raised where the model's own formulas are wrong, or their values not finite.
MODEL_ERRORS = (InputError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
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


def places_in(states):
    """Put one clone of every adult into each of these states."""
    clones, columns = len(states), ADULTS * len(states)
    district, county, block = zip(*[PLACES[state] for state in states], strict=True)
    return Geography(
        n_households=ADULTS,
        n_clones=clones,
        household=np.repeat(np.arange(ADULTS, dtype=np.int32), clones),
        clone=np.tile(np.arange(clones, dtype=np.int32), ADULTS),
        state=np.tile(np.array(states, dtype=np.int32), ADULTS),
        district=np.tile(np.array(district, dtype=np.int32), ADULTS),
        county=np.tile(np.array(county), ADULTS),
        block=np.tile(np.array(block), ADULTS),
        design_weight=np.full(columns, 1_000 / clones),
    )


@pytest.fixture(scope="module")
def places():
    return places_in(list(PLACES))


@pytest.fixture(scope="module")
def frozen(engine, adults, places):
    return freeze_values(adults, places, ["snap"], None, 9, engine)


@pytest.fixture(scope="module")
def whole(engine, adults, places, frozen):
    """Return the matrix of all columns at once, dense."""
    return evaluate_columns(adults, places, frozen, targets_for(places, MEASURES), engine).toarray()


@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.slow), 17])
def test_the_matrix_does_not_depend_on_how_columns_are_cut(
    engine, adults, places, frozen, whole, size
):
    targets = targets_for(places, MEASURES)
    # Some of the smallest chunks, in every state.
    for start in range(0, COLUMNS, 13 if size == 1 else size):
        columns = np.arange(start, min(start + size, COLUMNS))
        part = evaluate_columns(adults, take_columns(places, columns), frozen, targets, engine)
        assert np.array_equal(part.toarray(), whole[:, columns]), start
    # When somebody is out of work decides: equal adults do not get equal benefits.
    snap = whole[targets.index[targets["name"] == "nation_US/snap/0"]]
    assert np.unique(snap[:, places.state == 48]).size > 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11])
def test_nor_does_that_of_households_of_every_kind(engine, seed):
    """Cut anywhere, among them alone."""
    people = unusual_households(ADULTS, PERIOD, engine.variables(), seed)
    places = places_in(list(PLACES))
    random = np.random.default_rng(seed)
    places = take_columns(places, np.sort(random.choice(COLUMNS, 40, replace=False)))
    measures = [*MEASURES, ("ssi", 0, []), ("income_tax", 0, []), ("eitc", 0, [("age", "<", "5")])]
    targets = targets_for(places, measures)
    frozen = freeze_values(people, places_in(list(PLACES)), ["snap"], None, seed, engine)
    whole = evaluate_columns(people, places, frozen, targets, engine).toarray()
    for columns in np.split(np.arange(40), [1, *np.sort(random.choice(range(2, 40), 2))]):
        part = evaluate_columns(people, take_columns(places, columns), frozen, targets, engine)
        assert np.array_equal(part.toarray(), whole[:, columns]), columns
    assert np.count_nonzero(whole.any(axis=1)) > 20


def test_clones_share_nothing_that_was_calculated_from_an_id(engine, adults, frozen, monkeypatch):
    """They differ in nothing else here, so all of it would be shared."""
    places = take_columns(places_in([48] * 24), np.arange(4 * 24))
    targets = targets_for(places, MEASURES)
    shared = evaluate_columns(adults, places, frozen, targets, engine).toarray()
    monkeypatch.setattr(localcal.matrix.alike, "LARGEST_SHARE", 0.0)
    scratch = evaluate_columns(adults, places, frozen, targets, engine).toarray()
    assert np.array_equal(shared, scratch)
    assert np.unique(scratch[0, :24]).size > 1


@pytest.mark.slow
def test_a_couple_alone_is_the_couple_among_others(engine):
    """The model takes a marital unit without any other for one that it was not told."""
    person, couple = np.arange(6), np.arange(3)
    values = {
        "age": np.tile(np.array([40, 17], dtype=np.float32), 3),
        "is_disabled": np.ones(6, dtype=bool),
        "is_blind": np.tile([False, True], 3),
        "ssi_countable_resources": np.tile(np.array([1_500, 1_800], dtype=np.float32), 3),
        "employment_income": np.tile(np.array([5_000, 0], dtype=np.float32), 3),
    }
    couples = Population(
        period=PERIOD,
        values=values | {"household_weight": np.full(3, 1_000, dtype=np.float32)},
        entity=dict.fromkeys(values, "person") | {"household_weight": "household"},
        ids={"person": person + 1} | dict.fromkeys(GROUPS, couple + 1),
        membership=dict.fromkeys(GROUPS, person // 2),
        references={},
    )
    places = take_columns(places_in([6] * 4), np.arange(12))
    frozen = Frozen((), {}, {}, 0)
    # The reform takes away what was calculated, from the couple and from its copy.
    measures = [("ssi", 0, []), ("snap", 0, []), ("employment_income", 1, [])]
    targets = targets_for(places, measures)
    among = evaluate_columns(couples, places, frozen, targets, engine).toarray()
    for columns in (np.arange(1), np.arange(4, 8)):
        alone = evaluate_columns(couples, take_columns(places, columns), frozen, targets, engine)
        assert np.array_equal(alone.toarray(), among[:, columns])
    assert among[targets.index[targets["name"] == "nation_US/snap/0"]].all()


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


def test_everything_that_looks_at_positions_has_been_judged(engine, monkeypatch):
    """A release that brings more is refused by name."""
    assert engine.looks_at_positions() == {}
    scope = {"np": np}
    source = "def formula(person, period, parameters):\n    return np.arange(person.count)"
    exec(compile(source, "/site-packages/policyengine_us/variables/lottery.py", "exec"), scope)
    invented = SimpleNamespace(formulas={"0001-01-01": scope["formula"]})
    variables = {**engine._system.variables, "lottery": invented}
    monkeypatch.setattr(engine._system, "variables", variables)
    assert engine.looks_at_positions() == {"lottery": "formula uses arange"}


def known_values(engine, people, names):
    """Return (variable, period) to everything that was calculated, and who read what."""
    simulation = engine.simulate(people)
    for name in names:
        # Some formulas stop with an error of their own; whether they do has to be the same, too.
        with contextlib.suppress(*MODEL_ERRORS):
            simulation.calculate(name)
    reads = simulation._all_reads()
    known = {
        (name, str(period)): np.asarray(values)
        for name in reads.names()
        for period, values in simulation._known(name).items()
    }
    simulation.close()
    return known, reads


def differing(engine, people, names, whole, ids=None):
    """Return the variables of which somebody has other bits in a part: half of the households.

    The halves are shuffled and calculate in the opposite order.
    """
    order = np.random.default_rng(4).permutation(people.count("household"))
    found = set()
    for half in (order[::2], order[1::2]):
        part, rows = some_of(people, half, ids)
        known, _ = known_values(engine, part, names[::-1])
        for key in whole.keys() & known.keys():
            expected = whole[key][rows[engine.variables()[key[0]].entity]]
            if not same_bits(expected, known[key]):
                found.add(key[0])
    return found


def same_bits(one, other):
    """Compare texts by what they say, numbers bit by bit, also those that are not finite."""
    if one.dtype.kind in "OSU":
        return np.array_equal(one, other)
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


def depending(reads, names):
    """Return these variables and what was calculated from them."""
    found = set(names)
    while more := {name for name, read in reads.of.items() if read & found} - found:
        found |= more
    return found


def check_what_depends_on_ids_and_on_others(engine, period, names, count):
    people = unusual_households(count, period, engine.variables())
    whole, reads = known_values(engine, people, names)
    wide = depending(reads, engine.population_wide())
    at_ids = engine.looks_at_ids()
    # Under the same ids, only what looks at the whole population.
    same = differing(engine, people, names, whole)
    assert same <= wide, sorted(same - wide)
    # Under others also what looks at them, and nothing else.
    other = differing(engine, people, names, whole, other_ids(people, 5))
    assert other <= wide | depending(reads, at_ids), sorted(other - wide)
    assert {"person_id", "is_receiving_unemployment_compensation", "snap"} <= other - wide


@pytest.mark.parametrize("period", [2024, pytest.param(2026, marks=pytest.mark.slow)])
def test_nothing_but_ids_and_sums_over_everybody_tells_where_a_household_is(engine, period):
    known = [name for name in TARGETED if name in engine.variables()]
    check_what_depends_on_ids_and_on_others(engine, period, known, 24)


@pytest.mark.slow
@pytest.mark.parametrize("period", [2024, 2026])
def test_so_for_every_variable_of_the_model(engine, period):
    check_what_depends_on_ids_and_on_others(engine, period, sorted(engine.variables()), 24)
