"""Values of the kind that the model reads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcal.engine.protocol import Variable
from localcal.errors import InputError
from localcal.microdata.kinds import as_kind

TENURES = ("RENTED", "OWNED_OUTRIGHT", "OWNED_WITH_MORTGAGE", "NONE")
KINDS = {
    kind: Variable("x", "person", kind, computed=False, members=TENURES if kind == "enum" else ())
    for kind in ("float", "int", "bool", "text", "enum")
}


def read(kind, values):
    return as_kind("given.h5", KINDS[kind], np.asarray(values))


@pytest.mark.parametrize(
    ("kind", "values", "expected", "dtype"),
    [
        ("bool", [True, False], [True, False], bool),
        ("bool", np.array([1, 0], np.int8), [True, False], bool),
        ("bool", np.array([1.0, 0.0]), [True, False], bool),
        ("bool", np.array([True, False], object), [True, False], bool),
        ("int", np.array([3, -4], np.int64), [3, -4], np.int64),
        ("int", np.array([3.0, -4.0]), [3, -4], np.int32),
        ("int", np.array([3, 4], np.uint8), [3, 4], np.uint8),
        ("float", np.array([3, 4], np.int32), [3, 4], np.int32),
        ("float", np.array([0.5, 4], np.float32), [0.5, 4], np.float32),
        ("float", np.array([True, False]), [True, False], bool),
        ("text", np.array([b"a", b"bc"]), [b"a", b"bc"], "S"),
        ("text", np.array(["a", "bc"]), [b"a", b"bc"], "S"),
        ("text", np.array(["a", b"bc"], object), [b"a", b"bc"], "S"),
        (
            "text",
            np.array(["a", "\u00f1"], np.dtypes.StringDType()),
            [b"a", "\u00f1".encode()],
            "S",
        ),
        ("enum", np.array([b"NONE", b"RENTED"]), [b"NONE", b"RENTED"], "S"),
        ("enum", np.array(["NONE", "RENTED"], object), [b"NONE", b"RENTED"], "S"),
        ("enum", np.array([3, 0], np.int16), [b"NONE", b"RENTED"], "S"),
        ("enum", np.array([3, 0], np.uint8), [b"NONE", b"RENTED"], "S"),
    ],
)
def test_what_is_plainly_of_a_kind_is_read_as_such(kind, values, expected, dtype):
    result = read(kind, values)
    assert result.tolist() == expected
    assert result.dtype == np.dtype(dtype) or (dtype == "S" and result.dtype.kind == "S")


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("bool", np.array([b"True", b"False"]), "is 'True' in row 0; .* true or false; store bool"),
        ("bool", np.array(["0", "1"], object), "is '0' in row 0; the model wants true or false"),
        ("bool", [0, 1, 2], "is 2 in row 2; the model wants true or false"),
        ("bool", [0, 1, 0.5], "is 0.5 in row 2; the model wants true or false"),
        ("bool", [1, 1j], r"in row 0; the model wants true or false"),
        ("int", [1, 2, 2.5], "is 2.5 in row 2; the model wants a whole number"),
        ("int", [1, 2, 3j], "in row 0; the model wants a whole number"),
        ("int", np.array([b"1", b"2"]), "is '1' in row 0; the model wants a whole number"),
        ("int", [1, 2**31], "is 2147483648 in row 1; no number is that large"),
        ("int", [1.0, -(2.0**31)], "row 1; no number is that large"),
        ("int", np.array(["2024-01-01"], "M8[D]"), "2024-01-01 in row 0; the model wants a whole"),
        ("float", np.array(["1.5"]), "is '1.5' in row 0; the model wants a number; store floats"),
        ("float", np.array([1.5, "x"], object), "is 'x' in row 1; the model wants a number"),
        ("float", np.array([1.5, None], object), "is None in row 1; the model wants a number"),
        ("float", [1 + 0j], "row 0; the model wants a number"),
        ("float", [0.0, np.nan], "is nan in row 1; fill or remove it"),
        ("float", [0.0, -np.inf], "is -inf in row 1; fill or remove it"),
        ("float", [0.0, 1e39], "is 1e.39 in row 1; no amount is that large"),
        ("int", [0.0, np.nan], "is nan in row 1; fill or remove it"),
        ("bool", [0.0, np.nan], "is nan in row 1; fill or remove it"),
        ("text", [9, 1], "is 9 in row 0; the model wants text; store strings"),
        ("text", np.array(["a", np.nan], object), "is nan in row 1; the model wants text"),
        ("text", [True], "is True in row 0; the model wants text"),
        ("text", np.array([b"\xff"]), "not UTF-8"),
        ("enum", np.array([b"NONE", b"RENTD"]), "'RENTD' in row 1; .*did you mean RENTED"),
        ("enum", np.array([b"", b"NONE"]), "'' in row 0; the model wants one of RENTED, OWNED_OU"),
        ("enum", np.array(["rented"]), "'rented' in row 0.*did you mean RENTED"),
        ("enum", np.array([b"1", b"2"]), "'1' in row 0; the model wants one of RENTED"),
        ("enum", [0, 4], r"is 4 in row 1; codes go from 0 \(RENTED\) to 3 \(NONE\)"),
        ("enum", [0, -1], r"is -1 in row 1; codes go from 0"),
        ("enum", [1.0, 2.0], "is 1.0 in row 0; the model wants a name, or its code as an integer"),
        ("enum", [True, False], "is True in row 0; the model wants a name"),
        ("enum", np.array(["NONE", None], object), "is None in row 1; the model wants a name"),
        ("float", [[1.0]], "has 2 dimensions instead of one"),
    ],
)
def test_what_the_model_would_read_as_something_else_is_refused(kind, values, message):
    with pytest.raises(InputError, match=f"^given.h5: 'x' .*{message}") as error:
        read(kind, values)
    assert "\n" not in str(error.value)


def test_names_of_a_large_enum_are_not_all_listed():
    counties = tuple(f"COUNTY_{number}_ZZ" for number in range(3_000))
    variable = Variable("county", "household", "enum", computed=False, members=counties)
    with pytest.raises(InputError, match="one of 3000 names .*did you mean COUNTY_17_ZZ") as error:
        as_kind("given.h5", variable, np.array(["COUNTY17_ZZ"]))
    assert len(str(error.value)) < 200


@given(
    st.sampled_from(sorted(KINDS)),
    st.one_of(
        st.lists(st.booleans(), min_size=1),
        st.lists(st.integers(-9, 9), min_size=1),
        st.lists(st.floats(width=32), min_size=1),
        st.lists(st.complex_numbers(), min_size=1),
        st.lists(st.sampled_from([*TENURES, "True", "1", "\u00e9", ""]), min_size=1),
        st.lists(st.one_of(st.none(), st.booleans(), st.text(max_size=3)), min_size=1).map(
            lambda items: np.array(items, dtype=object)
        ),
    ),
)
def test_whatever_is_given_comes_out_of_its_kind_or_is_refused(kind, values):
    """And says the same as before."""
    values = np.asarray(values)
    try:
        result = read(kind, values)
    except InputError:
        return
    assert result.shape == values.shape
    assert result.dtype.kind in {"text": "S", "enum": "S", "bool": "b"}.get(kind, "biuf")
    if kind == "enum":
        codes = values.dtype.kind in "iu"
        expected = [TENURES[item] if codes else item for item in values.tolist()]
        assert [item.decode() for item in result.tolist()] == expected
    elif kind != "text":
        assert (result == values).all()
