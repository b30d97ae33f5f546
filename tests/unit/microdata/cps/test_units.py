"""Who is in whose family, SPM unit, couple and tax unit."""

from collections import defaultdict

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcal.microdata.cps import units
from tests.asec_files import random_asec


def persons_of(*rows, **columns):
    """Return persons of one household with lines from 1."""
    table = pd.DataFrame([{"PH_SEQ": 1, "A_LINENO": n, **row} for n, row in enumerate(rows, 1)])
    return table.assign(**columns)


def members(persons, unit):
    """Return the lines of the members of each unit."""
    found = defaultdict(set)
    for household, line, number in zip(persons["PH_SEQ"], persons["A_LINENO"], unit, strict=True):
        found[number].add((household, line))
    return sorted(map(sorted, found.values()))


def test_related_subfamilies_are_in_the_primary_family():
    rows = [(1, 1), (1, 1), (3, 2), (3, 2), (4, 3), (5, 4)]
    persons = persons_of(*({"A_FAMTYP": kind, "PF_SEQ": family} for kind, family in rows))
    found = members(persons, units.families(persons))
    assert found == [[(1, 1), (1, 2), (1, 3), (1, 4)], [(1, 5)], [(1, 6)]]


def test_spm_units_of_minors_are_in_that_of_the_household_s_first_adult():
    rows = [(17, 5), (40, 2), (30, 7), (9, 5), (4, 7)]
    persons = persons_of(*({"A_AGE": age, "SPM_ID": unit} for age, unit in rows))
    unit = units.spm_units(persons)
    assert members(persons, unit) == [[(1, 1), (1, 2), (1, 4)], [(1, 3), (1, 5)]]
    assert not units.independent_minors(persons, unit).any()


def test_minors_by_themselves_stand_for_adults_from_15_on():
    persons = persons_of({"A_AGE": 17, "SPM_ID": 3}, {"A_AGE": 14, "SPM_ID": 4})
    unit = units.spm_units(persons)
    assert members(persons, unit) == [[(1, 1), (1, 2)]]
    assert units.independent_minors(persons, unit).tolist() == [True, False]


def test_only_who_points_back_is_a_spouse(caplog):
    caplog.set_level("INFO")
    persons = persons_of(*({"A_SPOUSE": line} for line in (3, 1, 1, 0)))
    mutual = units.without_lone_pointers(persons)
    assert mutual["A_SPOUSE"].tolist() == [3, 0, 1, 0]
    assert "1 persons point to a spouse who does not point back" in caplog.text
    assert members(mutual, units.marital_units(mutual)) == [[(1, 1), (1, 3)], [(1, 2)], [(1, 4)]]


@pytest.fixture(scope="module")
def survey():
    asec = random_asec(400, seed=8)
    return units.without_lone_pointers(asec.person.sort_values(["PH_SEQ", "A_LINENO"]))


def test_couples_file_together_and_small_children_depend_on_a_parent(survey):
    tax = units.tax_units(survey, 2023)
    unit = dict(zip(zip(survey["PH_SEQ"], survey["A_LINENO"], strict=True), tax.unit, strict=True))
    role = dict(zip(unit, tax.role.tolist(), strict=True))
    couples = children = 0
    for row in survey.itertuples():
        own = (row.PH_SEQ, row.A_LINENO)
        if row.A_SPOUSE > 0:
            couples += 1
            assert unit[own] == unit[row.PH_SEQ, row.A_SPOUSE]
            assert {role[own], role[row.PH_SEQ, row.A_SPOUSE]} == {b"HEAD", b"SPOUSE"}
        elif row.A_AGE < 15 and row.PEPAR1 > 0:
            children += 1
            assert role[own] == b"DEPENDENT"
            parents = {unit[row.PH_SEQ, line] for line in (row.PEPAR1, row.PEPAR2) if line > 0}
            # Or a grandparent's, on whom the parent depends.
            heads = [one for one in unit if unit[one] == unit[own] and role[one] == b"HEAD"]
            assert unit[own] in parents and len(heads) == 1
    assert couples > 100 and children > 50


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_every_unit_is_within_a_household_and_has_one_head(seed):
    persons = random_asec(12, seed).person
    tax = units.tax_units(persons, 2023)
    made = {
        "tax": tax.unit,
        "spm": units.spm_units(persons),
        "family": units.families(persons),
        "marital": units.marital_units(persons),
    }
    for unit in made.values():
        assert persons["PH_SEQ"].groupby(unit).nunique().max() == 1
    heads = pd.Series(tax.role == b"HEAD").groupby(tax.unit).sum()
    assert (heads == 1).all()
    assert pd.Series(made["marital"]).value_counts().max() <= 2
    adults = persons["A_AGE"] >= 18
    with_adult = adults.groupby(made["spm"]).any()
    household = persons["PH_SEQ"].groupby(made["spm"]).first()
    alone = adults.groupby(persons["PH_SEQ"]).any()
    assert (with_adult | ~household.map(alone)).all()
