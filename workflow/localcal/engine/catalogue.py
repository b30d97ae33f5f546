"""What policyengine-us says about its variables, told in localcal's words."""

import re
from collections.abc import Collection, Iterable, Mapping

from localcal.engine.formulas import reads_lists
from localcal.engine.model import ModelVariable
from localcal.engine.protocol import Variable

# policyengine-us takes these as inputs although it also has a formula for them: it moves what a
# dataset stores to the variables that labour-supply and capital-gains responses start from.
MOVED_INPUTS = frozenset(
    {
        "employment_income",
        "long_term_capital_gains",
        "self_employment_income",
        "sstb_self_employment_income",
        "weekly_hours_worked",
    }
)

KINDS = {float: "float", int: "int", bool: "bool", str: "text"}

# How the model names the choices that it leaves to whoever makes the data.
TAKE_UP = re.compile(r"takes_up_|would_file_")

# What the names and labels of a household's places speak of. Only a variable without a formula has
# to be told by its words: what a formula reads says it of the others. Amounts are never places.
PLACES = re.compile(
    r"\b(county|district|region|area|zone|tract|block|place|zip|tribal|rural|urban"
    r"|metropolitan|resident of|lives in|territory|reservation|fips|geoid|ucgid|puma|zcta)\b"
)
# The same for variables of others than households, whose labels name states and counties for other
# reasons, such as whose programme it is.
PLACES_OF_OTHERS = re.compile(r"\b(area|region|zone|zip|rural|fips|geoid)\b")


def described(variables: Mapping[str, ModelVariable], refused: Collection[str]) -> dict:
    """Return what localcal has to know of every variable, by name."""
    return {
        name: Variable(
            name=name,
            entity=variable.entity.key,
            kind=KINDS.get(variable.value_type, "enum"),
            computed=not variable.is_input_variable() and name not in MOVED_INPUTS,
            refused=name in refused,
            members=_members(variable),
            is_take_up=(
                variable.value_type is bool
                and variable.is_input_variable()
                and TAKE_UP.match(name) is not None
            ),
        )
        for name, variable in variables.items()
    }


def _members(variable: ModelVariable) -> tuple[str, ...]:
    if variable.value_type in KINDS:
        return ()
    return tuple(item.name for item in sorted(variable.possible_values, key=lambda i: i.index))


def place_variables(
    variables: Mapping[str, ModelVariable], read: Mapping[str, Iterable[str]]
) -> frozenset[str]:
    """Return the variables that say where a household lives, or follow from nothing else.

    Args:
        variables: the model's.
        read: variable to the variables that its formula may read.
    """
    places = {name for name, variable in variables.items() if _is_place_input(variable)}
    waiting = {
        name
        for name, variable in variables.items()
        if not variable.is_input_variable() and not reads_lists(variable)
    }
    while found := {name for name in waiting if read[name] and set(read[name]) <= places}:
        places |= found
        waiting -= found
    return frozenset(places)


def _is_place_input(variable: ModelVariable) -> bool:
    if not variable.is_input_variable() or variable.value_type is float:
        return False
    words = PLACES if variable.entity.key == "household" else PLACES_OF_OTHERS
    label = str(getattr(variable, "label", None) or "")
    spoken = words.search(f"{variable.name.replace('_', ' ')} {label.lower()}")
    is_text_or_enum = variable.value_type not in (int, bool)
    return spoken is not None and (variable.entity.key == "household" or is_text_or_enum)
