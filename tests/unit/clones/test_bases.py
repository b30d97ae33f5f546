"""Rates that are about some units only."""

import numpy as np
import pytest

from localcal.clones.freeze import freeze_values
from localcal.clones.frozen import read_frozen, write_frozen
from localcal.clones.locate import locate
from localcal.errors import InputError
from localcal.geography.geography import take_columns
from tests.households import random_places, random_population
from tests.standin_engine import StandIn

HEADER = "variable,entity,state,rate,reported,base,source\n"
MEDICAID = "takes_up_medicaid_if_eligible,person"
REPORTED = "has_medicaid_health_coverage_at_interview"


def freeze(folder, population, places, *rows):
    path = folder / "rates.csv"
    path.write_text(HEADER + "".join(f"{row},x\n" for row in rows))
    return freeze_values(population, places, [], path, 3, StandIn())


def taking(population, places, frozen):
    return locate(population, places, frozen, np.ones(places.household.size)).values


def test_each_rate_holds_for_its_base_in_whatever_columns(tmp_path):
    population = random_population(400, seed=1)
    places = random_places(population, 3, seed=1)
    frozen = freeze(
        tmp_path,
        population,
        places,
        f"{MEDICAID},,0,,age>=40",
        f"{MEDICAID},,1,,age<40;employment_income>30000",
        f"{MEDICAID},,0.5,,",
    )
    write_frozen(tmp_path / "frozen.h5", frozen)
    frozen = read_frozen(tmp_path / "frozen.h5")
    for chosen in (np.arange(1200), np.arange(600, 1200), np.array([0, 7, 1199])):
        values = taking(population, take_columns(places, chosen), frozen)
        old = values["age"] >= 40
        young = ~old & (np.asarray(values["employment_income"]) > 30000)
        taken = values["takes_up_medicaid_if_eligible"]
        assert not taken[old].any() and taken[young].all()
        if chosen.size == 1200:
            rest = taken[~old & ~young]
            assert 0.4 < rest.mean() < 0.6


def test_a_unit_is_of_a_base_if_somebody_in_it_is(tmp_path):
    population = random_population(300, seed=2)
    places = random_places(population, 1, seed=2)
    rows = ["1,,adjusted_gross_income>=40000", "0,,adjusted_gross_income<40000"]
    rows = [f"would_file_taxes_voluntarily,tax_unit,,{row}" for row in rows]
    frozen = freeze(tmp_path, population, places, *rows)
    income = StandIn().simulate(population).calculate("adjusted_gross_income")
    found = taking(population, places, frozen)["would_file_taxes_voluntarily"]
    assert np.array_equal(found, income >= 40000) and 0.1 < found.mean() < 0.9
    frozen = freeze(
        tmp_path,
        population,
        places,
        "takes_up_snap_if_eligible,spm_unit,,1,,age>=60",
        "takes_up_snap_if_eligible,spm_unit,,0,,",
    )
    found = taking(population, places, frozen)["takes_up_snap_if_eligible"]
    oldest = np.zeros(population.count("spm_unit"))
    np.maximum.at(oldest, population.membership["spm_unit"], population.values["age"])
    assert np.array_equal(found, oldest >= 60)


def test_reporters_anchor_the_rate_of_their_base_only(tmp_path):
    population = random_population(500, seed=3)
    places = random_places(population, 1, seed=3)
    old = population.values["age"] >= 40
    reports = np.asarray(population.values[REPORTED]) & old
    population = population.with_values("person", {REPORTED: reports})
    rows = [f"{MEDICAID},,0.9,{REPORTED},{base}" for base in ("age>=40", "age<40")]
    frozen = freeze(tmp_path, population, places, *rows)
    weight = population.values["household_weight"][population.household_of["person"]]
    share = weight[reports].sum() / weight[old].sum()
    by_base = {str(rate.base[0]): rate.rate[6] for rate in frozen.take_up}
    assert by_base["age<40"] == 0.9
    assert by_base["age>=40"] == pytest.approx((0.9 - share) / (1 - share))


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (["1,,age>=40"], r"of household \d+ is of no base; add a row without one"),
        (["1,,age>=40", "0,,age>30", "0,,"], "is of two bases, age>30 and age>=40"),
        (["1,,agee>=40", "0,,"], r"line 2: base: the model has no variable agee \(did you mean"),
        (["1,,age>=old", "0,,"], "line 2: base: constraint age>=old: 'old' is not a number"),
        (["1,,age", "0,,"], "line 2: base: 'age' is no constraint"),
        (["1,,age>4", "0,,age>4", "0,,"], "line 3: .* has a rate for every other state already"),
        (
            [f"1,,{MEDICAID.partition(',')[0]}==True", "0,,"],
            r"a person of household \d+ is of the base takes_up_\S+==True or not, as it takes up",
        ),
    ],
)
def test_a_base_that_cannot_be_is_refused(tmp_path, rows, complaint):
    population = random_population(60, seed=4)
    places = random_places(population, 1, seed=4)
    with pytest.raises(InputError, match=complaint) as raised:
        freeze(tmp_path, population, places, *(f"{MEDICAID},,{row}" for row in rows))
    assert "take_up.rates" in str(raised.value)


class Naming(StandIn):
    """Says of incomes that they may be calculated from who files, which they are not."""

    def dependencies(self, variable):
        return super().dependencies(variable) | {"would_file_taxes_voluntarily"}


def test_a_base_may_read_what_only_names_the_variable(tmp_path):
    population = random_population(60, seed=5)
    places = random_places(population, 1, seed=5)
    path = tmp_path / "rates.csv"
    rows = ["1,,adjusted_gross_income>=40000", "0,,adjusted_gross_income<40000"]
    lines = [f"would_file_taxes_voluntarily,tax_unit,,{row},x\n" for row in rows]
    path.write_text(HEADER + "".join(lines))
    named, plain = (
        freeze_values(population, places, [], path, 3, engine) for engine in (Naming(), StandIn())
    )
    for one, other in zip(named.take_up, plain.take_up, strict=True):
        assert np.array_equal(one.members, other.members) and one.members.any()
    # Who is a filer does depend on it.
    lines = ["would_file_taxes_voluntarily,tax_unit,,1,,tax_unit_is_filer==True,x\n"]
    lines += ["would_file_taxes_voluntarily,tax_unit,,0,,,x\n"]
    path.write_text(HEADER + "".join(lines))
    with pytest.raises(InputError, match="of the base tax_unit_is_filer==True or not, as it"):
        freeze_values(population, places, [], path, 3, Naming())
