import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcal.database.constraints import (
    Constraint,
    check_child,
    check_constraints,
    holds,
    parse_value,
    split_geography,
)
from localcal.errors import InputError

PLAIN = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@given(
    st.lists(st.integers(-5, 5)),
    st.sampled_from(sorted(PLAIN)),
    st.integers(-5, 5),
    st.sampled_from([np.int32, np.int64, np.float32, np.float64]),
)
def test_numbers_compare_as_in_plain_python(values, operation, bound, dtype):
    array = np.array(values, dtype=dtype)
    result = holds(Constraint("age", operation, str(bound)), array)
    assert result.dtype == bool
    assert result.tolist() == [PLAIN[operation](value, bound) for value in values]


def test_numbers_are_compared_in_float64():
    tenth = np.array([0.1], dtype=np.float32)
    assert holds(Constraint("share", ">", "0.1"), tenth).tolist() == [True]
    assert holds(Constraint("share", "==", "0.1"), tenth).tolist() == [False]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("True", [True, False]), ("1", [True, False]), ("False", [False, True]), ("0", [False, True])],
)
def test_booleans_compare_with_true_false_and_their_numbers(value, expected):
    assert holds(Constraint("enrolled", "==", value), np.array([True, False])).tolist() == expected


def test_a_flag_above_zero_is_a_true_flag():
    assert holds(Constraint("enrolled", ">", "0"), np.array([True, False])).tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize("dtype", ["U10", "S10", object, np.dtypes.StringDType()])
def test_texts_compare_whatever_their_storage(dtype):
    statuses = np.array(["NONE", "CITIZEN"]).astype(dtype)
    assert holds(Constraint("status", "==", "NONE"), statuses).tolist() == [True, False]
    assert holds(Constraint("status", "!=", "NONE"), statuses).tolist() == [False, True]


def test_texts_that_look_like_numbers_stay_texts():
    assert holds(Constraint("county", "=", "6"), np.array(["06", "6"])).tolist() == [False, True]


@pytest.mark.parametrize(
    ("constraint", "values", "message"),
    [
        (Constraint("age", "~", "4"), np.array([1.0]), "unknown operation '~'"),
        (Constraint("age", ">", "four"), np.array([1.0]), "'four' is not a number"),
        (Constraint("age", "==", "True"), np.array([1]), "'True' is not a number"),
        (Constraint("age", "==", "nan"), np.array([1.0]), "'nan' is not a number"),
        (Constraint("enrolled", "==", "2"), np.array([True]), "true or false"),
        (Constraint("status", ">", "A"), np.array(["A"]), "has no order"),
        (Constraint("status", "==", "A"), np.array(["A", 1], dtype=object), "cannot be compared"),
        (Constraint("born", "==", "A"), np.array(["2024"], "datetime64[Y]"), "cannot be compared"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(constraint, values, message):
    with pytest.raises(InputError, match=message) as raised:
        holds(constraint, values)
    assert constraint.variable in str(raised.value)


def test_an_unknown_operation_is_refused_for_every_kind():
    for kind in ("number", "bool", "text"):
        with pytest.raises(InputError, match="unknown operation 'in'"):
            parse_value(Constraint("age", "in", "1"), kind)


def test_open_brackets_may_be_infinite():
    brackets = [Constraint("income", ">=", "500000"), Constraint("income", "<", "inf")]
    check_constraints("stratum 1", brackets)
    assert holds(brackets[1], np.array([1e12])).tolist() == [True]


@pytest.mark.parametrize(
    "constraints",
    [
        [],
        [("age", ">", "4"), ("age", "<", "10")],
        [("age", ">=", "4"), ("age", "<=", "4")],
        [("age", ">=", "10"), ("income", "<", "4")],
        [("status", "==", "NONE"), ("age", "!=", "4")],
        [("enrolled", ">", "0")],
    ],
)
def test_constraints_that_someone_can_satisfy_pass(constraints):
    check_constraints("stratum 1", [Constraint(*c) for c in constraints])


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ([("age", "==", "4"), ("age", "<", "9")], "stand alone"),
        ([("age", "!=", "4"), ("age", ">", "1")], "stand alone"),
        ([("age", "=", "4"), ("age", "==", "4")], "stand alone"),
        ([("age", ">", "1"), ("age", ">=", "1")], "same side"),
        ([("age", "<", "1"), ("age", "<=", "1")], "same side"),
        ([("age", ">", "9"), ("age", "<", "4")], "no value"),
        ([("age", ">", "4"), ("age", "<=", "4")], "no value"),
        ([("age", ">=", "4"), ("age", "<", "4")], "no value"),
        ([("age", ">", "inf")], "no value"),
        ([("age", "<", "-inf")], "no value"),
        ([("age", "<", "ten")], "'ten' is not a number"),
        ([("age", "like", "4")], "unknown operation 'like'"),
        ([("age", "like", "4"), ("age", "<", "9")], "unknown operation 'like'"),
    ],
)
def test_constraints_that_contradict_each_other_are_refused(constraints, message):
    with pytest.raises(InputError, match=message) as raised:
        check_constraints("stratum 17", [Constraint(*c) for c in constraints])
    assert str(raised.value).startswith("stratum 17: ")
    assert "age" in str(raised.value)


@given(
    st.sampled_from([">", ">="]),
    st.integers(-3, 3),
    st.sampled_from(["<", "<="]),
    st.integers(-3, 3),
)
def test_a_range_is_refused_exactly_when_no_number_is_in_it(lower, least, upper, most):
    bounds = [Constraint("age", lower, str(least)), Constraint("age", upper, str(most))]
    # Bounds are integers, so halves and integers are all there is to tell.
    numbers = np.arange(-8, 9) / 2
    empty = not (holds(bounds[0], numbers) & holds(bounds[1], numbers)).any()
    if empty:
        with pytest.raises(InputError, match="no value"):
            check_constraints("stratum 1", bounds)
    else:
        check_constraints("stratum 1", bounds)


@pytest.mark.parametrize(
    ("constraints", "level", "area"),
    [
        ([], "nation", "US"),
        ([("state_fips", "==", "06")], "state", "6"),
        ([("state_fips", "=", "6")], "state", "6"),
        ([("congressional_district_geoid", "==", "0601")], "district", "601"),
        ([("congressional_district_geoid", "==", "3612")], "district", "3612"),
        ([("congressional_district_geoid", "==", "200")], "district", "201"),
        ([("congressional_district_geoid", "==", "1198")], "district", "1101"),
        (
            [("state_fips", "==", "6"), ("congressional_district_geoid", "==", "601")],
            "district",
            "601",
        ),
        ([("ucgid_str", "==", "0100000US")], "nation", "US"),
        ([("ucgid_str", "==", "0400000US06")], "state", "6"),
        ([("ucgid_str", "==", "5001800US0601")], "district", "601"),
        ([("ucgid_str", "==", "5001900US1198")], "district", "1101"),
    ],
)
def test_places_lose_their_padding_and_their_spelling(constraints, level, area):
    constraints = [Constraint(*c) for c in constraints]
    assert split_geography("stratum 1", constraints) == (level, area, ())


def test_other_constraints_are_kept_sorted_with_one_sign_for_equality():
    constraints = [
        Constraint("snap", ">", "0"),
        Constraint("state_fips", "==", "6"),
        Constraint("age", "=", "4"),
    ]
    rest = (Constraint("age", "==", "4"), Constraint("snap", ">", "0"))
    assert split_geography("stratum 1", constraints) == ("state", "6", rest)


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ([("state_fips", ">", "6")], "with == only"),
        ([("state_fips", "!=", "6")], "with == only"),
        ([("state_fips", "==", "0")], "no state or district"),
        ([("state_fips", "==", "601")], "no state or district"),
        ([("state_fips", "==", "6.5")], "no state or district"),
        ([("state_fips", "==", "-6")], "no state or district"),
        ([("state_fips", "==", "٦")], "no state or district"),
        ([("congressional_district_geoid", "==", "6")], "no state or district"),
        ([("congressional_district_geoid", "==", "CA-01")], "no state or district"),
        ([("ucgid_str", "==", "0500000US06037")], "no state or district"),
        ([("state_code", "==", "CA")], "use state_fips"),
        ([("county_fips", "==", "06037")], "use state_fips"),
        ([("state_fips", "==", "6"), ("state_fips", "==", "8")], "disagree"),
        (
            [("state_fips", "==", "8"), ("congressional_district_geoid", "==", "601")],
            "disagree",
        ),
        (
            [("ucgid_str", "==", "5001900US0602"), ("congressional_district_geoid", "==", "601")],
            "disagree",
        ),
    ],
)
def test_places_that_are_none_are_refused(constraints, message):
    with pytest.raises(InputError, match=message) as raised:
        split_geography("stratum 17", [Constraint(*c) for c in constraints])
    assert str(raised.value).startswith("stratum 17: ")


TENURES = ("RENTED", "OWNED_OUTRIGHT", "NONE")


@pytest.mark.parametrize("operation", ["==", "!=", "="])
def test_a_name_that_an_enum_does_not_have_is_refused(operation):
    """It would hold for nobody, or for everybody."""
    with pytest.raises(InputError, match="is never 'RENTD'; it is one of .*did you mean RENTED"):
        parse_value(Constraint("tenure_type", operation, "RENTD"), "text", TENURES)
    assert parse_value(Constraint("tenure_type", operation, "NONE"), "text", TENURES) == "NONE"
    # Text may be anything.
    assert parse_value(Constraint("county_str", operation, "RENTD"), "text") == "RENTD"


@pytest.mark.parametrize(
    ("operation", "value"), [(">=", "0"), ("<=", "True"), ("<", "False"), (">", "1")]
)
def test_a_comparison_that_no_flag_can_fail_or_meet_is_refused(operation, value):
    with pytest.raises(InputError, match="holds for everybody or nobody, since x is true or fal"):
        parse_value(Constraint("x", operation, value), "bool")


@pytest.mark.parametrize(("operation", "value"), [(">", "0"), (">=", "1"), ("<", "1"), ("<=", "0")])
def test_a_flag_may_be_compared_like_a_number(operation, value):
    assert parse_value(Constraint("x", operation, value), "bool") == float(value)


def test_a_whole_number_is_never_a_fraction():
    with pytest.raises(InputError, match=r"x is a whole number, never 4\.5"):
        parse_value(Constraint("x", "==", "4.5"), "number", whole=True)
    assert parse_value(Constraint("x", ">", "4.5"), "number", whole=True) == 4.5
    assert parse_value(Constraint("x", "==", "4.0"), "number", whole=True) == 4.0
    assert parse_value(Constraint("x", "==", "4.5"), "number") == 4.5


def constraints(*words: str) -> list[Constraint]:
    return [Constraint(*word.split()) for word in words]


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        ([], []),
        ([], ["state_fips == 6"]),
        ([], ["state_fips == 6", "age > 4"]),
        (["state_fips == 6"], ["congressional_district_geoid == 601"]),
        (["state_fips == 06"], ["state_fips == 6"]),
        (["ucgid_str == 0400000US06"], ["congressional_district_geoid == 0601"]),
        (["congressional_district_geoid == 200"], ["congressional_district_geoid == 201"]),
        (["state_fips == 06"], ["state_fips == 6", "age > 4"]),
        (["state_fips = 6", "age > 4"], ["age > 4", "age < 9", "state_fips == 6"]),
    ],
)
def test_a_stratum_that_repeats_what_is_above_it_or_lies_in_it_is_a_child(parent, child):
    check_child("stratum 2", constraints(*parent), constraints(*child))


@pytest.mark.parametrize(
    ("parent", "child", "complaint"),
    [
        (["age > 4"], [], "does not repeat age>4"),
        (["age > 4"], ["age > 5"], "does not repeat age>4"),
        (["age > 4"], ["state_fips == 6"], "does not repeat age>4"),
        (["state_fips == 6"], ["age > 4"], "does not repeat state_fips==6"),
        (["state_fips == 6"], ["state_fips == 7", "age > 4"], "does not repeat state_fips==6"),
        # People are not counted by a district's code where the stratum above says the state's.
        (
            ["state_fips == 6"],
            ["congressional_district_geoid == 601", "age > 4"],
            "does not repeat state_fips==6",
        ),
        (["state_fips == 6"], ["state_fips == 8"], "state 8 does not lie in state 6"),
        (
            ["state_fips == 6"],
            ["congressional_district_geoid == 801"],
            "district 801 does not lie in state 6",
        ),
        (
            ["congressional_district_geoid == 601"],
            ["congressional_district_geoid == 602"],
            "district 602 does not lie in district 601",
        ),
        (["congressional_district_geoid == 601"], ["state_fips == 6"], "state 6 does not lie in"),
        (["state_fips == 6"], ["ucgid_str == 0100000US"], "nation US does not lie in state 6"),
    ],
)
def test_a_stratum_that_is_no_part_of_the_one_above_it_is_refused(parent, child, complaint):
    with pytest.raises(InputError, match=complaint) as raised:
        check_child("stratum 2", constraints(*parent), constraints(*child))
    assert str(raised.value).startswith("stratum 2: ")
