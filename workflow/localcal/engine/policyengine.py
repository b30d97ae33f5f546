"""The only part of localcal that knows policyengine-us."""

import gc
import importlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from localcal.engine.catalogue import described, place_variables
from localcal.engine.formulas import (
    calls_rank,
    lists_of,
    opens_branches,
    read_by,
    reads_storage,
)
from localcal.engine.model import ModelHolder, ModelSimulation, ModelSystem, ModelVariable
from localcal.engine.months import Months, Ran, same
from localcal.engine.parameters import make_lazy
from localcal.engine.pins import Pins
from localcal.engine.positions import unjudged
from localcal.engine.protocol import (
    CalculationError,
    Common,
    Parameter,
    ParameterChange,
    UnusableUnit,
    Variable,
)
from localcal.engine.reads import Reads, reached
from localcal.engine.reforms import checked_changes, refuse_unknown
from localcal.engine.rules import RESPONSES, Modules, Reformer, Rules, Watch, as_read
from localcal.engine.trees import leaves
from localcal.engine.usable import unknown_counties, unusable_units
from localcal.errors import InputError, one_line
from localcal.geography.codes import STATES
from localcal.population.dataset import id_columns
from localcal.population.population import (
    ENTITIES,
    PERSON,
    Population,
    beside_a_copy,
    one_person_per_state,
)

if TYPE_CHECKING:
    from policyengine_core.simulations import Simulation as _ModelSimulation

    from localcal.engine.protocol import Engine
else:
    _ModelSimulation = object

logger = logging.getLogger(__name__)


_NUMBERS = ("float", "int")

# As policyengine-core calls it.
MONTH = "month"
YEARLY = ("year", "eternity")

# Some states' formulas open a branch, in which they calculate under other rules whatever has not
# been calculated yet: New York's child tax credit the whole of federal tax, for everybody, at two
# thirds of what a simulation takes. So that comes first.
BEFORE_BRANCHES = "income_tax"

# Parameters are cached by date; the year that most runs are about.
WARM_UP_PERIOD = 2024


class PolicyEngineUS:
    """policyengine-us. Importing it takes half a minute and 0.8 GB, once per process."""

    def __init__(self) -> None:
        logger.info("loading policyengine-us (half a minute)")
        # Before anything looks up parameters.
        lazy = make_lazy(importlib.import_module("policyengine_core.parameters.parameter_node"))
        # By names that are written out, or rules' digests would not know the model among them.
        modules = Modules(
            system=importlib.import_module("policyengine_us.system"),
            pins=importlib.import_module("policyengine_us.tools.pinned_tbs"),
            spm=importlib.import_module("policyengine_us.spm"),
            parameters=importlib.import_module("policyengine_core.parameters"),
            periods=importlib.import_module("policyengine_core.periods"),
            reforms=importlib.import_module("policyengine_core.reforms"),
        )
        self._refused = modules.spm.REJECTED_DATASET_INPUTS
        self._simulation = type("ReadingSimulation", (_NotesReads, modules.system.Simulation), {})
        self._system: ModelSystem = modules.system.system
        self.pins = Pins(modules.pins, self._system, modules.parameters.Parameter)
        self.months = Months(self._system.parameters)
        self._reformer = Reformer(modules, self._system, self.pins, lazy)
        # What simulations are begun under, if it is not what was loaded; and what is noted of them.
        self.rules: Rules | None = None
        self.watch: Watch | None = None
        self.branching: set[str] = set()
        self.open_runs = 0
        self.version = version("policyengine-us")
        logger.info("policyengine-us %s is loaded", self.version)

    @cached_property
    def _variables(self) -> dict[str, Variable]:
        return described(self._system.variables, self._refused)

    def warm_up(self, variables: Collection[str]) -> None:
        """Fill the model's caches of parameters, and read the formulas: seconds for each to ask.

        In every state, for formulas of other states than those present are not run.
        """
        simulation = self.simulate(one_person_per_state(WARM_UP_PERIOD, STATES))
        for variable in sorted(set(variables) & self.variables().keys()):
            # These people have no county, without which there is no poverty threshold.
            with suppress(CalculationError):
                simulation.calculate(variable)
        self.branching |= simulation.branching()
        # What may be read from storage is found in all formulas, which every child would do anew.
        simulation.share(changed=(), neutralized=())
        simulation.close()

    def variables(self) -> Mapping[str, Variable]:
        """Return every variable of the model by name."""
        return self._variables

    def simulate(
        self,
        population: Population,
        common: Common | None = None,
        units: Mapping[str, np.ndarray] | None = None,
    ) -> "PopulationRun":
        """Put a population into the model.

        Args:
            population: the households.
            common: what another simulation shares with this one.
            units: entity to the unit of that simulation that each unit here is the same as; the
                one in the same place if none are given.
        """
        assert common is None or isinstance(common, CommonValues), "of another engine"
        return PopulationRun(self, population, common, units)

    def load(self, path: Path, period: int, common: Common | None = None) -> "FileRun":
        """Put a dataset file into the model, as its users would.

        Args:
            path: the file.
            period: its year.
            common: what another simulation of the same file shares with this one.
        """
        assert common is None or isinstance(common, CommonValues), "of another engine"
        return FileRun(self, path, period, common)

    def parameters(self) -> Mapping[str, Parameter]:
        """Return every parameter that has a value of its own, by path."""
        return self._parameters

    @cached_property
    def _parameters(self) -> dict[str, Parameter]:
        return {
            path: Parameter(path, _kind(leaf.values_list))
            for path, leaf in leaves(self._system.parameters).items()
        }

    @contextmanager
    def watching(self, parameters: Collection[str]) -> Iterator["PolicyEngineUS"]:
        """Have simulations that are begun within note what depends on these parameters.

        Raises:
            InputError: there is no such parameter.
        """
        refuse_unknown(self.parameters(), parameters)
        watch = Watch(parameters)
        with self._under(self._reformer.watching(watch), watch):
            yield self

    @contextmanager
    def reformed(self, changes: Sequence[ParameterChange]) -> Iterator["PolicyEngineUS"]:
        """Have simulations that are begun within calculate under other parameters.

        Gives the bits of policyengine-us's own `Simulation(reform=...)`, but for the changes of
        enclosing `reformed`, which go before.

        Raises:
            ParameterError: there is no such parameter, or its value is of another kind.
        """
        before = self.rules.changes if self.rules else ()
        checked = checked_changes(self.parameters(), changes)
        with self._under(self._reformer.reformed([*before, *checked])):
            yield self

    @contextmanager
    def _under(self, rules: Rules, watch: Watch | None = None) -> Iterator[None]:
        before = self.rules, self.watch
        self.rules, self.watch = rules, watch
        try:
            yield
        finally:
            self.rules, self.watch = before
            del rules
            self.settle()

    def settle(self) -> None:
        """Collect what is garbage; what is left where nothing is open is never looked at again.

        That are the model's rules and caches, a million objects, which stay.
        """
        gc.collect()
        if not self.open_runs and self.rules is None:
            gc.freeze()

    def growth(self, index: str, start: int, end: int) -> float:
        """Return the ratio end to start of `population` or `prices` (January values).

        Raises:
            InputError: the model has no value for one of the years.
        """
        parameters = self._system.parameters
        series = {
            "population": parameters.calibration.gov.census.populations.total,
            "prices": parameters.gov.bls.cpi.cpi_u,
        }[index]
        values = [series(f"{year}-01-01") for year in (start, end)]
        if None in values or 0 in values:
            raise InputError(
                f"policyengine-us {self.version} has no {index} index for {start} or {end}; "
                "exclude the targets of that year with targets.exclude"
            )
        return values[1] / values[0]

    def population_wide(self) -> Mapping[str, str]:
        """Return the computed variables whose formula reads an entity's weight.

        A formula has no use for weights but to look at the population as a whole: sums by state
        and ranks are the kinds there are in 2.68.
        """
        weights = {f"{entity}_weight" for entity in ENTITIES}
        return {
            name: "rank" if calls_rank(self._system.variables[name]) else "sum"
            for name in sorted(self._direct)
            if name not in weights and self._direct[name] & weights
        }

    def looks_at_ids(self) -> Mapping[str, str]:
        """Return the variables that hold ids, and those whose formula reads one.

        `holds` is said of inputs that are named after what they identify, and of numbers that are
        made from nothing but ids.
        """
        numbers = {name for name, known in self.variables().items() if known.kind in _NUMBERS}
        holds = {name for name in self._direct if name.endswith("_id")}
        while made := {
            name for name in numbers - holds if self._direct[name] and self._direct[name] <= holds
        }:
            holds |= made
        reads = {name for name in self._direct.keys() - holds if self._direct[name] & holds}
        return dict.fromkeys(sorted(holds), "holds") | dict.fromkeys(sorted(reads), "reads")

    def looks_at_positions(self) -> Mapping[str, str]:
        """Return the variables that may depend on where among all somebody stands, and how."""
        return unjudged(self._system.variables)

    def dependencies(self, variable: str) -> frozenset[str]:
        """Return the variables that `variable` may be calculated from, itself among them.

        Read off the formulas' constants and their helpers', so the answer may be too large.
        """
        return frozenset(reached(self._direct, [variable]))

    def place_variables(self) -> frozenset[str]:
        """Return the variables that say where a household lives, or follow from nothing else."""
        return place_variables(self._system.variables, self._direct)

    def unknown_counties(self, counties: Collection[str]) -> frozenset[str]:
        """Return those of some county codes that the model has no county for."""
        return unknown_counties(self, counties)

    def unusable_units(self, population: Population) -> Sequence[UnusableUnit]:
        """Return the units of a population for which the model cannot calculate something."""
        return unusable_units(self, population)

    @cached_property
    def _direct(self) -> dict[str, set[str]]:
        names = set(self._system.variables)
        lists = lists_of(self._system.parameters)
        return {
            name: (set(read_by(variable, lists)) & names) - {name}
            for name, variable in self._system.variables.items()
        }

    @cached_property
    def _reads_from_storage(self) -> Reads:
        """What formulas may read that look into the model's storage instead of calculating."""
        return Reads(
            {
                name: self._direct[name]
                for name, variable in self._system.variables.items()
                if reads_storage(variable)
            }
        )


class _InMemoryDataset:
    """A population in the shape in which policyengine-core reads dataset files."""

    name = label = "localcal"
    data_format = "time_period_arrays"

    def __init__(self, population: Population) -> None:
        self.time_period = str(population.period)
        columns = {**id_columns(population), **population.values}
        self._data = {name: {self.time_period: array} for name, array in columns.items()}

    def load(self) -> dict[str, dict[str, np.ndarray]]:
        """Return variable, period, values."""
        return self._data


class _NotesReads(_ModelSimulation):
    """A simulation of policyengine-us that notes what is read; comes before its class.

    Branches, which formulas create, are copies and write to the same notes.
    """

    def __init__(
        self, *args: object, reads: Reads, months: Months, rules: Rules | None, **kwargs: object
    ) -> None:
        self._localcal_reads = reads
        self._localcal_months = months
        self._localcal_ran: dict[str, Ran] = {}
        # What has been read by each of the calculations that are running, of all branches.
        self._localcal_running: list[list[tuple[str, object]]] = []
        if rules is not None:
            self.default_tax_benefit_system = rules.make_system
            kwargs["reform"] = rules
        super().__init__(*args, **kwargs)

    def clone(self, *args: object, **kwargs: object) -> "_NotesReads":
        """Return a copy, as each branch is one, of what is stored.

        There is a holder for every variable, most of them empty; the copy makes those when asked.
        """
        holders = {entity: units._holders for entity, units in self.populations.items()}
        try:
            for units in self.populations.values():
                units._holders = {
                    name: holder for name, holder in units._holders.items() if _holds(holder)
                }
            copy = super().clone(*args, **kwargs)
        finally:
            for entity, units in self.populations.items():
                units._holders = holders[entity]
        copy._localcal_ran = {}
        return copy

    def calculate(
        self, variable_name: str, period: object = None, *args: object, **kwargs: object
    ) -> np.ndarray:
        self._localcal_reads.enter(variable_name)
        if self._localcal_running:
            self._localcal_running[-1].append((variable_name, period))
        try:
            return super().calculate(variable_name, period, *args, **kwargs)
        finally:
            self._localcal_reads.leave()

    def _calculate(self, variable_name: str, period: Any = None) -> np.ndarray:
        """Calculate a variable, or take over what it was in another month."""
        variable = self.tax_benefit_system.variables.get(variable_name)
        if period[0] != MONTH or variable is None or variable.definition_period != MONTH:
            self._localcal_running.append([])
            try:
                return super()._calculate(variable_name, period)
            finally:
                self._localcal_running.pop()
        holder = self.get_holder(variable_name)
        known = holder.get_array(period, self.branch_name)
        if known is not None:
            return super()._calculate(variable_name, period)
        ran = self._localcal_ran.get(variable_name)
        self._localcal_running.append([])
        try:
            if ran is not None and self._does_again(variable, ran, period):
                holder.put_in_cache(ran.values, period, self.branch_name, derived=True)
                self._fast_cache[variable_name, period] = ran.values
                return ran.values
            values = super()._calculate(variable_name, period)
        finally:
            noted = self._localcal_running.pop()
        if holder.get_array(period, self.branch_name) is values:
            variables = self.tax_benefit_system.variables
            read = dict.fromkeys(
                name
                for name, when in noted
                # One of a year is the same in all its months.
                if when == period and variables[name].definition_period not in YEARLY
            )
            self._localcal_ran[variable_name] = Ran(period, values, tuple(read))
        return values

    def _does_again(self, variable: ModelVariable, ran: Ran, period: object) -> bool:
        """Say whether a variable's formula would do in a month what it did in another."""
        months = self._localcal_months
        if (
            self.tax_benefit_system.parameters is not months.parameters
            or variable.is_neutralized
            or self._stored(variable.name, ran.period) is not ran.values
            or not months.alike(variable, ran.period, period)
        ):
            return False
        before = self._calculation_start()[:2]
        for name in ran.read:
            known = self._stored(name, ran.period)
            if known is None or not same(known, self.calculate(name, period)):
                return False
        return before == self._calculation_start()[:2]

    def _stored(self, name: str, period: object) -> np.ndarray | None:
        return self.get_holder(name).get_array(period, self.branch_name)

    def get_array(self, variable_name: str, period: object) -> np.ndarray | None:
        self._localcal_reads.enter(variable_name)
        try:
            return super().get_array(variable_name, period)
        finally:
            self._localcal_reads.leave()

    def set_input(self, variable_name: str, *args: object, **kwargs: object) -> None:
        self._localcal_reads.override(variable_name)
        super().set_input(variable_name, *args, **kwargs)


def _holds(holder: ModelHolder) -> bool:
    """Say whether there is anything in a holder."""
    return bool(holder.get_known_branch_periods()) or hasattr(holder, "_user_input_storage")


class CommonValues(NamedTuple):
    """What a simulation of policyengine-us shares.

    Attributes:
        values: variable to period to its values, one per unit of the simulation that shares.
        reads: what that simulation read.
    """

    values: Mapping[str, Mapping[object, np.ndarray]]
    reads: Reads


class _Run:
    """A simulation of policyengine-us, given the values of one year."""

    def __init__(
        self,
        engine: PolicyEngineUS,
        dataset: "_InMemoryDataset | str",
        period: int,
        common: CommonValues | None = None,
        units: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self._engine = engine
        self._common = common
        self._units = units
        self._asked: set[str] = set()
        self._reads = Reads()
        self._rules, self._watch = engine.rules, engine.watch
        self._note()
        simulation = engine._simulation(
            dataset=dataset, reads=self._reads, months=engine.months, rules=self._rules
        )
        self._open: ModelSimulation | None = simulation
        self._period = str(period)
        engine.open_runs += 1
        if self._rules is not None and not self._rules.shares:
            self._common = None
        if self._common is not None:
            self._store((name, self._shared(name)) for name in sorted(self._common.values))

    @property
    def _simulation(self) -> ModelSimulation:
        assert self._open is not None, "closed"
        return self._open

    def calculate(self, variable: str, year: int | None = None) -> np.ndarray:
        """Return a variable's values, one per unit of its entity; enums as their names.

        Args:
            variable: its name.
            year: the population's if none is given, else a later one.

        Raises:
            InputError: the model does not have the variable, cannot calculate it from what it was
                given, or a value is not finite.
        """
        known = self._engine.variables().get(variable)
        if known is None:
            raise InputError(f"policyengine-us {self._engine.version} has no variable '{variable}'")
        # The model divides first and chooses afterwards; what counts is checked below.
        label = f"policyengine-us {self._engine.version}: '{variable}'"
        try:
            self._note()
            with np.errstate(all="ignore"), self._pins().kept():
                period = str(year) if year else self._period
                if variable in self._engine.branching:
                    self._simulation.calculate(BEFORE_BRANCHES, period)
                self._asked.add(variable)
                calculated = self._simulation.calculate(variable, period, decode_enums=True)
                values = self._of_given(np.asarray(calculated), known.entity)
        except ValueError as error:
            raise CalculationError(f"{label} cannot be calculated: {one_line(error)}") from error
        if known.kind in ("text", "enum"):
            return values.astype(str)
        if known.kind == "float" and not (finite := np.isfinite(values)).all():
            first = int(np.argmin(finite))
            raise CalculationError(
                f"{label} is not finite for {np.count_nonzero(~finite)} of {values.size} units",
                self._household(known.entity, first),
            )
        return values

    def _note(self) -> None:
        """Have parameters that are looked at noted in what is read here."""
        if self._watch is not None:
            self._watch.reads = self._reads

    def _pins(self) -> Rules | Pins:
        return self._rules or self._engine.pins

    def _household(self, entity: str, unit: int) -> int:
        """Return the position of a unit's household, -1 if it is not known."""
        return -1

    def _of_given(self, values: np.ndarray, entity: str) -> np.ndarray:
        """Return the values of the units that were given."""
        return values

    def _again(self) -> "_Run":
        """Return the same population in a simulation that has calculated nothing."""
        raise NotImplementedError

    def share(self, changed: Collection[str], neutralized: Collection[str]) -> CommonValues:
        """Return every value that does not depend on the inputs in `changed`.

        Such a value was calculated from values that are the same for the same household, and its
        formula took the same path through the same values; so it holds, bit for bit, wherever the
        household stands with other values of `changed`. Kept is what a formula reads that does
        depend on `changed` or on one of `neutralized`, and what was asked for.
        """
        reads = self._all_reads()
        fixed = self._variables_in(reads) - reads.dependents(changed)
        wanted = self._asked | reads.read_by(reads.dependents({*changed, *neutralized}))
        return CommonValues({name: self._known(name) for name in wanted & fixed}, reads)

    def unreached(self, parameters: Collection[str]) -> CommonValues:
        """Return every value that does not depend on these parameters, which have been watched.

        Such a value was calculated by a formula that looked at none of them, from values of which
        the same holds; so whatever becomes of them it takes the same path to the same bits. Kept is
        what a formula reads that does depend on them, and what was asked for.
        """
        watch = self._watch
        assert watch is not None and watch.paths >= set(parameters), "not watched"
        reads = self._all_reads()
        # What is looked at while a simulation is made can decide anything.
        may_share = not watch.outside and not any(path.startswith(RESPONSES) for path in parameters)
        dependents = reads.dependents(as_read(path) for path in parameters)
        fixed = self._variables_in(reads) - dependents if may_share else set()
        wanted = self._asked | reads.read_by(dependents)
        return CommonValues({name: self._known(name) for name in wanted & fixed}, reads)

    def _variables_in(self, reads: Reads) -> set[str]:
        """Return the variables among what was read."""
        return reads.names() & self._engine.variables().keys()

    def neutralize(self, variable: str) -> "_Run":
        """Return the same population where `variable` keeps its default value for everybody.

        Storing the default as an input stops the variable's formula, which gives the bits that
        policyengine-core's `neutralize_variable` gives without building the tax system again.
        What does not depend on the variable is handed over.
        """
        metadata = self._engine._system.get_variable(variable, check_existence=True)
        reads = self._all_reads()
        dependents = reads.dependents({variable})
        wanted = (
            (self._asked | reads.read_by(dependents)) & self._variables_in(reads)
        ) - dependents
        run = self._again()
        size = run._simulation.populations[metadata.entity.key].count
        default = np.full(size, metadata.default_value, dtype=metadata.dtype)
        for period in _definition_periods(metadata.definition_period, self._period):
            run._simulation.set_input(variable, period, default)
        known = wanted & self._variables_in(reads)
        run._store((name, self._known(name)) for name in sorted(known))
        return run

    def branching(self) -> set[str]:
        """Return what was calculated by opening branches that BEFORE_BRANCHES does not need."""
        reads = Reads(self._reads.of)
        within = reached(reads.of, [BEFORE_BRANCHES])
        variables = self._engine._system.variables
        opening = {name for name in reads.names() - within if opens_branches(variables[name])}
        return reads.dependents(opening) - within

    def _all_reads(self) -> Reads:
        """Return what was read here and, for values handed over, where they come from."""
        parts = [self._reads, self._engine._reads_from_storage]
        return Reads.union(parts + ([self._common.reads] if self._common else []))

    def _known(self, name: str) -> dict[object, np.ndarray]:
        """Return the values of a variable by period, as they were calculated or handed over."""
        holder = self._simulation.get_holder(name)
        stored = holder.get_known_branch_periods()
        own = {
            period: array
            for branch, period in stored
            if branch == self._simulation.branch_name
            and (array := holder.get_array(period, branch)) is not None
        }
        return self._shared(name) | own

    def _shared(self, name: str) -> dict[object, np.ndarray]:
        """Return the values that another simulation shares, for the units of this one."""
        if self._common is None or name not in self._common.values:
            return {}
        if self._units is None:
            return dict(self._common.values[name])
        units = self._units[self._engine.variables()[name].entity]
        known = self._common.values[name]
        # Months of which one was taken over from the other have one array, here too.
        of = {id(values): values for values in known.values()}
        taken = {number: values[units] for number, values in of.items()}
        return {period: taken[id(values)] for period, values in known.items()}

    def _store(self, known: Iterable[tuple[str, Mapping[object, np.ndarray]]]) -> None:
        """Put values where policyengine-core keeps what it has calculated."""
        branch = self._simulation.branch_name
        for name, values in known:
            holder = self._simulation.get_holder(name)
            for period, array in values.items():
                if holder.get_array(period, branch) is None:
                    holder.put_in_cache(array, period, branch, derived=True)

    def close(self) -> None:
        """Give the memory back; reference cycles inside the model keep it otherwise."""
        self._open = self._rules = self._watch = None
        self._engine._system.simulation = None
        self._engine.open_runs -= 1
        self._engine.settle()


class FileRun(_Run):
    """A dataset file inside policyengine-us, which reads it as it does for the file's users.

    `Simulation` gives the bits of their `Microsimulation` in a third of the time: the latter wraps
    every yearly sum over months in a pandas Series with weights.
    """

    def __init__(
        self,
        engine: PolicyEngineUS,
        path: Path,
        period: int,
        common: CommonValues | None = None,
    ) -> None:
        self._path = path
        super().__init__(engine, str(path), period, common)

    def _again(self) -> "FileRun":
        return FileRun(self._engine, self._path, int(self._period))


class PopulationRun(_Run):
    """A population inside policyengine-us.

    A couple that is simulated alone is simulated with a copy of itself: where there is but one
    marital unit the model takes it for one that it made up, and a spouse for a child.
    """

    def __init__(
        self,
        engine: PolicyEngineUS,
        population: Population,
        common: CommonValues | None,
        units: Mapping[str, np.ndarray] | None,
    ) -> None:
        self._given = population
        if population.count("marital_unit") == 1 and population.count(PERSON) > 1:
            population = beside_a_copy(population)
            units = units and {entity: np.tile(known, 2) for entity, known in units.items()}
        self._population = population
        super().__init__(engine, _InMemoryDataset(population), population.period, common, units)

    def _household(self, entity: str, unit: int) -> int:
        return int(self._population.household_of[entity][unit])

    def _of_given(self, values: np.ndarray, entity: str) -> np.ndarray:
        return values[: self._given.count(entity)]

    def _again(self) -> "PopulationRun":
        return PopulationRun(self._engine, self._given, None, None)


# The kinds of parameters, by the class of a value; a boolean is a number too.
_KINDS = (
    (bool | np.bool_, "bool"),
    (int | float | np.number, "number"),
    (str, "text"),
    (list, "list"),
)


def _kind(values: Sequence[Any]) -> str:
    """Return the kind of a parameter, by the latest value that it has."""
    value = next((at.value for at in values if at.value is not None), None)
    return next((kind for known, kind in _KINDS if isinstance(value, known)), "none")


def _definition_periods(unit: str, year: str) -> list[str]:
    if unit == "month":
        return [f"{year}-{month:02}" for month in range(1, 13)]
    return [year]


if TYPE_CHECKING:
    # It is loaded by its name, so nothing else says that it is one.
    _engine: Engine = PolicyEngineUS()
