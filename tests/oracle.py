"""A slow, plain statement of what each target means, one household at a time.

It shares no code with `localcal.targets.evaluate`: households come as lists of persons, constraints
are evaluated in plain Python, and values are asked of whatever `value` function a test gives it.
"""

import operator
from collections.abc import Callable

COUNTED = {
    "person_count": "person",
    "tax_unit_count": "tax_unit",
    "spm_unit_count": "spm_unit",
    "household_count": "household",
}
COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}

# value(variable, entity's unit number within the household, person number) -> plain value
Value = Callable[[str, int | None, int | None], object]


def satisfies(value: object, operation: str, text: str) -> bool:
    """Compare one plain value with a constraint's text."""
    if isinstance(value, bool):
        return COMPARE[operation](value, text in ("True", "1"))
    if isinstance(value, str):
        return COMPARE[operation](value, text)
    return COMPARE[operation](float(value), float(text))


def household_value(
    variable: str,
    constraints: list[tuple[str, str, str]],
    n_persons: int,
    unit_of: dict[str, list[int]],
    entity_of: Callable[[str], str],
    value_of: Callable[[str, int], object],
    reform: Callable[[str], float] | None = None,
) -> float:
    """Return what one unit of weight of one household adds to a target.

    Args:
        variable: the target's.
        constraints: variable, operation, text.
        n_persons: in the household.
        unit_of: group entity to the unit number of each person.
        entity_of: a variable's entity.
        value_of: a variable's value for a unit of its entity, by number within the household.
        reform: for a reform target, the change in the household's income tax.
    """
    qualifying = []
    for person in range(n_persons):
        units = {group: numbers[person] for group, numbers in unit_of.items()} | {"person": person}
        if all(
            satisfies(value_of(name, units[entity_of(name)]), operation, text)
            for name, operation, text in constraints
        ):
            qualifying.append(units)
    if reform is not None:
        return reform(variable) if qualifying else 0.0
    entity = COUNTED.get(variable) or entity_of(variable)
    chosen = {units[entity] for units in qualifying}
    if variable in COUNTED:
        return float(len(chosen))
    return float(sum(float(value_of(variable, unit)) for unit in chosen))
