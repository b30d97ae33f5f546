"""What localcal asks of a tax-benefit model: arrays in and arrays out.

An engine answers four questions: which variables there are, what they come to for a population,
what they come to when one of them is neutralised, and how prices and people grew between two years.
And it says what it can use of places and households, so that the rest is refused early.

A simulation notes which variable reads which while it calculates. So a second simulation of the
same households, with other values of some inputs, need not calculate what does not depend on them:
`share` hands those values over. Whoever neutralises a variable gets them as well. A reform changes
parameters instead of inputs: `reformed` puts them into force, and `unreached` hands over what does
not depend on them.
"""

import importlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from localcal.errors import InputError
from localcal.population.population import Population


class Variable(NamedTuple):
    """What the model says about one of its variables.

    `kind` is one of float, int, bool, text and enum; `computed` says that the model has a formula
    for it; `refused` that the model does not let a dataset store it; `members` are the names of an
    enum's members, in the order of their codes; `is_take_up` says that it is a choice to take
    something up, which the model leaves to whoever makes the data.
    """

    name: str
    entity: str
    kind: str
    computed: bool
    refused: bool = False
    members: tuple[str, ...] = ()
    is_take_up: bool = False


class Parameter(NamedTuple):
    """A parameter of the model, such as a rate: `kind` is number, bool, text, list or none."""

    path: str
    kind: str


class ParameterChange(NamedTuple):
    """Another value of a parameter for a range of dates.

    Attributes:
        path: the parameter's, such as `gov.irs.credits.ctc.amount.base[0].amount`.
        start: the first day, as YYYY-MM-DD; None for ever since.
        stop: the last day; None for ever after.
        value: what it is in these days.
    """

    path: str
    start: str | None
    stop: str | None
    value: float | bool | str


class ParameterError(InputError):
    """A parameter cannot be changed in this way.

    Attributes:
        change: the change that was asked for.
    """

    def __init__(self, message: str, change: ParameterChange) -> None:
        super().__init__(message)
        self.change = change

    def __reduce__(self) -> tuple:
        return type(self), (str(self), self.change)


class CalculationError(InputError):
    """The model cannot calculate a variable for somebody.

    Attributes:
        household: the position of the first household it fails for, -1 where that is unknown.
    """

    def __init__(self, message: str, household: int = -1) -> None:
        super().__init__(message)
        self.household = household

    def __reduce__(self) -> tuple:
        return type(self), (str(self), self.household)


@contextmanager
def at_columns(columns: np.ndarray) -> Iterator[None]:
    """Have an error from within say which of all columns it is about, not which of `columns`."""
    try:
        yield
    except CalculationError as error:
        household = int(columns[error.household]) if error.household >= 0 else -1
        raise CalculationError(str(error), household) from error


@contextmanager
def naming_households(ids: np.ndarray, source: str = "") -> Iterator[None]:
    """Have an error from within name the data and, if the model says which, the household.

    Args:
        ids: the id of each household that is simulated.
        source: what to call the data, if that is not said elsewhere.

    Raises:
        InputError: the model cannot calculate something.
    """
    try:
        yield
    except CalculationError as error:
        label = f"{source}: " if source else ""
        named = f", first in household {ids[error.household]}" if error.household >= 0 else ""
        raise InputError(f"{label}{error}{named}; correct its data") from error


class Common(Protocol):
    """What a simulation has calculated that holds for other simulations of its households."""


class Simulation(Protocol):
    """One population in the model, which has the values of one year."""

    def calculate(self, variable: str, year: int | None = None) -> np.ndarray:
        """Return a variable's values, one per unit of its entity; enums as their names.

        Args:
            variable: its name.
            year: the population's if none is given; else a later one, into which the model takes
                over what it was given.
        """

    def neutralize(self, variable: str) -> "Simulation":
        """Return the same population where `variable` keeps its default value for everybody."""

    def share(self, changed: Collection[str], neutralized: Collection[str]) -> Common:
        """Return every value that does not depend on the inputs in `changed`.

        Only of variables that were calculated, and as far as simulations in which one of
        `neutralized` is neutralised can use it.
        """

    def unreached(self, parameters: Collection[str]) -> Common:
        """Return every value that does not depend on these parameters.

        Only of variables that were calculated; for simulations of the same population under a
        reform of these parameters, whatever it makes of them. The simulation has to have been
        begun while the engine was `watching` them.
        """

    def close(self) -> None:
        """Give the memory back."""


class UnusableUnit(NamedTuple):
    """A unit for which the model cannot calculate a variable, nor what depends on it."""

    entity: str
    position: int
    variable: str
    reason: str


class Engine(Protocol):
    """A tax-benefit model."""

    version: str

    def warm_up(self, variables: Collection[str]) -> None:
        """Do once what the first simulation that calculates these variables has to do."""

    def variables(self) -> Mapping[str, Variable]:
        """Return every variable of the model by name."""

    def simulate(
        self,
        population: Population,
        common: Common | None = None,
        units: Mapping[str, np.ndarray] | None = None,
    ) -> Simulation:
        """Put a population into the model.

        Args:
            population: the households.
            common: what another simulation shares with this one.
            units: entity to the unit of that simulation that each unit here is the same as; the
                one in the same place if none are given.
        """

    def load(self, path: Path, period: int, common: Common | None = None) -> Simulation:
        """Put a dataset file into the model, as its users would.

        Args:
            path: the file.
            period: its year.
            common: what another simulation of the same file shares with this one.
        """

    def parameters(self) -> Mapping[str, Parameter]:
        """Return every parameter that has a value of its own, by path."""

    def watching(self, parameters: Collection[str]) -> AbstractContextManager["Engine"]:
        """Have simulations that are begun within note what depends on these parameters.

        They have to be closed within as well. Their values are those of any other.

        Raises:
            InputError: there is no such parameter.
        """

    def reformed(self, changes: Sequence[ParameterChange]) -> AbstractContextManager["Engine"]:
        """Have simulations that are begun within calculate under other parameters.

        They have to be closed within as well. Afterwards all is as it was before.

        Args:
            changes: of those that start on the same day the later ones go before the earlier ones.

        Raises:
            ParameterError: there is no such parameter, or its value is of another kind.
        """

    def growth(self, index: str, start: int, end: int) -> float:
        """Return the ratio end to start of `population` or `prices`."""

    def population_wide(self) -> Mapping[str, str]:
        """Return the variables whose value for one person depends on who else is simulated.

        Each with how it looks at the population: `sum` or `rank`.
        """

    def looks_at_ids(self) -> Mapping[str, str]:
        """Return the variables that hold an id (`holds`) or whose formula reads one (`reads`)."""

    def looks_at_positions(self) -> Mapping[str, str]:
        """Return the variables whose values may depend on where among all somebody stands.

        Each with what in its formula says so. Those are not among them of which it is known that
        they do not.
        """

    def dependencies(self, variable: str) -> frozenset[str]:
        """Return the variables that `variable` may be calculated from, itself among them."""

    def place_variables(self) -> frozenset[str]:
        """Return the variables that say where a household lives, or follow from nothing else."""

    def unknown_counties(self, counties: Collection[str]) -> frozenset[str]:
        """Return those of some county codes that the model has no county for."""

    def unusable_units(self, population: Population) -> Sequence["UnusableUnit"]:
        """Return the units of a population for which the model cannot calculate something."""


def variable_names(engine: Engine) -> list[str]:
    """Return the names of the model's variables, sorted."""
    return sorted(engine.variables())


def load_engine(name: str) -> Engine:
    """Return the engine that the config names as `module:Class`.

    Raises:
        InputError: there is no such module or class.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)()
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(f"engine: cannot load '{name}' ({error}); write module:Class") from error
