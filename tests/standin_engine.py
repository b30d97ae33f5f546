"""A toy tax-benefit model with the interface of `localcal.engine.policyengine.PolicyEngineUS`.

It imports in no time, and its few rules are written so that a mistake shows: taxes are
progressive, SNAP depends on the state, on take-up, on the whole unit and on somebody's id, Medicaid
dollars on the whole population, and one variable ranks households. It has a few parameters, which
a reform may change, and what the outcomes of a sweep are made from.
"""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from localcal.engine.protocol import Parameter, UnusableUnit, Variable
from localcal.engine.reads import Reads
from localcal.engine.reforms import checked_changes, refuse_unknown
from localcal.population.dataset import id_columns, read_population
from localcal.population.population import ENTITIES, Population

INPUTS = {
    "person": {
        "age": "int",
        "employment_income": "float",
        "has_medicaid_health_coverage_at_interview": "bool",
        "is_disabled": "bool",
        "person_id": "int",
        "takes_up_medicaid_if_eligible": "bool",
    },
    "tax_unit": {"charitable_deduction": "float", "would_file_taxes_voluntarily": "bool"},
    "spm_unit": {"takes_up_snap_if_eligible": "bool"},
    "household": {
        "block_geoid": "text",
        "congressional_district_geoid": "int",
        "county_fips": "text",
        "in_denver": "bool",
        "household_weight": "float",
        "state_fips": "int",
        "tenure_type": "enum",
    },
}
COMPUTED = {
    "adjusted_gross_income": ("tax_unit", "float"),
    "household_benefits": ("household", "float"),
    "household_net_income": ("household", "float"),
    "household_tax": ("household", "float"),
    "income_rank": ("household", "float"),
    "income_tax": ("tax_unit", "float"),
    "is_child": ("person", "bool"),
    "is_out_of_work": ("person", "bool"),
    "medicaid": ("person", "float"),
    "medicaid_denominator": ("person", "float"),
    "medicaid_enrolled": ("person", "bool"),
    "net_income": ("household", "float"),
    "salt_deduction": ("tax_unit", "float"),
    "poverty_gap": ("spm_unit", "float"),
    "snap": ("spm_unit", "float"),
    "spm_unit_is_in_deep_spm_poverty": ("spm_unit", "bool"),
    "spm_unit_is_in_spm_poverty": ("spm_unit", "bool"),
    "spm_unit_net_income": ("spm_unit", "float"),
    "spm_unit_spm_threshold": ("spm_unit", "float"),
    "state_income_tax": ("tax_unit", "float"),
    "tax_unit_is_filer": ("tax_unit", "bool"),
}
DEPENDENCIES = {
    "medicaid": {"medicaid", "medicaid_denominator", "medicaid_enrolled"},
    "income_rank": {"income_rank"},
}
DEFAULTS = {
    "takes_up_medicaid_if_eligible": True,
    "takes_up_snap_if_eligible": True,
    "state_fips": 6,
}

PARAMETERS = {
    "snap.in_effect": True,
    "snap.maximum": 3_000,
    "snap.states": ["CA", "NY"],
    "state_tax.rate": 0.03,
    "tax.brackets[0].rate": 0.1,
    "tax.brackets[1].rate": 0.25,
    "tax.brackets[1].threshold": 50_000,
    "tax.standard_deduction": 14_600,
}


MEMBERS = {"tenure_type": ("RENTED", "OWNED_OUTRIGHT", "OWNED_WITH_MORTGAGE", "NONE")}
TAKE_UP = {
    "takes_up_medicaid_if_eligible",
    "takes_up_snap_if_eligible",
    "would_file_taxes_voluntarily",
}
PLACES = {"block_geoid", "congressional_district_geoid", "county_fips", "in_denver", "state_fips"}
# Connecticut's planning regions, and a county that has another code by now.
UNKNOWN_COUNTIES = {"09110", "46113"}


class StandIn:
    """The toy model. Any variable of a dataset that it does not know is an unused input."""

    version = "stand-in 1"
    of_age = 0
    changes = ()
    watched = frozenset()

    def warm_up(self, variables) -> None:
        pass

    def variables(self) -> dict[str, Variable]:
        known = {
            name: Variable(
                name,
                entity,
                kind,
                computed=False,
                members=MEMBERS.get(name, ()),
                is_take_up=name in TAKE_UP,
            )
            for entity, names in INPUTS.items()
            for name, kind in names.items()
        }
        for name, (entity, kind) in COMPUTED.items():
            known[name] = Variable(name, entity, kind, computed=True)
        return known

    def simulate(self, population, common=None, units=None) -> "StandInSimulation":
        return StandInSimulation(self, population, common=common, units=units)

    def load(self, path: Path, period: int, common=None) -> "StandInSimulation":
        population = read_population(path)
        assert population.period == period
        return StandInSimulation(self, population, common=common)

    def parameters(self) -> dict[str, Parameter]:
        kinds = {bool: "bool", list: "list"}
        return {
            path: Parameter(path, kinds.get(type(value), "number"))
            for path, value in PARAMETERS.items()
        }

    @contextmanager
    def watching(self, parameters):
        refuse_unknown(self.parameters(), parameters)
        before = self.watched
        self.watched = frozenset(parameters)
        try:
            yield self
        finally:
            self.watched = before

    @contextmanager
    def reformed(self, changes):
        before = self.changes
        self.changes = (*before, *checked_changes(self.parameters(), changes))
        try:
            yield self
        finally:
            self.changes = before

    def parameter(self, path: str, year: int):
        """Return what a parameter is on the first of January."""
        value = PARAMETERS[path]
        for change in self.changes:
            in_time = (change.start or "") <= f"{year}-01-01" <= (change.stop or "9999-12-31")
            if change.path == path and in_time:
                value = change.value
        return value

    def growth(self, index: str, start: int, end: int) -> float:
        yearly = {"population": 1.01, "prices": 1.03}[index]
        return yearly ** (end - start)

    def population_wide(self) -> dict[str, str]:
        return {"medicaid_denominator": "sum", "income_rank": "rank"}

    def looks_at_ids(self) -> dict[str, str]:
        return {"person_id": "holds", "is_out_of_work": "reads"}

    def looks_at_positions(self) -> dict[str, str]:
        return {}

    def dependencies(self, variable: str) -> frozenset[str]:
        return frozenset(DEPENDENCIES.get(variable, {variable}))

    def place_variables(self) -> frozenset[str]:
        return frozenset(PLACES)

    def unknown_counties(self, counties) -> frozenset[str]:
        return frozenset(UNKNOWN_COUNTIES & set(counties))

    def unusable_units(self, population) -> list[UnusableUnit]:
        age = population.values.get("age", np.full(population.count("person"), self.of_age))
        oldest = np.full(population.count("spm_unit"), -1.0)
        np.maximum.at(oldest, population.membership["spm_unit"], age)
        young = np.flatnonzero(oldest < self.of_age)
        return [UnusableUnit("spm_unit", int(unit), "snap", "has nobody of age") for unit in young]


class StandInSimulation:
    """One population in the toy model."""

    def __init__(
        self,
        engine: StandIn,
        population: Population,
        neutralized: frozenset[str] = frozenset(),
        common: tuple[dict[str, np.ndarray], Reads] | None = None,
        units: dict[str, np.ndarray] | None = None,
    ) -> None:
        self._engine = engine
        self._population = population
        self._neutralized = neutralized
        self._reads = Reads()
        self._watched = engine.watched
        values, self._handed_reads = common or ({}, Reads())
        self._handed = {
            name: array[units[engine.variables()[name].entity]] if units else array
            for name, array in values.items()
        }

    def calculate(self, variable: str, year: int | None = None) -> np.ndarray:
        if year is not None and year != self._population.period:
            return self._in_year(year).calculate(variable)
        with self._reads.reading(variable):
            return self._values(variable)

    def _in_year(self, year: int) -> "StandInSimulation":
        """Return the population some years later: incomes grow by 5 %, weights by 1 % a year.

        What has a formula is calculated anew, unless that year's value is stored.
        """
        people, years = self._population, year - self._population.period
        stored = {name: by_year[year] for name, by_year in people.later.items() if year in by_year}
        values = {name: array for name, array in people.values.items() if name not in COMPUTED}
        for name, yearly in (("employment_income", 1.05), ("household_weight", 1.01)):
            if name in values:
                values[name] = values[name] * np.float32(yearly**years)
        older = replace(people, period=year, values=values | stored)
        return StandInSimulation(self._engine, older, self._neutralized)

    def _values(self, variable: str) -> np.ndarray:
        entity = self._engine.variables()[variable].entity
        kind = self._engine.variables()[variable].kind
        dtype = {"float": np.float32, "int": np.int32, "bool": bool}.get(kind)
        if variable in self._neutralized:
            return np.zeros(self._population.count(entity), dtype=dtype)
        if variable in self._handed:
            return self._handed[variable]
        if variable == "person_id":
            return id_columns(self._population)[variable]
        if variable in self._population.values:
            stored = self._population.values[variable]
            return stored.astype(str) if dtype is None else stored.astype(dtype)
        formula = getattr(self, f"_{variable}", None)
        if formula is not None:
            return formula().astype(dtype)
        size = self._population.count(entity)
        default = DEFAULTS.get(variable, 0)
        return np.full(size, "", dtype="U5") if dtype is None else np.full(size, default, dtype)

    def neutralize(self, variable: str) -> "StandInSimulation":
        return StandInSimulation(self._engine, self._population, self._neutralized | {variable})

    def share(self, changed, neutralized) -> tuple[dict[str, np.ndarray], Reads]:
        reads = Reads.union([self._reads, self._handed_reads])
        fixed = (reads.names() & self._engine.variables().keys()) - reads.dependents(changed)
        return {name: self.calculate(name) for name in sorted(fixed)}, reads

    def unreached(self, parameters) -> tuple[dict[str, np.ndarray], Reads]:
        assert self._watched >= set(parameters), "not watched"
        return self.share(changed={f"parameter {path}" for path in parameters}, neutralized=())

    def _parameter(self, path: str):
        with self._reads.reading(f"parameter {path}"):
            return self._engine.parameter(path, self._population.period)

    def close(self) -> None:
        pass

    def _sum(self, variable: str, entity: str) -> np.ndarray:
        return np.bincount(
            self._population.membership[entity],
            weights=self.calculate(variable).astype(float),
            minlength=self._population.count(entity),
        )

    def _to_persons(self, values: np.ndarray, entity: str) -> np.ndarray:
        return values[self._population.membership[entity]]

    def _is_child(self) -> np.ndarray:
        return self.calculate("age") < 18

    def _is_out_of_work(self) -> np.ndarray:
        return self.calculate("person_id") * 7 % 12 < 3

    def _adjusted_gross_income(self) -> np.ndarray:
        return self._sum("employment_income", "tax_unit")

    def _tax_unit_is_filer(self) -> np.ndarray:
        voluntary = self.calculate("would_file_taxes_voluntarily")
        return (self.calculate("adjusted_gross_income") > 12_000) | voluntary

    def _salt_deduction(self) -> np.ndarray:
        return np.minimum(10_000, 0.05 * self.calculate("adjusted_gross_income"))

    def _income_tax(self) -> np.ndarray:
        income = self.calculate("adjusted_gross_income").astype(float)
        taxable = income - self.calculate("salt_deduction") - self.calculate("charitable_deduction")
        taxable = np.maximum(0, taxable - self._parameter("tax.standard_deduction"))
        rate = self._parameter("tax.brackets[0].rate")
        more = self._parameter("tax.brackets[1].rate") - rate
        above = np.maximum(0, taxable - self._parameter("tax.brackets[1].threshold"))
        return rate * taxable + more * above

    def _state_income_tax(self) -> np.ndarray:
        income = self.calculate("adjusted_gross_income").astype(float)
        return self._parameter("state_tax.rate") * income

    def _snap(self) -> np.ndarray:
        income = self._sum("employment_income", "spm_unit")
        size = np.bincount(self._population.membership["spm_unit"])
        state = self.calculate("state_fips")[self._population.household_of["spm_unit"]]
        income -= 2_000 * self._sum("is_out_of_work", "spm_unit")
        maximum = self._parameter("snap.maximum")
        benefit = np.maximum(0, maximum * size + 10.0 * state - 0.3 * income)
        benefit *= self._parameter("snap.in_effect")
        return benefit * self.calculate("takes_up_snap_if_eligible")

    def _medicaid_enrolled(self) -> np.ndarray:
        income = self._to_persons(self._sum("employment_income", "tax_unit"), "tax_unit")
        return (income < 25_000) & self.calculate("takes_up_medicaid_if_eligible")

    def _medicaid_denominator(self) -> np.ndarray:
        state = self._to_persons(self.calculate("state_fips"), "household")
        weight = self._to_persons(self.calculate("household_weight"), "household")
        enrolled = weight.astype(float) * self.calculate("medicaid_enrolled")
        return np.bincount(state, weights=enrolled, minlength=57)[state]

    def _medicaid(self) -> np.ndarray:
        denominator = self.calculate("medicaid_denominator").astype(float)
        share = np.divide(1e9, denominator, out=np.zeros(denominator.size), where=denominator > 0)
        return share * self.calculate("medicaid_enrolled")

    def _net_income(self) -> np.ndarray:
        income = self._sum("employment_income", "household")
        taxes = np.bincount(
            self._population.household_of["tax_unit"],
            weights=self.calculate("income_tax").astype(float),
            minlength=income.size,
        )
        return income - taxes

    def _to_households(self, variable: str) -> np.ndarray:
        entity = self._engine.variables()[variable].entity
        return np.bincount(
            self._population.household_of[entity],
            weights=self.calculate(variable).astype(float),
            minlength=self._population.count("household"),
        )

    def _household_tax(self) -> np.ndarray:
        return self._to_households("income_tax") + self._to_households("state_income_tax")

    def _household_benefits(self) -> np.ndarray:
        return self._to_households("snap")

    def _household_net_income(self) -> np.ndarray:
        kept = self._sum("employment_income", "household") - self.calculate("household_tax")
        return kept + self.calculate("household_benefits")

    def _spm_unit_net_income(self) -> np.ndarray:
        taxes = self.calculate("income_tax").astype(float) + self.calculate("state_income_tax")
        unit = self._population.membership["tax_unit"]
        of_person = (taxes / np.bincount(unit))[unit]
        paid = np.bincount(self._population.membership["spm_unit"], weights=of_person)
        return self._sum("employment_income", "spm_unit") - paid + self.calculate("snap")

    def _spm_unit_spm_threshold(self) -> np.ndarray:
        return 10_000 + 5_000 * np.bincount(self._population.membership["spm_unit"])

    def _spm_unit_is_in_spm_poverty(self) -> np.ndarray:
        threshold = self.calculate("spm_unit_spm_threshold")
        return self.calculate("spm_unit_net_income") < threshold

    def _spm_unit_is_in_deep_spm_poverty(self) -> np.ndarray:
        threshold = self.calculate("spm_unit_spm_threshold")
        return self.calculate("spm_unit_net_income") < threshold / 2

    def _poverty_gap(self) -> np.ndarray:
        lacking = self.calculate("spm_unit_spm_threshold") - self.calculate("spm_unit_net_income")
        return np.maximum(0, lacking)

    def _income_rank(self) -> np.ndarray:
        return np.argsort(np.argsort(self._sum("employment_income", "household"))) + 1.0


assert set(INPUTS) <= set(ENTITIES)
