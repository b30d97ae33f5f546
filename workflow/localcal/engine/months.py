"""Months in which a formula would do again what it did in another.

Most programmes are calculated for each month, most inputs are those of a year, and most parameters
change once a year if at all: eleven of twelve runs of such a formula repeat the first. Which do is
not guessed. A formula to which the month only says at which date values and parameters are read
gives the same bits in two months of a year if no parameter that it names changes between them, and
all that it read in the one is the same, byte for byte, in the other. So what it reads is calculated
as ever, in the order in which the formula would; only the formula itself is not run.
"""

import dis
import re
import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from localcal.engine.formulas import STORAGE_ACCESS, codes_of
from localcal.engine.model import ModelVariable

# What formulas ask of a month that differs between months; and by which they leave the simulation.
REFUSED = STORAGE_ACCESS | {
    "contains",
    "date",
    "day",
    "days",
    "first_day",
    "first_month",
    "get_branch",
    "get_override_branch",
    "get_subperiods",
    "instant",
    "intersection",
    "last_3_months",
    "last_month",
    "month",
    "offset",
    "set_input",
    "simulation",
    "size",
    "size_in_days",
    "size_in_months",
    "start",
    "stop",
    "unit",
}

FORMULA_ARGUMENTS = 3


class Ran(NamedTuple):
    """What a formula did in a month.

    Attributes:
        period: the month.
        values: its result, as it is stored.
        read: the variables that were read for that month, in the order in which they were.
    """

    period: tuple
    values: np.ndarray
    read: tuple[str, ...]


class Months:
    """Which formulas do in one month what they do in another, under one set of parameters."""

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters
        self._paths: dict[types.CodeType, frozenset[str] | None] = {}
        self._changes: Mapping[int, Mapping[str, set[int]]] | None = None

    def alike(self, variable: ModelVariable, one: Any, other: Any) -> bool:
        """Say whether a variable is calculated the same way in two months of a year.

        Args:
            variable: of the model.
            one, other: policyengine-core's periods.
        """
        year, first, last = one[1][0], *sorted((one[1][1], other[1][1]))
        formula = variable.get_formula(one)
        if other[1][0] != year or formula is not variable.get_formula(other):
            return False
        paths = self._listed(variable) if formula is None else self._named(formula)
        if paths is None:
            return False
        changed = self._changed(year)
        return not any(first < month <= last for path in paths for month in changed.get(path, ()))

    def _named(self, formula: types.FunctionType) -> frozenset[str] | None:
        """Return the parameters that a formula names, or None if it cannot be judged."""
        code = formula.__code__
        if code not in self._paths:
            self._paths[code] = self._judged(formula)
        return self._paths[code]

    def _judged(self, formula: types.FunctionType) -> frozenset[str] | None:
        paths: set[str] = set()
        for code in codes_of(formula):
            if not REFUSED.isdisjoint(code.co_names):
                return None
            paths.update(map(self._branch, _chains(code, self.parameters.children)))
        reads_parameters = formula.__code__.co_argcount == FORMULA_ARGUMENTS and any(
            step.opname.startswith("LOAD_FAST") and "parameters" in step.argrepr
            for step in dis.get_instructions(formula)
        )
        return None if reads_parameters and not paths else frozenset(paths)

    def _listed(self, variable: ModelVariable) -> frozenset[str] | None:
        """Return what a variable without a formula adds up, among which may be parameters."""
        found: set[str] = set()
        for parts in (getattr(variable, "adds", None), getattr(variable, "subtracts", None)):
            found.update(self._list(parts) if isinstance(parts, str) else parts or ())
        return frozenset(found) or None

    def _list(self, path: str) -> Iterator[str]:
        """Yield a list among the parameters and all that is in it at any time."""
        node = self.parameters
        for name in path.split("."):
            node = node.children[name]
        yield path
        for value in node.values_list:
            yield from value.value or ()

    def _branch(self, chain: tuple[str, ...]) -> str:
        """Return the branch of the parameters that attributes one after the other lead to."""
        node = self.parameters
        for name in chain:
            below = getattr(node, "children", {}).get(name)
            if below is None:
                break
            node = below
        return node.name

    def _changed(self, year: int) -> Mapping[str, set[int]]:
        """Return the months of a year from which a branch of the parameters is another."""
        if self._changes is None:
            self._changes = _changes(self.parameters)
        return self._changes.get(year, {})


def _chains(code: types.CodeType, roots: Mapping[str, object]) -> Iterator[tuple[str, ...]]:
    """Yield attributes that are read one of the other, from one that is at the top of a tree."""
    chain: list[str] = []
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_ATTR" and (chain or step.argval in roots):
            chain.append(step.argval)
        elif chain:
            yield tuple(chain)
            chain = []
    if chain:
        yield tuple(chain)


def _changes(parameters: Any) -> Mapping[int, Mapping[str, set[int]]]:
    """Return year to branch to the months from which something in it is another, but January."""
    found: dict[int, dict[str, set[int]]] = {}
    for parameter in parameters.get_descendants():
        for value in getattr(parameter, "values_list", ()):
            year, month, day = map(int, value.instant_str.split("-"))
            # Formulas of a month ask for its first day.
            month += day > 1
            if month == 1:
                continue
            in_year = found.setdefault(year, {})
            for branch in _branches(parameter.name):
                in_year.setdefault(branch, set()).add(month)
    return found


def _branches(name: str) -> Iterator[str]:
    """Yield a parameter's name, and those of all branches that it is on: `a`, `a.b`, `a.b[0]`."""
    yield name
    for separator in re.finditer(r"[.\[]", name):
        yield name[: separator.start()]


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Say whether two arrays are the same, byte for byte."""
    if one is other:
        return True
    one, other = np.asarray(one), np.asarray(other)
    return (
        one.dtype == other.dtype
        and one.dtype != object
        and one.shape == other.shape
        and one.tobytes() == other.tobytes()
    )
