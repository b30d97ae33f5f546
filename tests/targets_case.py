"""Targets in a database, and a model that knows their variables."""

from localcal.engine.protocol import Variable
from localcal.targets.resolve import resolve_targets
from tests.database_factory import NATION, state, write_database

VARIABLES = {
    "age": ("person", "int"),
    "snap": ("spm_unit", "float"),
    "rent": ("household", "float"),
    "adjusted_gross_income": ("tax_unit", "float"),
    "salt_deduction": ("tax_unit", "float"),
    "tax_unit_is_filer": ("tax_unit", "float"),
    "medicaid_enrolled": ("person", "bool"),
    "ssn_card_type": ("person", "enum"),
    "county_name": ("household", "text"),
    "household_id": ("household", "int"),
    "tax_unit_household_id": ("tax_unit", "float"),
    "has_claimant": ("person", "bool"),
}

MEMBERS = {"ssn_card_type": ("CITIZEN", "NON_CITIZEN_VALID_EAD", "OTHER_NON_CITIZEN", "NONE")}


class Engine:
    """Knows a few variables; people grow by 1% a year and prices by 10%."""

    def __init__(self, growth=None):
        self.asked = []
        self.ratios = growth or {"population": 1.01, "prices": 1.1}

    def variables(self):
        return {
            name: Variable(name, entity, kind, computed=True, members=MEMBERS.get(name, ()))
            for name, (entity, kind) in VARIABLES.items()
        }

    def looks_at_ids(self):
        reads = dict.fromkeys(["has_claimant"], "reads")
        return reads | dict.fromkeys(["household_id", "tax_unit_household_id"], "holds")

    def looks_at_positions(self):
        return {}

    def dependencies(self, variable):
        return frozenset({variable})

    def growth(self, index, start, end):
        self.asked.append((index, start, end))
        return self.ratios[index] ** (end - start)


def target(variable="snap", value=1.0, constraints=NATION, **cells):
    return {"variable": variable, "value": value, "constraints": constraints, **cells}


def resolve(path, targets=None, include=(), exclude=(), engine=None, period=2024):
    if targets is not None:
        write_database(path, targets)
    return resolve_targets(path, period, list(include), list(exclude), engine or Engine())


FOUR = [
    target("snap", constraints=NATION, target_id=1),
    target("snap", constraints=state(6), target_id=2),
    target("household_count", constraints=(*state(6), ("snap", ">", "0")), target_id=3),
    target("rent", constraints=(("age", ">", "4"), ("snap", ">", "0")), target_id=4),
]
