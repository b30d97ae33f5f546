"""Built-in outcomes are what a second implementation says, by data frames and fractions."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from localcal.sweeps.context import Context, Units
from localcal.sweeps.outcomes import BUILT_IN, WINNERS_LOSERS, evaluate, find_outcome

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
SIDES = ("reformed", "baseline")

# What may be unusual about incomes or weights.
INCOMES = {
    "plain": lambda income, size: income,
    "ties": lambda income, size: np.round(income, -4),
    "half zero": lambda income, size: np.where(income > 30_000, income, 0),
    "all equal": lambda income, size: 1234.5 * np.sqrt(size),
    "all negative": lambda income, size: -abs(income),
}
WEIGHTS = {
    "plain": lambda weights: weights,
    "some zero": lambda weights: np.where(weights < 30, 0, weights),
    "all equal": lambda weights: np.ones_like(weights),
    "one vector of nothing": lambda weights: weights * [1, 0, 1],
}


def sample(draws, n, income, weight):
    """Return households of a sample: the context, and a frame of each entity."""
    size = draws.integers(1, 6, n)
    home = np.repeat(np.arange(n), size)
    units, persons = {"person": home, "household": np.arange(n)}, {"household": size.astype(float)}
    for entity in ("tax_unit", "spm_unit"):
        unit, of_person = np.unique(home * 2 + draws.integers(0, 2, home.size), return_inverse=True)
        units[entity], persons[entity] = unit // 2, np.bincount(of_person).astype(float)
    persons["person"] = np.ones(home.size)
    baseline = {
        name: np.maximum(0, draws.normal(0, 9000, units[entity].size))
        if name == "poverty_gap"
        else (draws.random(units[entity].size) < 0.3).astype(float)
        if "poverty" in name
        else draws.normal(5000, 9000, units[entity].size)
        for name, entity in ENTITY.items()
    }
    baseline["household_net_income"] = INCOMES[income](draws.normal(30_000, 40_000, n), size)
    reformed = {name: draws.permutation(values) for name, values in baseline.items()}
    step = draws.choice([0, 0, 1, 100, -100, 5000], n)
    reformed["household_net_income"] = baseline["household_net_income"] + step
    weights = WEIGHTS[weight](draws.exponential(100, (n, 3)))
    return Context(
        Units(units, persons, ENTITY),
        reformed,
        baseline,
        weights,
        draws.choice(["CA", "NY", "TX"], n),
    )


def frames(context, vector):
    """Return a frame per entity: values of both sides, weight w, persons p, state."""
    found = {}
    for entity in ("household", "tax_unit", "spm_unit"):
        home = context.units.household_of[entity]
        found[entity] = pd.DataFrame(
            {"w": context.weights[home, vector], "state": context.state[home]}
            | {"p": context.weights[home, vector] * context.units.persons[entity]}
            | {"size": context.units.persons[entity]}
            | {
                f"{name} {side}": getattr(context, side)[name]
                for side in SIDES
                for name in ENTITY
                if ENTITY[name] == entity
            }
        )
    households = found["household"]
    households["decile"] = deciles(households)
    before, after = (households[f"household_net_income {side}"] for side in reversed(SIDES))
    # A category ends with its upper bound.
    bounds = [-np.inf, -0.05, -0.001, 0.001, 0.05, np.inf]
    change = (after - before) / before.where(before > 1, 1.0)
    households["kind"] = pd.cut(change, bounds, labels=WINNERS_LOSERS).astype(str)
    return found


def deciles(households):
    """Return the decile of each household by exact sums."""
    income = households["household_net_income baseline"] / np.sqrt(households["size"])
    persons = [Fraction(w) * Fraction(n) for w, n in households[["w", "size"]].to_numpy().tolist()]
    total, reached, found = sum(persons), Fraction(0), {}
    for number in sorted(range(len(persons)), key=lambda k: (income[k], k)):
        reached += persons[number]
        found[number] = min(10, max(1, -(-10 * reached // total))) if total else 1
    return pd.Series(found)


def share(part, whole):
    return part / whole if whole else np.nan


def gini(frame, side):
    """Return the mean difference of all pairs of persons over twice the mean."""
    income = (frame[f"household_net_income {side}"] / np.sqrt(frame["size"])).clip(lower=0)
    x, p = income.to_numpy(), frame["p"].to_numpy()
    of_pairs = (abs(x[:, None] - x) * p[:, None] * p).sum()
    return share(of_pairs, 2 * p.sum() * (x * p).sum())


def by_decile(households):
    return [("", households), *((f"decile {k}", households[households.decile == k]) for k in TEN)]


TEN = range(1, 11)


def says(name, frame):
    """Yield what an outcome is of some households: group, with the reform and without."""
    households, tax_units, spm_units = (
        frame[entity] for entity in ("household", "tax_unit", "spm_unit")
    )

    def both(function):
        return tuple(map(function, SIDES))

    def total(units, variable):
        return both(lambda side: (units.w * units[f"{variable} {side}"]).sum())

    def rate(variable):
        of_side = both(lambda side: (spm_units.p * spm_units[f"{variable} {side}"]).sum())
        return tuple(share(poor, spm_units.p.sum()) for poor in of_side)

    if name == "cost":
        spent, taken = (total(households, f"household_{what}") for what in ("benefits", "tax"))
        yield "", (spent[0] - taken[0], spent[1] - taken[1])
    elif name == "revenue":
        yield "federal", total(tax_units, "income_tax")
        yield "states", total(tax_units, "state_income_tax")
    elif name == "poverty_gap":
        yield "", total(spm_units, "poverty_gap")
    elif name == "poverty_rate":
        yield "", rate("spm_unit_is_in_spm_poverty")
    elif name == "deep_poverty_rate":
        yield "", rate("spm_unit_is_in_deep_spm_poverty")
    elif name == "gini":
        yield "", both(lambda side: gini(households, side))
    elif name == "mean_change":
        for group, some in by_decile(households):
            sums = total(some, "household_net_income")
            yield group, tuple(share(of_side, some.w.sum()) for of_side in sums)
    else:
        assert name == "winners_losers"
        for group, some in by_decile(households):
            for kind in WINNERS_LOSERS:
                found = share(some.p[some.kind == kind].sum(), some.p.sum())
                yield "/".join(filter(None, (group, kind))), (found, float(kind == "no change"))


@pytest.mark.parametrize(
    ("income", "weight"),
    [
        ("plain", "some zero"),
        ("ties", "all equal"),
        ("half zero", "one vector of nothing"),
        ("all equal", "plain"),
        ("all negative", "some zero"),
    ],
)
def test_every_built_in_outcome_by_state_and_by_weight_vector(income, weight):
    for n in (1, 9, 40):
        context = sample(np.random.default_rng(n), n, income, weight)
        of_vector = [frames(context, vector) for vector in range(3)]
        for name in BUILT_IN:
            outcome = find_outcome(name, None)
            found = {(row.group, row.vector): row for row in evaluate(outcome, context, "state")}
            for vector, whole in enumerate(of_vector):
                for state in ("", *np.unique(context.state)):
                    frame = {
                        entity: table[table.state == state] if state else table
                        for entity, table in whole.items()
                    }
                    for group, expected in says(name, frame):
                        label = "/".join(filter(None, (state, group)))
                        row = found.pop((label, vector))
                        if np.isnan(expected).any():
                            assert (row.value, row.error_type) == (None, "ArithmeticError"), label
                        else:
                            close = pytest.approx(expected, rel=1e-9, abs=1e-9)
                            assert (row.value, row.baseline) == close, (name, label)
                            assert row.delta == row.value - row.baseline
            assert found == {}


def test_a_weight_vector_beside_others_says_to_the_bit_what_it_says_alone():
    """So replicates are what as many sweeps with those weights would give."""
    context = sample(np.random.default_rng(5), 300, "plain", "some zero")
    for name in BUILT_IN:
        outcome = find_outcome(name, None)
        together = [row._replace(vector=0) for row in evaluate(outcome, context, "state")]
        of_each = [
            evaluate(
                outcome,
                Context(context.units, *context.sides, context.weights[:, vector], context.state),
                "state",
            )
            for vector in range(3)
        ]
        assert together == [row for rows in zip(*of_each, strict=True) for row in rows], name


def test_the_gini_index_of_equals_is_nothing_and_not_below():
    for n in (2, 40, 41):
        context = sample(np.random.default_rng(n), n, "all equal", "plain")
        for row in evaluate(find_outcome("gini", None), context, "state"):
            assert 0 <= row.baseline < 1e-12
