"""What a constraint means: who satisfies it, and which sets of constraints make sense.

A stratum is a conjunction of constraints. Those on geography say which columns of the matrix a
target reaches; the others say which persons and units count within them.
"""

import math
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from localcal.errors import InputError, one_of
from localcal.geography.codes import at_large_code

Kind = Literal["number", "bool", "text"]
GeoLevel = Literal["nation", "state", "district"]

OPERATIONS: dict[str, Callable] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
EQUALITIES = ("=", "==", "!=")
BOOLEANS = {"True": 1.0, "False": 0.0, "1": 1.0, "0": 0.0}

STATE_VARIABLE = "state_fips"
DISTRICT_VARIABLE = "congressional_district_geoid"
UCGID_VARIABLE = "ucgid_str"
# The variable that selects one of a level's areas.
PLACE_VARIABLES = {"nation": None, "state": STATE_VARIABLE, "district": DISTRICT_VARIABLE}
GEOGRAPHY_VARIABLES = frozenset({STATE_VARIABLE, DISTRICT_VARIABLE, UCGID_VARIABLE})
# A clone's place is a column of the matrix, known only down to these three levels. Evaluated as
# ordinary variables, the places below would be true or false by the accident of what a clone drew.
UNSUPPORTED_GEOGRAPHY = frozenset(
    {
        "block_geoid",
        "cbsa_code",
        "county",
        "county_fips",
        "county_str",
        "place_fips",
        "puma",
        "sldl",
        "sldu",
        "state_code",
        "state_code_str",
        "three_digit_zip_code",
        "tract_geoid",
        "vtd",
        "zcta",
        "zip_code",
    }
)

NATION_UCGID = "0100000US"
STATE_UCGID = re.compile(r"0400000US(\d{2})")
# The two digits after 50 are the Congress whose districts are meant.
DISTRICT_UCGID = re.compile(r"50\d{5}US(\d{4})")


# Longest first, so that ">=" is not read as ">" before a value "=...".
_IN_WORDS = re.compile(r"([a-z][a-z0-9_]*)\s*(==|!=|>=|<=|=|>|<)\s*([^=<>!;\s]+)")


class Constraint(NamedTuple):
    """One comparison of a variable with a published value, e.g. age > 4."""

    variable: str
    operation: str
    value: str

    def __str__(self) -> str:
        return f"{self.variable}{self.operation}{self.value}"


def constraints_in(place: str, text: str) -> tuple[Constraint, ...]:
    """Return the conditions in a text such as `age>4;age<10`, which semicolons separate.

    Args:
        place: where the text stands, for the message.
        text: none, one or several conditions.

    Raises:
        InputError: a condition is none, is about geography, or compares a variable twice in the
            same way.
    """
    constraints: list[Constraint] = []
    for part in text.split(";") if text.strip() else []:
        match = _IN_WORDS.fullmatch(part.strip())
        if match is None:
            raise InputError(
                f"{place}: {part.strip()!r} is no constraint; write a variable, one of "
                "== != > >= < <= and a value, such as age>4;age<10"
            )
        constraint = _spelled(Constraint(*match.groups()))
        if constraint.variable in GEOGRAPHY_VARIABLES:
            raise InputError(
                f"{place}: {part.strip()!r} is about the place; name the area in its own column"
            )
        if constraint[:2] in [known[:2] for known in constraints]:
            raise InputError(f"{place}: {part.strip()!r} comes twice with that operation; keep one")
        constraints.append(constraint)
    return tuple(constraints)


def parse_value(
    constraint: Constraint, kind: Kind, members: Sequence[str] = (), whole: bool = False
) -> float | str:
    """Return the constraint's value as something to compare an array of `kind` with.

    Args:
        constraint: the comparison.
        kind: of the array.
        members: what its texts can be, if that is known.
        whole: whether its numbers are whole ones.

    Returns:
        The number as a float, True and False as 1.0 and 0.0, a text unchanged.

    Raises:
        InputError: unknown operation; a value that is not of the kind, or that the variable never
            has; an order asked of a text; a comparison that holds for everybody or nobody.
    """
    if constraint.operation not in OPERATIONS:
        raise InputError(
            f"constraint {constraint}: unknown operation {constraint.operation!r}; "
            f"use one of {' '.join(OPERATIONS)}"
        )
    if kind == "text":
        if constraint.operation not in EQUALITIES:
            raise InputError(
                f"constraint {constraint}: {constraint.variable} holds text, which has no order; "
                "use == or !="
            )
        if members and constraint.value not in members:
            raise InputError(
                f"constraint {constraint}: {constraint.variable} is never {constraint.value!r}; "
                f"it is {one_of(constraint.value, members)}"
            )
        return constraint.value
    if kind == "bool":
        if constraint.value not in BOOLEANS:
            raise InputError(
                f"constraint {constraint}: {constraint.variable} is true or false; "
                f"use one of {' '.join(BOOLEANS)}"
            )
        value = BOOLEANS[constraint.value]
        compare = OPERATIONS[constraint.operation]
        if compare(0.0, value) == compare(1.0, value):
            raise InputError(
                f"constraint {constraint}: holds for everybody or nobody, since "
                f"{constraint.variable} is true or false; use == or !="
            )
        return value
    number = _number(constraint)
    if whole and constraint.operation in EQUALITIES and not number.is_integer():
        raise InputError(
            f"constraint {constraint}: {constraint.variable} is a whole number, never "
            f"{constraint.value}; correct the value"
        )
    return number


def holds(constraint: Constraint, values: np.ndarray) -> np.ndarray:
    """Say for each of `values` whether it satisfies the constraint.

    Args:
        constraint: what is asked; its variable's name is used in messages only.
        values: numbers, booleans, or texts (str, UTF-8 bytes, or objects that are all str).
            Enums are passed as the texts of their names.

    Returns:
        Array of bool of the shape of `values`. Numbers are compared in float64.

    Raises:
        InputError: unknown operation; the value does not fit the array.
    """
    values = np.asarray(values)
    kind = _kind_of(constraint, values)
    value = parse_value(constraint, kind)
    compare = OPERATIONS[constraint.operation]
    if isinstance(value, str):
        if values.dtype.kind == "S":
            return compare(values, value.encode())
        return compare(values, value)
    return compare(values.astype(np.float64), value)


def check_constraints(label: str, constraints: Iterable[Constraint]) -> None:
    """Refuse a set of constraints that contradicts itself.

    Per variable: equality and inequality stand alone; at most one lower and one upper bound;
    the range between them is not empty.

    Args:
        label: what the constraints belong to, for the message.
        constraints: all constraints of one stratum.

    Raises:
        InputError: unknown operation, two constraints that exclude each other, an empty range.
    """
    by_variable: defaultdict[str, list[Constraint]] = defaultdict(list)
    for constraint in constraints:
        by_variable[constraint.variable].append(constraint)
    for variable in sorted(by_variable):
        try:
            _check_one_variable(by_variable[variable])
        except InputError as error:
            raise InputError(f"{label}: {error}") from error


def check_child(
    label: str, parent: Iterable[Constraint], constraints: Iterable[Constraint]
) -> None:
    """Refuse a stratum that is no part of the one above it.

    It repeats every constraint of its parent, places in whatever spelling; a place below a place
    only has to lie in it.

    Args:
        label: what the constraints belong to, for the message.
        parent: all constraints of the stratum above.
        constraints: all constraints of the stratum.

    Raises:
        InputError: a constraint of the parent is not repeated, the place lies elsewhere, or one of
            the places is none.
    """
    parent, own = list(parent), list(constraints)
    if not own or not all(c.variable in GEOGRAPHY_VARIABLES for c in (*parent, *own)):
        known = {_place_spelled(constraint) for constraint in own}
        missing = [c for c in parent if _place_spelled(c) not in known]
        if missing:
            raise InputError(f"{label}: does not repeat {missing[0]} of the stratum above it")
        return
    level, area, _ = split_geography(f"{label}: the stratum above it", parent)
    own_level, own_area, _ = split_geography(label, own)
    state = str(int(own_area) // 100) if own_level == "district" else own_area
    if not (level == "nation" or area == own_area or (level == "state" and area == state)):
        raise InputError(
            f"{label}: {own_level} {own_area} does not lie in {level} {area} of the stratum above "
            "it"
        )


def _place_spelled(constraint: Constraint) -> Constraint:
    """Return a constraint with its place as a number without zeros in front, and `=` as `==`."""
    constraint = _spelled(constraint)
    is_numbered = constraint.variable in (STATE_VARIABLE, DISTRICT_VARIABLE)
    if is_numbered and constraint.value.isascii() and constraint.value.isdecimal():
        return constraint._replace(value=str(int(constraint.value)))
    return constraint


def place_constraints(level: str, code: str) -> tuple[Constraint, ...]:
    """Return what selects one of a level's areas.

    Args:
        level: one of the levels of targets.
        code: US, a state's FIPS code, or a district's code (state * 100 + district).

    Raises:
        InputError: there is no such level.
    """
    if level not in PLACE_VARIABLES:
        raise InputError(f"{level!r} is no level of targets; use {', '.join(PLACE_VARIABLES)}")
    variable = PLACE_VARIABLES[level]
    return () if variable is None else (Constraint(variable, "==", code),)


def meaning(constraints: Iterable[Constraint]) -> tuple[Constraint, ...]:
    """Return the constraints sorted, with 0 and 0.0, or True and 1, made equal."""
    return tuple(sorted(c._replace(value=_canonical(c.value)) for c in constraints))


def _canonical(value: str) -> str:
    if value in ("True", "False"):
        return repr(float(value == "True"))
    try:
        return repr(float(value))
    except ValueError:
        return value


def split_geography(
    label: str, constraints: Iterable[Constraint]
) -> tuple[GeoLevel, str, tuple[Constraint, ...]]:
    """Take the constraints on geography apart from the others.

    Args:
        label: what the constraints belong to, for the message.
        constraints: all constraints of one stratum.

    Returns:
        The level; the area without zero padding ('US', '6', '601'; at-large districts and DC
        end in 01); the remaining constraints, sorted, `=` spelled `==`.

    Raises:
        InputError: a place that is not a nation, state or district; a comparison other than ==;
            places that disagree.
    """
    states: set[int] = set()
    districts: set[int] = set()
    others: list[Constraint] = []
    for constraint in constraints:
        try:
            if constraint.variable in UNSUPPORTED_GEOGRAPHY:
                raise InputError(
                    f"constraint {constraint}: targets reach the nation, states and districts "
                    f"only; use {STATE_VARIABLE} or {DISTRICT_VARIABLE}"
                )
            if constraint.variable in GEOGRAPHY_VARIABLES:
                state, district = _place(constraint)
                states |= state
                districts |= district
            else:
                others.append(_spelled(constraint))
        except InputError as error:
            raise InputError(f"{label}: {error}") from error
    states |= {district // 100 for district in districts}
    if len(states) > 1 or len(districts) > 1:
        places = ", ".join(map(str, sorted(states | districts)))
        raise InputError(
            f"{label}: its places disagree ({places}); give one state, or one district in it"
        )
    rest = tuple(sorted(others))
    if districts:
        return "district", str(districts.pop()), rest
    if states:
        return "state", str(states.pop()), rest
    return "nation", "US", rest


def _spelled(constraint: Constraint) -> Constraint:
    return constraint._replace(operation="==") if constraint.operation == "=" else constraint


def _number(constraint: Constraint) -> float:
    try:
        number = float(constraint.value)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise InputError(
            f"constraint {constraint}: {constraint.value!r} is not a number; correct the value"
        )
    return number


def _kind_of(constraint: Constraint, values: np.ndarray) -> Kind:
    if values.dtype.kind in "iuf":
        return "number"
    if values.dtype.kind == "b":
        return "bool"
    if values.dtype.kind in "SUT":
        return "text"
    if values.dtype.kind == "O" and all(isinstance(item, str) for item in values.flat):
        return "text"
    raise InputError(
        f"constraint {constraint}: values of type {values.dtype} cannot be compared; "
        "give numbers, booleans or texts"
    )


def _check_one_variable(constraints: list[Constraint]) -> None:
    for constraint in constraints:
        if constraint.operation not in EQUALITIES:
            parse_value(constraint, "number")
    listed = ", ".join(map(str, constraints))
    if len(constraints) > 1 and any(c.operation in EQUALITIES for c in constraints):
        raise InputError(f"{listed}: == and != stand alone; remove the other constraints")
    lower = [c for c in constraints if c.operation in (">", ">=")]
    upper = [c for c in constraints if c.operation in ("<", "<=")]
    if len(lower) > 1 or len(upper) > 1:
        raise InputError(f"{listed}: two bounds on the same side; keep one")
    least = _number(lower[0]) if lower else -math.inf
    most = _number(upper[0]) if upper else math.inf
    exclusive = any(c.operation in (">", "<") for c in constraints)
    if least > most or (least == most and exclusive):
        raise InputError(f"{listed}: no value is in this range; correct the bounds")


def _place(constraint: Constraint) -> tuple[set[int], set[int]]:
    """Return the states and the districts (none or one of each) that the constraint names."""
    if constraint.operation not in ("=", "=="):
        raise InputError(
            f"constraint {constraint}: geography is compared with == only; "
            "list the areas as strata of their own"
        )
    if constraint.variable == UCGID_VARIABLE:
        return _ucgid_place(constraint)
    # isdecimal alone would let other scripts' digits through.
    if not (constraint.value.isascii() and constraint.value.isdecimal()):
        raise _not_a_place(constraint)
    code = int(constraint.value)
    if constraint.variable == STATE_VARIABLE:
        if not 1 <= code <= 99:
            raise _not_a_place(constraint)
        return {code}, set()
    return set(), {_district(constraint, code)}


def _ucgid_place(constraint: Constraint) -> tuple[set[int], set[int]]:
    if constraint.value == NATION_UCGID:
        return set(), set()
    if state := STATE_UCGID.fullmatch(constraint.value):
        return {int(state[1])}, set()
    if district := DISTRICT_UCGID.fullmatch(constraint.value):
        return set(), {_district(constraint, int(district[1]))}
    raise _not_a_place(constraint)


def _district(constraint: Constraint, code: int) -> int:
    if not 100 <= code <= 9999:
        raise _not_a_place(constraint)
    return at_large_code(code)


def _not_a_place(constraint: Constraint) -> InputError:
    return InputError(
        f"constraint {constraint}: {constraint.value!r} is no state or district; use a state's "
        "FIPS number (6) or state * 100 + district (601)"
    )
