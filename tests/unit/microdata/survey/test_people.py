"""Units become persons: how many, how old, and with whom they belong together."""

import numpy as np
import pandas as pd

from localcal.microdata.survey.people import (
    DEPENDENT,
    HEAD,
    SPOUSE,
    claiming_units,
    member_counts,
    people_of,
)
from tests.survey_case import records_of

COUPLE = {"MARS": 2, "age_head": 45, "age_spouse": 43}


def ages(persons, role):
    return sorted(persons.loc[persons["role"] == role, "age"])


def test_dependents_are_counted_once_in_the_range_that_the_counts_leave():
    # Five below 18: one below 6, one of 6 to 12, two of 13 to 16, one of 17; two of 18 to 20.
    unit = COUPLE | {"nu06": 1, "nu13": 2, "n24": 4, "nu18": 5, "n1820": 2, "n21": 2}
    unit |= {"elderly_dependents": 1}
    records = records_of(unit)
    assert member_counts(records).tolist() == [[1, 1, 1, 1, 2, 1, 2, 1, 1]]
    persons = people_of(records, 0)
    assert ages(persons, HEAD) == [45]
    assert ages(persons, SPOUSE) == [43]
    bounds = [(0, 5), (6, 12), (13, 16), (13, 16), (17, 17), (18, 20), (18, 20), (21, 23), (65, 85)]
    for age, (low, high) in zip(ages(persons, DEPENDENT), bounds, strict=True):
        assert low <= age <= high


def test_heads_and_spouses_are_not_counted_again_as_dependents():
    young = {"MARS": 2, "age_head": 19, "age_spouse": 17, "nu06": 1, "nu13": 1, "n24": 1, "nu18": 1}
    assert len(people_of(records_of(young), 0)) == 3
    # Counts that lack the spouse, whose age the file does not know.
    unknown = records_of({"age_head": 50}).assign(MARS=2)
    persons = people_of(unknown, 0)
    assert persons["age"].tolist() == [50, 50]


def test_ages_are_drawn_evenly_inside_their_range_and_80_stands_for_80_to_84():
    records = records_of(*[{"nu06": 1, "nu13": 1, "n24": 1, "nu18": 1, "age_head": 80}] * 3_000)
    persons = people_of(records, 0)
    for role, low in ((DEPENDENT, 0), (HEAD, 80)):
        found = np.bincount(persons.loc[persons["role"] == role, "age"].astype(int) - low)
        assert found.size == (6 if low == 0 else 5)
        # Four standard deviations of a binomial count.
        assert (np.abs(found - 3_000 / found.size) < 4 * np.sqrt(3_000 / found.size)).all()
    assert people_of(records_of({"age_head": 85}), 0)["age"].tolist() == [85]


def test_what_is_drawn_for_a_household_does_not_depend_on_the_others():
    family = COUPLE | {"nu13": 3, "n24": 3, "nu18": 3}
    records = records_of(*[family] * 40)
    whole = people_of(records, 0)
    part = people_of(records[records["h_seq"] > 20].reset_index(drop=True), 0)
    drawn = ["age", "is_female"]
    same = whole[whole["household"] >= 20].reset_index(drop=True)
    assert part[drawn].equals(same[drawn])
    assert not people_of(records, 1)[drawn].equals(whole[drawn])


def test_one_of_a_couple_is_female_and_so_are_half_of_the_others():
    persons = people_of(records_of(*[COUPLE] * 500, *[{}] * 2_000), 0)
    couples = persons[persons["tax_unit"] < 500]
    assert (couples.groupby("tax_unit")["is_female"].sum() == 1).all()
    alone = persons.loc[persons["tax_unit"] >= 500, "is_female"].mean()
    assert abs(alone - 0.5) < 4 * np.sqrt(0.25 / 2_000)


def test_who_is_claimed_elsewhere_joins_the_unit_of_the_own_family():
    records = records_of(
        {"h_seq": 1},
        COUPLE | {"h_seq": 1, "ffpos": 2},
        {"h_seq": 1, "ffpos": 2, "age_head": 18, "DSI": 1},
        {"h_seq": 1, "ffpos": 3, "age_head": 15},
        {"h_seq": 2, "age_head": 20, "DSI": 1},
    )
    assert claiming_units(records).tolist() == [0, 1, 1, 0, 4]
    persons = people_of(records, 0)
    assert persons["tax_unit"].tolist() == [0, 1, 1, 1, 0, 4]
    roles = [HEAD, HEAD, SPOUSE, DEPENDENT, DEPENDENT, HEAD]
    assert persons["tax_unit_role_input"].tolist() == roles
    # The money of their own row stays theirs.
    assert persons["unit"].tolist() == [0, 1, 1, 2, 3, 4]
    assert persons["is_household_head"].tolist() == [True, False, False, False, False, True]


def test_subfamilies_join_the_first_family_and_single_lodgers_do_not():
    records = records_of(
        COUPLE | {"h_seq": 1},
        {"h_seq": 1, "ffpos": 2, "age_head": 20, "nu06": 1, "nu13": 1, "n24": 1, "nu18": 1},
        {"h_seq": 1, "ffpos": 3, "age_head": 30},
        {"h_seq": 1, "ffpos": 4, "age_head": 9},
    )
    persons = people_of(records, 0)
    assert persons["family"].tolist() == [0, 0, 0, 0, 2, 0]
    assert persons["spm_unit"].equals(persons["family"])
    assert persons["tax_unit"].tolist() == [0, 0, 1, 1, 2, 0]


def test_no_family_is_of_minors_only_where_the_household_has_an_adult():
    married = {"MARS": 2, "age_head": 17, "age_spouse": 16}
    records = records_of(married | {"h_seq": 1}, {"h_seq": 1, "ffpos": 2, "age_head": 70})
    persons = people_of(records, 0)
    assert persons["family"].nunique() == 1
    assert persons["tax_unit"].tolist() == [0, 0, 1]


def test_couples_are_marital_units_and_everybody_else_alone():
    persons = people_of(records_of(COUPLE | {"nu13": 1, "n24": 1, "nu18": 1}, {"MARS": 3}), 0)
    assert persons["marital_unit"].tolist() == [0, 0, 2, 3]
    assert persons["is_separated"].tolist() == [False, False, False, True]


def test_claimed_young_adults_are_students():
    records = records_of(COUPLE | {"n21": 3}, {"age_head": 22})
    persons = people_of(records, 0)
    expected = pd.Series([False, False, True, True, True, False])
    assert persons["is_full_time_college_student"].equals(expected)
