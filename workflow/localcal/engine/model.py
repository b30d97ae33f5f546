"""The parts of policyengine-core's objects that localcal uses; the package itself has no types."""

import types
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np


class ModelEntity(Protocol):
    """What a variable belongs to: persons, or units of one kind."""

    key: str


class ModelVariable(Protocol):
    """A variable of the model, with its formulas by the date from which they hold."""

    name: str
    entity: ModelEntity
    value_type: type
    dtype: Any
    default_value: Any
    definition_period: str
    formulas: Mapping[str, types.FunctionType]
    is_neutralized: bool
    label: str | None
    possible_values: Any
    """The enum of an enum variable, None of any other."""

    def is_input_variable(self) -> bool: ...

    def get_formula(self, period: Any = None) -> types.FunctionType | None: ...


class ModelSystem(Protocol):
    """The model's rules."""

    variables: Mapping[str, ModelVariable]
    parameters: Any
    """A tree whose branches are attributes, and whose leaves give a value for a date."""
    simulation: Any

    def get_variable(self, variable_name: str, check_existence: bool = False) -> ModelVariable: ...

    def clone(self) -> "ModelSystem": ...


class ModelUnits(Protocol):
    """The units of one entity in a simulation."""

    count: int


class ModelHolder(Protocol):
    """A variable's values in a simulation, by period and branch."""

    def get_known_branch_periods(self) -> list[tuple[str, object]]: ...

    def get_array(self, period: object, branch: str) -> np.ndarray | None: ...

    def put_in_cache(
        self, array: np.ndarray, period: object, branch: str, *, derived: bool
    ) -> None: ...


class ModelSimulation(Protocol):
    """A population under the model's rules."""

    branch_name: str
    populations: Mapping[str, ModelUnits]

    def calculate(self, variable_name: str, period: str, **options: bool) -> Any: ...

    def set_input(self, variable_name: str, period: str, value: np.ndarray) -> None: ...

    def get_holder(self, variable_name: str) -> ModelHolder: ...
