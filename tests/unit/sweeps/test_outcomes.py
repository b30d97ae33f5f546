"""Outcomes are what their formulas say, here written out by hand, by pairs and by persons."""

import inspect
import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcal.engine.protocol import Variable
from localcal.errors import InputError
from localcal.sweeps import outcomes
from localcal.sweeps.context import Context, Row, Units, Values, weighted_mean, weighted_sum
from localcal.sweeps.outcomes import (
    BUILT_IN,
    Outcome,
    evaluate,
    find_outcome,
    refuse_unknown_variables,
    requires,
    weighted_gini,
)

ENTITY = {
    "household_benefits": "household",
    "household_net_income": "household",
    "household_tax": "household",
    "income_tax": "tax_unit",
    "poverty_gap": "spm_unit",
    "spm_unit_is_in_deep_spm_poverty": "spm_unit",
    "spm_unit_is_in_spm_poverty": "spm_unit",
    "state_income_tax": "tax_unit",
}
# Three households of 1, 2 and 4 persons; the last of two tax units and two SPM units.
UNITS = Units(
    household_of={
        "person": np.array([0, 1, 1, 2, 2, 2, 2]),
        "tax_unit": np.array([0, 1, 2, 2]),
        "spm_unit": np.array([0, 1, 2, 2]),
        "household": np.arange(3),
    },
    persons={
        "person": np.ones(7),
        "tax_unit": np.array([1.0, 2, 3, 1]),
        "spm_unit": np.array([1.0, 2, 1, 3]),
        "household": np.array([1.0, 2, 4]),
    },
    entity_of=ENTITY,
)
SIZES = {name: UNITS.persons[name] for name in ("tax_unit", "spm_unit", "household")}
WEIGHTS = np.array([[10.0, 1], [20, 0], [30, 2]])
STATE = np.array(["CA", "NY", "CA"])
BASELINE = {
    "household_benefits": np.array([0.0, 500, 1000]),
    "household_net_income": np.array([30_000.0, 20_000, 50_000]),
    "household_tax": np.array([4000.0, 300, -200]),
    "income_tax": np.array([3000.0, 200, -300, 0]),
    "poverty_gap": np.array([0.0, 800, 0, 9000]),
    "spm_unit_is_in_deep_spm_poverty": np.array([0.0, 0, 0, 1]),
    "spm_unit_is_in_spm_poverty": np.array([0.0, 1, 0, 1]),
    "state_income_tax": np.array([1000.0, 100, 50, 50]),
}
REFORMED = BASELINE | {
    "household_benefits": np.array([0.0, 700, 1000]),
    "household_net_income": np.array([29_000.0, 20_200, 50_001]),
    "household_tax": np.array([5000.0, 300, -201]),
    "income_tax": np.array([4000.0, 200, -301, 0]),
    "poverty_gap": np.array([0.0, 600, 0, 8999]),
    "spm_unit_is_in_spm_poverty": np.array([0.0, 0, 0, 1]),
}


def context(**changed):
    given = {"units": UNITS, "reformed": REFORMED, "baseline": BASELINE}
    return Context(**given | {"weights": WEIGHTS, "state": STATE} | changed)


def rows(name, by="", **changed):
    """Return the results of a built-in outcome by group and vector."""
    outcome = find_outcome(name, None)
    results = evaluate(outcome, context(**changed), by)
    return {(result.group, result.vector): result for result in results}


def numbers(result):
    return result.value, result.baseline, result.delta


def test_the_cost_is_benefits_less_taxes():
    found = rows("cost")
    before = 20 * 500 + 30 * 1000 - (10 * 4000 + 20 * 300 - 30 * 200)
    after = 20 * 700 + 30 * 1000 - (10 * 5000 + 20 * 300 - 30 * 201)
    assert numbers(found["", 0]) == (after, before, after - before)
    assert found["", 1].delta == -1000 + 2


def test_revenue_is_what_each_government_gets():
    found = rows("revenue")
    assert numbers(found["federal", 0]) == (34_970, 25_000, 9970)
    assert numbers(found["states", 0]) == (15_000, 15_000, 0)


def test_poverty_counts_persons_by_the_spm_unit_that_they_live_in():
    persons = 10 + 2 * 20 + 4 * 30
    found = rows("poverty_rate")
    assert numbers(found["", 0])[:2] == (90 / persons, (40 + 90) / persons)
    assert found["", 1].baseline == 6 / 9
    assert rows("deep_poverty_rate")["", 0].baseline == 90 / persons
    assert rows("poverty_gap")["", 0].delta == -20 * 200 - 30


def test_states_have_rows_of_their_own_that_add_up():
    found = rows("cost", by="state")
    assert found["CA", 0].delta + found["NY", 0].delta == found["", 0].delta
    assert found["NY", 0].delta == 20 * 200
    assert rows("poverty_rate", by="state")["NY", 0].baseline == 1.0


def test_what_cannot_be_said_of_nobody_is_an_error_and_no_number():
    result = rows("poverty_rate", by="state")["NY", 1]  # without weight in that vector
    assert (result.status, result.error_type) == ("error", "ArithmeticError")
    assert numbers(result) == (None, None, None)
    assert "share of nobody" in result.error_message


def test_deciles_hold_a_tenth_of_the_persons_each_in_the_order_of_equivalised_income():
    size = np.array([1.0, 4, 1, 4, 1, 1, 2, 1, 4, 1])
    income = np.arange(10.0)[::-1] * 100
    units = Units(
        {"household": np.arange(10)}, {"household": size}, {"household_net_income": "household"}
    )
    made = Context(
        units,
        {},
        {"household_net_income": income * np.sqrt(size)},
        1 / size,  # one person each
        np.full(10, "CA"),
    )
    assert made.decile[:, 0].tolist() == list(range(10, 0, -1))
    # A part keeps the deciles of the whole.
    part = Context(units, {}, made.baseline, made.weights, np.array(["CA"] * 9 + ["NY"])).within(
        "NY"
    )
    assert part.decile.tolist() == [[1]]


def test_mean_income_changes_by_decile():
    found = rows("mean_change")
    # By income over the root of size the second, the third, the first: 40, 120 and 10 of 170
    # persons. The last two end in the tenth decile, the first within the third.
    assert found["", 0].delta == pytest.approx((-1000 * 10 + 200 * 20 + 30) / 60)
    assert found["decile 3", 0].delta == 200
    assert found["decile 10", 0].delta == (-1000 * 10 + 30) / 40
    assert found["decile 5", 0].status == "error"  # nobody's


def test_winners_and_losers_are_shares_of_persons():
    found = rows("winners_losers")
    persons = 10 + 40 + 120
    shares = {
        "lose more than 5%": 0.0,
        "lose less than 5%": 10 / persons,
        "no change": 120 / persons,
        "gain less than 5%": 40 / persons,
        "gain more than 5%": 0.0,
    }
    assert {name: found[name, 0].value for name in shares} == pytest.approx(shares)
    assert found["no change", 0].baseline == 1.0
    assert found["gain less than 5%", 0].baseline == 0.0
    assert found["decile 3/gain less than 5%", 0].value == 1.0


@pytest.mark.parametrize(
    ("change", "kind"),
    [(-0.051, 0), (-0.049, 1), (-0.0009, 2), (0, 2), (0.0009, 2), (0.049, 3), (0.051, 4)],
)
def test_winners_and_losers_are_told_apart_by_percents(change, kind):
    reformed = {"household_net_income": BASELINE["household_net_income"] * (1 + change)}
    found = rows("winners_losers", reformed=reformed)
    assert [found[name, 0].value for name in outcomes.WINNERS_LOSERS].index(1.0) == kind


def test_who_had_nothing_wins_by_dollars():
    baseline = {"household_net_income": np.array([0.0, -500, 0.5])}
    reformed = {"household_net_income": np.array([0.0, -499.94, 0.54])}
    found = rows("winners_losers", baseline=baseline, reformed=reformed)
    persons = 10 + 40 + 120
    assert found["no change", 0].value == 10 / persons
    assert found["gain more than 5%", 0].value == 40 / persons
    assert found["gain less than 5%", 0].value == 120 / persons


def gini_by_pairs(income, weights):
    """Return half of the mean difference between any two persons over the mean."""
    apart = np.abs(income[:, None] - income[None, :])
    pairs = weights[:, None] * weights[None, :]
    mean = (weights * income).sum() / weights.sum()
    return (pairs * apart).sum() / pairs.sum() / (2 * mean)


people = st.lists(
    st.tuples(st.integers(0, 10**6), st.floats(0, 1e4)), min_size=1, max_size=20
).filter(lambda pairs: sum(income * (weight > 1e-3) for income, weight in pairs) > 0)


@given(people)
@settings(deadline=None, max_examples=60)
def test_the_gini_index_is_that_of_all_pairs(pairs):
    income, weights = (np.array(values, dtype=float) for values in zip(*pairs, strict=True))
    found = weighted_gini(income, np.stack([weights, 2 * weights], axis=1))
    assert found == pytest.approx(gini_by_pairs(income, weights), abs=1e-9)


def test_the_gini_index_is_of_persons_and_their_equivalised_income():
    income = np.array([30_000, 20_000 / np.sqrt(2), 25_000])
    expected = gini_by_pairs(income, np.array([10.0, 40, 120]))
    assert rows("gini")["", 0].baseline == pytest.approx(expected)
    # Losses count as nothing, and nobody's income is no distribution.
    losses = BASELINE | {"household_net_income": np.array([-5.0, 0, 100])}
    of_nothing = gini_by_pairs(np.array([0, 0, 50.0]), np.array([10.0, 40, 120]))
    assert rows("gini", baseline=losses)["", 0].baseline == pytest.approx(of_nothing)
    nothing = BASELINE | {"household_net_income": np.zeros(3)}
    assert rows("gini", baseline=nothing)["", 0].status == "error"


@given(st.integers(0, 2**31), st.integers(1, 4))
@settings(deadline=None, max_examples=20)
def test_a_vector_among_many_has_the_values_that_it_has_alone(seed, vectors):
    random = np.random.default_rng(seed)
    weights = random.uniform(1, 9, (3, vectors))
    for name in BUILT_IN:
        together = rows(name, by="state", weights=weights)
        for vector in range(vectors):
            alone = rows(name, by="state", weights=weights[:, vector])
            for (group, _), result in alone.items():
                other = together[group, vector if result.status == "ok" else vector]
                assert other.status == result.status
                if result.status == "ok":
                    assert numbers(other) == pytest.approx(numbers(result), rel=1e-12, abs=1e-9)


def made(function):
    return Outcome("own", function, ("household_tax",))


def test_an_outcome_that_fails_is_a_row_that_says_why():
    def raises(context):
        yield Row("", 1.0, 1.0)
        raise KeyError("no such thing\nat all")

    assert evaluate(made(raises), context()) == [
        outcomes.Result("", -1, None, None, None, "error", "KeyError", "'no such thing\\nat all'")
    ]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Row("a", np.zeros(3), 0.0), "expected one number or 2, found an array of (3,)"),
        (Row("a", "1.5", 0.0), "group 'a': expected a number, found '1.5'"),
        (Row("a", None, 0.0), "group 'a': expected a number, found None"),
        (Row("a", 1j, 0.0), "group 'a': expected a number, found 1j"),
        (Row(None, 1.0, 0.0), "group None: expected text that can be printed"),
        (Row("\ud800", 1.0, 0.0), r"group '\ud800': expected text that can be printed"),
        (Row("a", np.inf, 0.0), "it is inf with the reform and 0.0 without; expected finite"),
        (Row("a", np.nan, 0.0), "it is nan with the reform and 0.0 without; expected finite"),
        (Row("a", 0.0, np.nan), "it is 0.0 with the reform and nan without; expected finite"),
        (Row("a", 2e300, 0.0), "it is 2e+300 with the reform and 0.0 without; expected finite"),
        (Row("a", 1.7e308, -1.7e308), "with the reform and -1.7e+308 without; expected finite"),
    ],
)
def test_rows_of_another_shape_are_refused(row, words):
    result, *_ = evaluate(made(lambda _: [row]), context())
    assert result.status == "error"
    assert words in result.error_message


def test_an_outcome_without_rows_is_an_error():
    assert evaluate(made(lambda _: []), context())[0].error_message == "it yields no rows"


def test_one_vector_that_is_not_finite_takes_no_other_with_it():
    values = np.array([np.nan, 2.0])
    first, second = evaluate(made(lambda _: [Row("", values, 1.0)]), context())
    assert (first.status, second.status, second.delta) == ("error", "ok", 1.0)


def test_memory_that_is_short_is_nobodys_row():
    def hungry(context):
        raise MemoryError

    with pytest.raises(MemoryError):
        evaluate(made(hungry), context())


def test_a_function_of_the_users_is_read_from_their_file(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from localcal.sweeps.outcomes import Row, requires\n"
        "@requires('household_tax')\n"
        "def most(context):\n"
        "    yield Row('', *(v['household_tax'].max() for v in context.sides))\n"
        "def mute(context):\n"
        "    yield Row('', 0, 0)\n"
        "most_of_all = 3\n"
        "for name, required in (('a', 5), ('b', (5,)), ('c', [['x']]), ('d', 'x'), ('e', ())):\n"
        "    globals()[name] = requires(required)(lambda context: [])\n"
        "    globals()[name].requires = required\n"
    )
    outcome = find_outcome("mine.py:most", tmp_path)
    assert (outcome.requires, outcome.source) == (("household_tax",), tmp_path / "mine.py")
    assert [result.value for result in evaluate(outcome, context())] == [5000, 5000]
    for name, words in [
        ("mine.py:least", "has no function 'least'"),
        ("mine.py:most_of_all", "has no function"),
        ("mine.py:mute", "does not say which variables it reads"),
        *((f"mine.py:{one}", "does not say which variables it reads") for one in "abcde"),
        ("other.py:most", "there is no file"),
        ("gino", "did you mean gini?"),
    ]:
        with pytest.raises(InputError, match="outcome '") as caught:
            find_outcome(name, tmp_path)
        assert words in str(caught.value)


def test_a_file_that_cannot_be_loaded_is_named(tmp_path):
    (tmp_path / "bad.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(InputError, match=r"bad\.py cannot be loaded \(ModuleNotFoundError"):
        find_outcome("bad.py:most", tmp_path)
    (tmp_path / "bad.txt").write_text("")
    with pytest.raises(InputError, match="is no Python file"):
        find_outcome("bad.txt:most", tmp_path)


def test_variables_that_the_model_lacks_are_refused_before_any_work():
    @requires("houshold_tax")
    def own(context):
        yield Row("", 0, 0)

    outcome = Outcome("own", own, own.requires)
    known = {name: Variable(name, entity, "float", True) for name, entity in ENTITY.items()}
    with pytest.raises(InputError, match=r"'houshold_tax' \(did you mean household_tax\?\)"):
        refuse_unknown_variables([outcome], known)
    refuse_unknown_variables([find_outcome("cost", None)], known)
    for kind in ("text", "enum"):
        known["houshold_tax"] = Variable("houshold_tax", "household", kind, True)
        with pytest.raises(InputError, match=f"'houshold_tax' is {kind}, of which there are no"):
            refuse_unknown_variables([outcome], known)


def test_values_are_calculated_once_and_only_what_is_declared():
    asked = []

    def calculate(name):
        asked.append(name)
        return np.array([True, False])

    values = Values.calculated(SimpleNamespace(calculate=calculate), ["poor", "poor"])
    assert len(values) == 1
    assert values["poor"].dtype == np.float64
    assert values["poor"].tolist() == [1, 0]
    assert asked == ["poor"]
    with pytest.raises(KeyError):
        values["rich"]


def test_a_group_that_is_yielded_twice_is_that_outcome_s_failure():
    for names in (("", ""), ("a", "b", "a")):
        (result,) = evaluate(made(lambda _, n=names: [Row(g, 1.0, 1.0) for g in n]), context())
        assert (result.error_type, result.value) == ("ValueError", None)
        assert f"it yields group '{names[0]}' twice" in result.error_message
    # Also one that is called what a state's is.
    rows = [Row("", 1.0, 1.0), Row("CA", 1.0, 1.0)]
    (result,) = evaluate(made(lambda _: rows), context(), "state")
    assert "'CA' twice" in result.error_message


CHANGES_WHAT_IT_IS_GIVEN = {
    "values": lambda context: context.reformed["household_tax"].fill(0),
    "baseline": lambda context: context.baseline["household_tax"].fill(0),
    "weights": lambda context: np.multiply(context.weights, 2, out=context.weights),
    "states": lambda context: context.state.fill("XX"),
    "deciles": lambda context: context.decile.fill(1),
    "sizes": lambda context: context.units.persons["household"].fill(1),
    "homes": lambda context: context.units.household_of["person"].fill(0),
    "another array": lambda context: context.baseline.update(household_tax=np.zeros(3)),
}


@pytest.mark.parametrize("what", CHANGES_WHAT_IT_IS_GIVEN)
def test_an_outcome_cannot_change_what_the_others_are_given(what):
    population = SimpleNamespace(
        membership={name: np.repeat(np.arange(len(n)), n.astype(int)) for name, n in SIZES.items()},
        household_of=UNITS.household_of,
        count=lambda entity: UNITS.persons[entity].size,
    )
    units = Units.of(population, {name: SimpleNamespace(entity=e) for name, e in ENTITY.items()})
    given = context(units=units)
    before = evaluate(find_outcome("mean_change", None), given, "state")

    def changing(context):
        CHANGES_WHAT_IT_IS_GIVEN[what](context)
        yield Row("", 1.0, 1.0)

    for by in ("", "state"):
        results = evaluate(made(changing), given, by)
        assert results[0].status == "error" and results[0].value is None
    assert evaluate(find_outcome("mean_change", None), given, "state") == before


def test_an_outcome_that_exits_or_says_what_no_table_can_hold_is_a_row_that_says_why(tmp_path):
    def exits(context):
        raise SystemExit(3)

    def unprintable(context):
        raise ValueError("\ud800 and on")

    def of_nobody(context):
        raise ArithmeticError("my own")

    for function, said in (
        (exits, ("SystemExit", "3")),
        (unprintable, ("ValueError", r"\ud800 and on")),
        # The name that rows of groups of nobody have.
        (of_nobody, ("RuntimeError", "my own")),
    ):
        (result,) = evaluate(made(function), context())
        assert (result.error_type, result.error_message) == said
    (tmp_path / "own.py").write_text("import sys\nsys.exit(4)\n")
    with pytest.raises(InputError, match=r"own.py cannot be loaded \(SystemExit: 4\)"):
        find_outcome("own.py:f", tmp_path)


def test_the_example_of_an_outcome_of_one_s_own_works(tmp_path):
    _, _, example = outcomes.__doc__.partition("what it reads:\n\n")
    (tmp_path / "own.py").write_text(inspect.cleandoc(f"\n{example.partition('What it')[0]}"))
    (result,) = evaluate(find_outcome("own.py:poorest", tmp_path), context(weights=WEIGHTS[:, 0]))
    assert numbers(result) == (20_200, 20_000, 200)


def test_results_go_between_processes():
    result = rows("cost")["", 0]
    assert pickle.loads(pickle.dumps(result)) == result


def test_a_weighted_sum_has_the_same_bits_whatever_stands_beside_it():
    """As it would not have from linear algebra, which takes other ways for other shapes."""
    draws = np.random.default_rng(3)
    for n in (7, 240, 10_001):
        values, weights = draws.normal(size=n) * 1e4, draws.random((n, 5)) * 1e3
        alone = [weighted_sum(values, weights[:, [k]])[0] for k in range(5)]
        together = weighted_sum(values, weights)
        assert together.tolist() == alone
        assert weighted_sum(values, np.asfortranarray(weights)).tolist() == alone
        exact = [math.fsum(values * weights[:, k]) for k in range(5)]
        assert np.allclose(together, exact, rtol=1e-9, atol=1e-4)
    assert weighted_mean(np.ones(n, dtype=bool), weights).tolist() == [1.0] * 5
