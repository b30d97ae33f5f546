"""A toy tax-benefit model with the interface of `localcal.engine.policyengine.PolicyEngineUS`.

It imports in no time, and its few rules are written so that a mistake shows: taxes are
progressive, SNAP depends on the state, on take-up, on the whole unit and on somebody's id, Medicaid
dollars on the whole population, and one variable ranks households.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from localcal.engine.protocol import UnusableUnit, Variable
from localcal.engine.reads import Reads
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
    "income_rank": ("household", "float"),
    "income_tax": ("tax_unit", "float"),
    "is_child": ("person", "bool"),
    "is_out_of_work": ("person", "bool"),
    "medicaid": ("person", "float"),
    "medicaid_denominator": ("person", "float"),
    "medicaid_enrolled": ("person", "bool"),
    "net_income": ("household", "float"),
    "salt_deduction": ("tax_unit", "float"),
    "snap": ("spm_unit", "float"),
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

    def load(self, path: Path, period: int) -> "StandInSimulation":
        population = read_population(path)
        assert population.period == period
        return StandInSimulation(self, population)

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
        values, self._handed_reads = common or ({}, Reads())
        self._handed = {
            name: array[units[engine.variables()[name].entity]] for name, array in values.items()
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
        fixed = reads.names() - reads.dependents(changed)
        return {name: self.calculate(name) for name in sorted(fixed)}, reads

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
        taxable = np.maximum(0, taxable - 14_600)
        return 0.1 * taxable + 0.15 * np.maximum(0, taxable - 50_000)

    def _snap(self) -> np.ndarray:
        income = self._sum("employment_income", "spm_unit")
        size = np.bincount(self._population.membership["spm_unit"])
        state = self.calculate("state_fips")[self._population.household_of["spm_unit"]]
        income -= 2_000 * self._sum("is_out_of_work", "spm_unit")
        benefit = np.maximum(0, 3_000 * size + 10.0 * state - 0.3 * income)
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

    def _income_rank(self) -> np.ndarray:
        return np.argsort(np.argsort(self._sum("employment_income", "household"))) + 1.0


assert set(INPUTS) <= set(ENTITIES)
