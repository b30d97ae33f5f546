"""What the formulas of policyengine-us may read, found in their code without running them."""

import types
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from localcal.engine.model import ModelVariable

# Where formulas and their helpers are.
PACKAGES = frozenset({"policyengine_us", "spm_calculator"})

# How formulas get at stored values without `calculate`.
STORAGE_ACCESS = frozenset({"get_array", "get_holder", "_get_array_from_storage"})

# Helpers that take lists of variables' names, for instance out of the parameters.
LIST_READERS = frozenset({"add", "aggr", "and_", "any_", "or_"})


def functions_of(function: Any, seen: set[types.CodeType]) -> Iterator[types.FunctionType]:
    """Yield a function and the model's helpers that it calls."""
    code = getattr(function, "__code__", None)
    # By file: policyengine-core gives the modules of variables names of its own.
    if code is None or code in seen or PACKAGES.isdisjoint(Path(code.co_filename).parts):
        return
    seen.add(code)
    yield function
    for inner in _nested(code):
        for name in inner.co_names:
            yield from functions_of(function.__globals__.get(name), seen)


def codes_of(function: Any) -> Iterator[types.CodeType]:
    """Yield the code of a function and of the model's helpers that it calls."""
    for each in functions_of(function, set()):
        yield from _nested(each.__code__)


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield a piece of code and those of the functions and comprehensions in it."""
    yield code
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            yield from _nested(item)


def texts_of(function: types.FunctionType) -> Iterator[str]:
    """Yield the texts in a function, in its module's lists that it names, and in its helpers."""
    for each in functions_of(function, set()):
        for code in _nested(each.__code__):
            named = (each.__globals__.get(name) for name in code.co_names)
            for constant in (*code.co_consts, *named):
                yield from _texts(constant)


def _texts(constant: object) -> Iterator[str]:
    if isinstance(constant, str):
        yield constant
    elif isinstance(constant, dict):
        yield from _texts((*constant, *constant.values()))
    elif isinstance(constant, tuple | list | set | frozenset):
        for item in constant:
            yield from _texts(item)


def calls_rank(variable: ModelVariable) -> bool:
    return any(
        "rank" in name
        for formula in variable.formulas.values()
        for name in formula.__code__.co_names
    )


def names_in(variable: ModelVariable) -> set[str]:
    """Return the names that a variable's formulas and their helpers use: functions, attributes."""
    return {
        name
        for formula in variable.formulas.values()
        for code in codes_of(formula)
        for name in code.co_names
    }


def opens_branches(variable: ModelVariable) -> bool:
    return any("get_branch" in name for name in names_in(variable))


def reads_storage(variable: ModelVariable) -> bool:
    return not STORAGE_ACCESS.isdisjoint(names_in(variable))


def reads_lists(variable: ModelVariable) -> bool:
    """Say whether a formula adds up a list of variables, which its constants need not show."""
    return not LIST_READERS.isdisjoint(names_in(variable))


def lists_of(parameters: Any) -> dict[str, frozenset[str]]:
    """Return the texts that parameters list, which may be names of variables, by their path."""
    found = {}
    for parameter in parameters.get_descendants():
        values = [value.value for value in getattr(parameter, "values_list", ())]
        if lists := [value for value in values if isinstance(value, list)]:
            found[parameter.name] = frozenset(_texts(lists))
    return found


def read_by(variable: ModelVariable, lists: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Yield what may be names of the variables that a variable is calculated from.

    Args:
        variable: the variable.
        lists: what parameters list, by their path.
    """
    for formula in variable.formulas.values():
        yield from texts_of(formula)
    named = names_in(variable)
    for path, texts in lists.items():
        if named.issuperset(path.split(".")):
            yield from texts
    if defined_for := getattr(variable, "defined_for", None):
        yield defined_for
    for parts in (getattr(variable, "adds", None), getattr(variable, "subtracts", None)):
        if isinstance(parts, str):
            yield from lists[parts]
        elif parts:
            yield from parts
