"""Whether the model can compare a variable as a constraint asks."""

from collections.abc import Mapping

from localcal.database.constraints import Constraint, Kind, parse_value
from localcal.engine.protocol import Variable
from localcal.errors import InputError, near

KINDS: dict[str, Kind] = {
    "float": "number",
    "int": "number",
    "bool": "bool",
    "text": "text",
    "enum": "text",
}


def check_comparison(constraint: Constraint, variables: Mapping[str, Variable]) -> None:
    """Refuse a constraint on what the model does not have, or never has as it is compared.

    Args:
        constraint: the comparison.
        variables: the model's.

    Raises:
        InputError: says what is wrong with it.
    """
    known = variables.get(constraint.variable)
    if known is None:
        raise InputError(
            f"the model has no variable {constraint.variable}"
            f"{near(constraint.variable, variables)} (constraint {constraint})"
        )
    parse_value(constraint, KINDS[known.kind], known.members, known.kind == "int")
