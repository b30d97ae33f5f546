"""A target database of production's size: the published tables, crossed with each other.

What the tables publish of the nation alone is divided among the districts by their published
population, each district and measure off by some chance, and states and nation are the sums: levels
agree, and no area is like another. Of what no table has, the nation's total is what the model made
of 1,200 synthetic households: the fit shall have a problem like a real one, the figures mean
nothing.
"""

import csv
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from localcal.database.demo import COLUMNS, write_demo_database

PERIOD = 2024

REFORMS = (
    "salt_deduction",
    "charitable_deduction",
    "deductible_mortgage_interest",
    "qualified_business_income_deduction",
)
FILER = ("tax_unit_is_filer", "==", "1")
AGI = "adjusted_gross_income"
# Brackets of years and of thousand dollars, as the Census Bureau and the IRS publish them.
AGES = [(low, low + 5) for low in range(0, 85, 5)] + [(85, 999)]
INCOMES = [(1, 10), (10, 25), (25, 50), (50, 75), (75, 100), (100, 200), (200, 500)]

# What is counted or added up in every district, in every state besides, and in the nation.
DISTRICT = [
    ("person_count", []),
    ("household_count", []),
    (AGI, [FILER]),
    ("eitc", [("eitc", ">", "0")]),
    ("tax_unit_count", [("eitc", ">", "0")]),
    ("aca_ptc", [("aca_ptc", ">", "0")]),
    ("household_count", [("snap", ">", "0")]),
    ("person_count", [("medicaid_enrolled", "==", "True")]),
    ("salt_deduction", [("salt_deduction", ">", "0")]),
    ("tax_unit_count", [("salt_deduction", ">", "0")]),
    *[("person_count", [("age", ">=", str(low)), ("age", "<", str(high))]) for low, high in AGES],
    *[
        ("tax_unit_count", [FILER, (AGI, ">=", f"{low}000"), (AGI, "<", f"{high}000")])
        for low, high in INCOMES
    ],
]
STATE = [
    ("snap", []),
    ("medicaid", []),
    ("person_count", [("used_aca_ptc", ">", "0")]),
    ("state_income_tax", []),
    ("real_estate_taxes", []),
]
NATION = [
    (variable, [])
    for variable in [
        "child_support_expense",
        "child_support_received",
        "employment_income",
        "income_tax",
        "medical_expense_deduction",
        "non_refundable_ctc",
        "qualified_dividend_income",
        "refundable_ctc",
        "rent",
        "rental_income",
        "self_employment_income",
        "social_security",
        "ssi",
        "tanf",
        "taxable_interest_income",
        "taxable_pension_income",
        "tip_income",
        "unemployment_compensation",
    ]
]

# What no table publishes: measured on 1,200 synthetic households with their base weights, rounded.
# The last, of which they have nothing, are made up and can be met by no weights.
MODEL_TOTALS = {
    "aca_ptc": 146e9,
    "charitable_deduction": 155e9,
    "deductible_mortgage_interest": 417e9,
    "employment_income": 9.74e12,
    "income_tax": 2.14e12,
    "medicaid": 124e9,
    "medical_expense_deduction": 295e9,
    "non_refundable_ctc": 103e9,
    "qualified_business_income_deduction": 65e9,
    "qualified_dividend_income": 397e9,
    "real_estate_taxes": 359e9,
    "refundable_ctc": 28e9,
    "rent": 743e9,
    "salt_deduction": 676e9,
    "self_employment_income": 485e9,
    "social_security": 1.48e12,
    "ssi": 72e9,
    "state_income_tax": 756e9,
    "tanf": 59e9,
    "taxable_interest_income": 353e9,
    "taxable_pension_income": 1.08e12,
    "unemployment_compensation": 45e9,
    "child_support_expense": 30e9,
    "child_support_received": 30e9,
    "rental_income": 50e9,
    "tip_income": 40e9,
}
MODEL_COUNTS = {"aca_ptc": 16e6, "used_aca_ptc": 16e6, "medicaid_enrolled": 117e6}
MODEL_COUNTS |= {"salt_deduction": 164e6}
# Of a deduction's amount, what income tax grows by without it.
REFORM_SHARE = 0.1
# Standard deviation of the logarithm of what a district has per head.
SPREAD = 0.2


def write_crossed_database(config: Path, path: Path, seed: int) -> int:
    """Write the database of all measures in all areas, and return how many targets it has.

    Args:
        config: the project's folder of this name.
        path: the SQLite database to write.
        seed: of how districts differ.
    """
    published = _published(config / "published")
    figures = list(_figures(published, seed))
    reforms = [
        ("nation", "US", name, PERIOD, "", REFORM_SHARE * MODEL_TOTALS[name], "made up", number)
        for number, name in _reforms()
    ]
    with tempfile.TemporaryDirectory() as folder:
        for name, columns, rows in (
            ("crossed.csv", COLUMNS, figures),
            ("reforms.csv", (*COLUMNS, "reform_id"), reforms),
        ):
            with Path(folder, name).open("w", newline="") as file:
                csv.writer(file).writerows([columns, *rows])
        write_demo_database(Path(folder), config / "areas.tsv", path)
    return len(figures) + len(reforms)


def _reforms() -> Iterator[tuple[int, str]]:
    return enumerate(REFORMS, start=1)


def _published(folder: Path) -> dict[tuple[str, str, str], float]:
    """Return the published figures by code, variable and constraints."""
    figures = {}
    for table in sorted(folder.glob("*.csv")):
        with table.open(newline="") as file:
            for row in csv.DictReader(file):
                key = (row["code"], row["variable"], row["constraints"])
                figures[key] = float(row["value"])
    return figures


def _figures(published: dict[tuple[str, str, str], float], seed: int) -> Iterator[tuple]:
    """Yield level, code, variable, year, constraints, value and source of every target."""
    everybody = {
        code: value
        for (code, variable, constraints), value in published.items()
        if variable == "person_count" and not constraints and code != "US"
    }
    share = np.array(list(everybody.values())) / sum(everybody.values())
    state = np.array([int(code) // 100 for code in everybody])
    generator = np.random.default_rng(seed)
    for variable, constraints in DISTRICT + STATE + NATION:
        text = ";".join(map("".join, constraints))
        parts = share * generator.lognormal(0.0, SPREAD, share.size)
        of_district = _total(published, variable, constraints) * parts / parts.sum()
        places: list[tuple[str, object, float]] = [("nation", "US", of_district.sum())]
        if (variable, constraints) not in NATION:
            places += [("state", fips, of_district[state == fips].sum()) for fips in set(state)]
        if (variable, constraints) in DISTRICT:
            places += zip(["district"] * share.size, everybody, of_district, strict=True)
        for level, code, value in places:
            yield level, code, variable, PERIOD, text, repr(float(value)), "crossed"


def _total(published: dict[tuple[str, str, str], float], variable: str, constraints: list) -> float:
    """Return what the nation has of a measure."""
    text = ";".join(map("".join, constraints))
    of_nation = {key[1:]: value for key, value in published.items() if key[0] == "US"}
    conditions = {name for name, _, _ in constraints}
    if variable == "person_count" and conditions <= {"age"}:
        everybody = [("age", ">=", "0"), ("age", "<", "999")]
        return _within(of_nation, variable, "age", constraints or everybody)
    if variable == "tax_unit_count" and AGI in conditions:
        return _within(of_nation, variable, AGI, constraints[1:])
    for known in (text, f"{''.join(FILER)};{text}", f"{variable}>0"):
        if (variable, known) in of_nation:
            return of_nation[variable, known]
    if variable in MODEL_TOTALS:
        return MODEL_TOTALS[variable]
    (condition,) = conditions
    return MODEL_COUNTS[condition]


def _within(
    figures: dict[tuple[str, str], float], variable: str, measured: str, bounds: list
) -> float:
    """Add up the published brackets of a variable that lie between two bounds."""
    least, most = (float(value) for _, _, value in bounds)
    found = 0.0
    for (name, text), value in figures.items():
        bracket = re.fullmatch(rf"(?:.*;)?{measured}>=?(-?\d+);{measured}<(\d+)", text)
        if name == variable and bracket is not None:
            middle = (int(bracket[1]) + int(bracket[2])) / 2
            found += value * (least <= middle < most)
    return found
