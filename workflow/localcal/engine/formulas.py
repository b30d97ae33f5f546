"""What the formulas of policyengine-us may read, found in their code without running them."""

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localcal.engine.model import ModelVariable

# Where formulas and their helpers are.
PACKAGES = frozenset({"policyengine_us", "spm_calculator"})

# How formulas get at stored values without `calculate`.
STORAGE_ACCESS = frozenset({"get_array", "get_holder", "_get_array_from_storage"})

# Helpers that take lists of variables' names, for instance out of the parameters.
LIST_READERS = frozenset({"add", "aggr", "and_", "any_", "or_"})


def codes_of(function: Any, seen: set[types.CodeType]) -> Iterator[types.CodeType]:
    """Yield the code of a function and of the model's helpers that it calls."""
    code = getattr(function, "__code__", None)
    # By file: policyengine-core gives the modules of variables names of its own.
    if code is None or code in seen or PACKAGES.isdisjoint(Path(code.co_filename).parts):
        return
    seen.add(code)
    codes = [code]
    while codes:
        code = codes.pop()
        yield code
        codes += [item for item in code.co_consts if isinstance(item, types.CodeType)]
        for name in code.co_names:
            yield from codes_of(function.__globals__.get(name), seen)


def texts_of(function: types.FunctionType) -> Iterator[str]:
    """Yield the text constants of a function and of the model's helpers that it calls."""
    for code in codes_of(function, set()):
        for constant in code.co_consts:
            if isinstance(constant, str):
                yield constant
            elif isinstance(constant, tuple | frozenset):
                yield from (item for item in constant if isinstance(item, str))


def calls_rank(variable: ModelVariable) -> bool:
    return any(
        "rank" in name
        for formula in variable.formulas.values()
        for name in formula.__code__.co_names
    )


def reads_lists(variable: ModelVariable) -> bool:
    """Say whether a formula adds up a list of variables, which its constants need not show."""
    return any(
        LIST_READERS.intersection(code.co_names)
        for formula in variable.formulas.values()
        for code in codes_of(formula, set())
    )


def read_by(variable: ModelVariable, parameters: Any) -> Iterator[str]:
    """Yield what may be names of the variables that a variable is calculated from."""
    for formula in variable.formulas.values():
        yield from texts_of(formula)
    for parts in (getattr(variable, "adds", None), getattr(variable, "subtracts", None)):
        if isinstance(parts, str):
            yield from _parameter_lists(parameters, parts)
        elif parts:
            yield from parts


def _parameter_lists(node: Any, path: str) -> Iterator[str]:
    for part in path.split("."):
        node = getattr(node, part)
    for value in node.values_list:
        yield from value.value
