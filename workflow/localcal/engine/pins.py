"""Copies of the model's rules that many simulations share."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from localcal.engine.model import ModelSystem, ModelVariable


class Pins:
    """Copies of the model's rules in which some parameters are those of an earlier year.

    The formulas of some states' credits ask for them. policyengine-us makes one in 7 s and 0.7 GB,
    and keeps it for the very simulation it was made for; here it serves all that have the same
    rules: the same parameters, and variables of the same formulas.

    Args:
        module: policyengine-us's own for this.
        system: the model's rules. Copies of any others, such as a reform's, are not kept.
    """

    def __init__(self, module: Any, system: ModelSystem) -> None:
        self._module = module
        self._make = module._get_pinned_tbs
        self._parameters = system.parameters
        self._made: dict[str, tuple[ModelSystem, ModelSystem]] = {}

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Have copies that are asked for inside kept, and used again."""
        before, self._module._get_pinned_tbs = self._module._get_pinned_tbs, self._get
        try:
            yield
        finally:
            self._module._get_pinned_tbs = before

    def _get(
        self, system: ModelSystem, name: str, pin: Callable[[ModelSystem], None]
    ) -> ModelSystem:
        if system.parameters is not self._parameters:
            return self._make(system, name, pin)
        if name not in self._made or not _same_variables(self._made[name][0], system):
            self._made[name] = system, self._make(system, name, pin)
        return self._made[name][1]


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
