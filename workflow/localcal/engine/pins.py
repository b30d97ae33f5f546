"""Copies of the model's rules that many simulations share."""

import copy
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from unittest.mock import patch

from localcal.engine.model import ModelSystem, ModelVariable

type Pin = Callable[[ModelSystem], None]


class Pins:
    """Copies of the model's rules in which some parameters are those of an earlier year.

    The formulas of some states' credits ask for them. policyengine-us makes one in 7 s and 0.7 GB,
    and keeps it for the very simulation it was made for; here it serves all that have the same
    rules: the same parameters, and variables of the same formulas. And it shares with the original
    every branch of the tree of parameters in which nothing is changed, and so what is cached there.

    Args:
        module: policyengine-us's own for this.
        system: the model's rules. Copies of any others are not kept.
        parameter: policyengine-core's class of parameters.
        others: keeps those of other rules; policyengine-us makes them where nobody does.
        used: is called when a copy is asked for.
    """

    def __init__(
        self,
        module: Any,
        system: ModelSystem,
        parameter: Any,
        others: "Pins | None" = None,
        used: Callable[[], None] | None = None,
    ) -> None:
        self._module = module
        self._make = others._get if others else module._get_pinned_tbs
        self._parameters = system.parameters
        self._parameter = parameter
        self._used = used
        self._made: dict[str, tuple[ModelSystem, ModelSystem]] = {}

    def kept(self) -> AbstractContextManager:
        """Have copies that are asked for inside kept, and used again."""
        return patch.object(self._module, "_get_pinned_tbs", self._get)

    def _get(self, system: ModelSystem, name: str, pin: Pin) -> ModelSystem:
        if system.parameters is not self._parameters:
            return self._make(system, name, pin)
        if self._used is not None:
            self._used()
        if name not in self._made or not _same_variables(self._made[name][0], system):
            self._made[name] = system, pinned(system, pin, self._parameter)
        return self._made[name][1]


def pinned(system: ModelSystem, pin: Pin, parameter: Any) -> ModelSystem:
    """Return a copy of some rules, pinned, which shares the parameters that are not.

    Args:
        system: the rules, which stay as they are.
        pin: changes parameters of the rules it is given, by their `update`.
        parameter: the class of parameters.
    """
    changing = _update(system, pin, parameter, only=frozenset())
    copied = copy.copy(system)
    copied.parameters = _Cloned(_copied(system.parameters, changing))
    copied = copied.clone()
    if _update(copied, pin, parameter, only=changing) <= changing:
        return copied
    # What it changes depends on what it has changed.
    copied = system.clone()
    pin(copied)
    return copied


class _Cloned(NamedTuple):
    """A tree of parameters that is a copy already."""

    tree: Any

    def clone(self) -> Any:
        """Return the tree."""
        return self.tree


def _copied(node: Any, changing: Collection[str]) -> Any:
    """Return a copy of a branch of parameters; or itself, where none of its own is changing."""
    children = getattr(node, "children", None)
    if children is None:  # one parameter, or a scale of them
        names = {node.name, *(each.name for each in node.get_descendants())}
        return node if names.isdisjoint(changing) else node.clone()
    copies = {name: _copied(child, changing) for name, child in children.items()}
    if all(copies[name] is child for name, child in children.items()):
        return node
    branch = copy.copy(node)
    branch.children, branch._at_instant_cache = copies, {}
    for name, child in copies.items():
        setattr(branch, name, child)
        if child is not children[name]:
            child.parent = branch
    return branch


def _update(system: ModelSystem, pin: Pin, parameter: Any, only: Collection[str]) -> set[str]:
    """Return the names of the parameters that a pin updates; update those in `only`."""
    names = set()

    def update(self: Any, *arguments: object, **options: object) -> object:
        names.add(self.name)
        return before(self, *arguments, **options) if self.name in only else self

    before = parameter.update
    with patch.object(parameter, "update", update):
        pin(system)
    return names


def _same_variables(one: ModelSystem, other: ModelSystem) -> bool:
    """Say whether two tax-benefit systems calculate every variable by the same formulas."""
    pairs = [(variable, other.variables.get(name)) for name, variable in one.variables.items()]
    return len(one.variables) == len(other.variables) and all(
        first is second or _definition(first) == _definition(second) for first, second in pairs
    )


def _definition(variable: ModelVariable | None) -> tuple | None:
    """Return what makes a variable's values, for those that a simulation registers anew."""
    if variable is None:
        return None
    formulas = {str(start): formula.__code__ for start, formula in variable.formulas.items()}
    parts = (getattr(variable, "adds", None), getattr(variable, "subtracts", None))
    return variable.name, formulas, parts, variable.is_neutralized, variable.default_value
