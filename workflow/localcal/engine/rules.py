"""The model's rules under other parameters than it was loaded with."""

import copy
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from localcal.engine.model import ModelSystem
from localcal.engine.pins import Pins
from localcal.engine.protocol import ParameterChange
from localcal.engine.reads import Reads
from localcal.engine.trees import watched, with_leaves

# Parameters that others are made from when a tax-benefit system is: series per head, by which
# inputs are uprated.
INGREDIENTS = "calibration."

# Parameters of how people respond. What policyengine-us measures for that it keeps by the
# simulation, for whichever of its formulas asks first.
RESPONSES = "gov.simulation."

# When simulations ask which formulas the parameters call for, as policyengine-us has it.
START = "2024-01-01"


class Modules(NamedTuple):
    """Where policyengine has what rules are made by."""

    system: Any
    pins: Any
    spm: Any
    parameters: Any
    periods: Any
    reforms: Any


class Rules:
    """What a simulation calculates under, if it is not what the model was loaded with.

    policyengine-us knows a reform by the `reform` of a simulation, beside which it keeps a branch
    under the rules as they were, which some formulas ask. It gets the tax-benefit system from
    `make_system`, and one that has nothing left to do as the reform.

    Args:
        system: the rules.
        pins: keeps copies of them.
        lend: returns rules that a simulation may have for itself, with the same parameters.
        changes: how they differ from those that were loaded.
        shares: whether simulations may take over values that were calculated under other rules.
    """

    def __init__(
        self,
        system: ModelSystem,
        pins: Pins,
        lend: Callable[[ModelSystem], ModelSystem],
        changes: Sequence[ParameterChange] = (),
        *,
        shares: bool = True,
    ) -> None:
        self._system = system
        self._pins = pins
        self._lend = lend
        self.changes = tuple(changes)
        self.shares = shares

    def make_system(self, **_: object) -> ModelSystem:
        """Return the rules as a simulation may have them for itself."""
        return self._lend(self._system)

    def apply(self, system: ModelSystem) -> None:
        """Do nothing: the rules are reformed already."""

    def kept(self) -> AbstractContextManager:
        """Have copies of these rules with parameters of earlier years made once."""
        return self._pins.kept()


class Watch:
    """Notes in the reads of the simulation at work who looks at some parameters.

    Attributes:
        paths: the parameters.
        reads: of the simulation at work.
        outside: whether one was looked at while nothing was being calculated.
    """

    def __init__(self, paths: Collection[str]) -> None:
        self.paths = frozenset(paths)
        self.reads = Reads()
        self.outside = False

    def look(self, path: str) -> None:
        """Note that what is being calculated reads a parameter."""
        if not self.reads.is_running:
            self.outside = True
        with self.reads.reading(as_read(path)):
            pass

    def look_at_all(self) -> None:
        """Note that what is being calculated may read any of the parameters."""
        for path in sorted(self.paths):
            self.look(path)


def as_read(path: str) -> str:
    """Return what a parameter is called among the variables that are read."""
    return f"parameter {path}"


class Reformer:
    """Makes rules out of those that were loaded, which stay as they are.

    Args:
        modules: policyengine's.
        system: policyengine-us's rules.
        pins: keeps copies of them.
        lazy: the class of branches of parameters at a date.
    """

    def __init__(self, modules: Modules, system: ModelSystem, pins: Pins, lazy: type) -> None:
        self._modules = modules
        self._system = system
        self._pins = pins
        self._lazy = lazy

    def watching(self, watch: Watch) -> Rules:
        """Return the same rules, which tell who looks at some parameters."""
        tree = watched(self._system.parameters, watch.paths, watch.look, self._lazy)
        system = _with_tree(self._system, tree)
        # A copy of the rules is made from parameters that are not looked at when it is used again.
        return self._rules(system, used=watch.look_at_all)

    def reformed(self, changes: Sequence[ParameterChange]) -> Rules:
        """Return the rules with some parameters changed.

        Where these decide which formulas there are, the rules are made as policyengine-us makes
        them, in half a minute, and nothing is taken over from other simulations.

        Args:
            changes: of known parameters, to values of the right kinds; of those that start on the
                same day the later ones go before the earlier ones.
        """
        paths = {change.path for change in changes}
        if self._makes_other_formulas(paths):
            reform = self._modules.reforms.Reform.from_dict(as_reform(changes))
            system = self._modules.system.CountryTaxBenefitSystem(reform=reform)
            return self._rules(system, changes, shares=False)
        system = _with_tree(self._system, self._changed(changes))
        shares = not any(path.startswith(RESPONSES) for path in paths)
        return self._rules(system, changes, shares=shares)

    def _rules(
        self,
        system: ModelSystem,
        changes: Sequence[ParameterChange] = (),
        *,
        used: Callable[[], None] | None = None,
        shares: bool = True,
    ) -> Rules:
        parameter = self._modules.parameters.Parameter
        pins = Pins(self._modules.pins, system, parameter, self._pins, used)
        return Rules(system, pins, self._modules.spm.share_spm_policy, changes, shares=shares)

    def _makes_other_formulas(self, paths: Collection[str]) -> bool:
        """Say whether parameters decide of more than the values that formulas read."""
        if any(path.startswith(INGREDIENTS) for path in paths):
            return True
        watch = Watch(paths)
        tree = watched(self._system.parameters, paths, watch.look, self._lazy)
        self._modules.system.create_structural_reforms_from_parameters(tree, START)
        return watch.outside

    def _changed(self, changes: Sequence[ParameterChange]) -> Any:
        """Return a tree with some parameters changed, in the order that policyengine-core has."""
        paths = {change.path for change in changes}
        tree, leaves = with_leaves(self._system.parameters, paths)
        for change in sorted(changes, key=lambda change: change.start or ""):
            start, stop = (
                None if date is None else self._modules.periods.instant(date)
                for date in (change.start, change.stop)
            )
            leaves[change.path].update(start=start, stop=stop, value=change.value)
        return tree


def as_reform(changes: Iterable[ParameterChange]) -> Mapping[str, Mapping[str, object]]:
    """Return changes as `Reform.from_dict` of policyengine-core takes them."""
    reform: dict[str, dict[str, object]] = {}
    for change in changes:
        dates = reform.setdefault(change.path, {})
        start = change.start or "0001-01-01"
        if change.stop is not None:
            dates[f"{start}.{change.stop}"] = change.value
        else:
            dates[start if change.start else "ETERNITY"] = change.value
    return reform


def _with_tree(system: ModelSystem, tree: Any) -> ModelSystem:
    """Return the same rules with another tree of parameters."""
    changed: Any = copy.copy(system)
    changed.parameters = tree
    changed._parameters_at_instant_cache = {}
    return changed
