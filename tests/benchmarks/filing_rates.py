"""The rates of filing without having to: what config/take_up.csv says, from published returns.

The model knows who has to file and who would for a refundable credit. Others file, too, mostly for
the tax withheld from their wages. By size of income and with or without earnings, the rate is

    (published returns - those who file anyway) / (units that do not file anyway)

between 0 and 1, over the households of a dataset. Returns of dependents are taken off first, since
tax units do not have them: they are known for incomes of 1 to 10,000 dollars, where the IRS's table
by state counts fewer individuals than there are taxpayers on returns.

    python tests/benchmarks/filing_rates.py runs/demo/population/population.h5
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from localcal.engine.policyengine import PolicyEngineUS
from localcal.population.dataset import read_population

VARIABLE = "would_file_taxes_voluntarily"
INCOME = "adjusted_gross_income"
EARNINGS = "tax_unit_earned_income"
YEAR = 2023
LOWER = (-math.inf, 1, 5_000, 10_000, 15_000, 20_000, 25_000)
# IRS SOI Publication 1304, tax year 2023, Table 1.1 and 1.4: returns, and those with wages.
RETURNS = (2_180_146, 7_357_751, 8_077_917, 8_986_005, 8_702_094, 7_925_999, 117_372_195)
WITH_WAGES = (515_072, 3_865_490, 5_693_319, 6_277_415, 6_358_196, 6_246_065, 99_635_493)
# IRS SOI Historic Table 2, tax year 2022, returns of 1 to 10,000 dollars: primary taxpayers,
# spouses, heads of households (with a dependent each, at least) and all individuals, of whom
# taxpayers who are dependents themselves are none.
DEPENDENTS = 16_570_990 + 1_527_170 + 1_239_440 - 16_745_140


@dataclass(frozen=True)
class Units:
    """The tax units of a dataset, arrays of (units,)."""

    weight: np.ndarray
    income: np.ndarray
    earns: np.ndarray
    has_wages: np.ndarray
    files_anyway: np.ndarray


def units_of(path: Path) -> Units:
    """Return the tax units of a dataset as they are when nobody files without a reason."""
    population = read_population(path)
    nobody = np.zeros(population.count("tax_unit"), dtype=bool)
    simulation = PolicyEngineUS().simulate(population.with_values("tax_unit", {VARIABLE: nobody}))
    weight = population.values["household_weight"].astype(float)
    wages = np.asarray(simulation.calculate("employment_income")) > 0
    return Units(
        weight=weight[population.household_of["tax_unit"]],
        income=simulation.calculate(INCOME),
        earns=simulation.calculate(EARNINGS) > 0,
        has_wages=population.with_any("tax_unit", wages),
        files_anyway=simulation.calculate("tax_unit_is_filer").astype(bool),
    )


def rates(units: Units, growth: float) -> list[tuple[int, bool, float, float, float, float]]:
    """Return class, whether with earnings, returns, who files anyway, the others, and the rate.

    Args:
        units: of a dataset.
        growth: of the population since the published figures' year.
    """
    upper = (*LOWER[1:], math.inf)
    dependents = {1: DEPENDENTS * WITH_WAGES[1] / sum(WITH_WAGES[1:3])}
    dependents[2] = DEPENDENTS - dependents[1]
    rows = []
    for number, (low, high) in enumerate(zip(LOWER, upper, strict=True)):
        here = (units.income >= low) & (units.income < high)
        for earning in (True, False):
            wages = units.has_wages if earning else ~units.has_wages
            published = WITH_WAGES[number] if earning else RETURNS[number] - WITH_WAGES[number]
            published -= dependents.get(number, 0.0) if earning else 0.0
            anyway = units.weight[here & wages & units.files_anyway].sum()
            of_base = here & (units.earns == earning) & ~units.files_anyway
            others = units.weight[of_base].sum()
            lacking = published * growth - anyway
            # Where there is nobody else, everybody would.
            rate = min(1.0, max(0.0, lacking / others)) if others else float(lacking > 0)
            rows.append((number, earning, published * growth, anyway, others, rate))
    return rows


def base_of(number: int, earning: bool) -> str:
    """Return the base of a rate as the table writes it."""
    low, high = LOWER[number], (*LOWER[1:], math.inf)[number]
    bounds = [f"{INCOME}>={low:.0f}"] if low > -math.inf else []
    bounds += [f"{INCOME}<{high:.0f}"] if high < math.inf else []
    return ";".join([*bounds, f"{EARNINGS}{'>' if earning else '<='}0"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("population", type=Path)
    arguments = parser.parse_args()
    growth = PolicyEngineUS().growth(
        "population", YEAR, read_population(arguments.population).period
    )
    print("base,published,files anyway,others,rate (millions)")
    for number, earning, *figures, rate in rates(units_of(arguments.population), growth):
        counts = ",".join(f"{figure / 1e6:.2f}" for figure in figures)
        print(f"{base_of(number, earning)},{counts},{rate:.2f}")


if __name__ == "__main__":
    main()
