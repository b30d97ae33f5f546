"""Known policy changes on an area's file, beside what they come to by hand and what is published.

    python tests/benchmarks/policy_changes.py runs/demo/areas/national/US.h5 [--json]
        [--households N] [--without-sharing]

By hand is what the file's own households say without a reform, by one line of arithmetic:

- Every ordinary rate of federal income tax a percentage point higher: one percent of what is taxed
  at these rates. It comes to somewhat less, because credits that are not refundable take up some of
  it and because the alternative minimum tax takes the place of the regular tax for some.
- No earned income tax credit: what was paid of it, which is all federal. States that pay a share of
  it on top save theirs too, which is in the cost but not in federal revenue.
- SNAP allotments a tenth higher in the contiguous states: a tenth of the allotment of every unit
  that gets more than the minimum benefit, since benefits are the allotment less a share of income;
  and a tenth of the minimum of those who get it, since it is 8 percent of one person's allotment
  (7 CFR 273.10(e)(2)(ii)(C)) and their income takes up the rest. States whose own minimum is higher
  do not raise it, and some whose income was just too high gain something.

Published is what others say of the nation in 2024, where they say it of about the same change:

- CBO, Options for Reducing the Deficit (December 2020 and 2022; estimates of the JCT): 90.3 and
  106.6 billion dollars in 2024.
- IRS, EITC statistics: 64 billion dollars for tax year 2023.
- USDA, Thrifty Food Plan, 2021: 21.03 percent cost 36.24 dollars a person and month, when a family
  of four got 835 dollars at most. In the fiscal year 2024 it was 973, for 41.7 million persons:
  36.24 / 2.103 * 973 / 835 * 12 * 41.7 million = 10.0 billion dollars for a tenth.

With --households every k-th household stands for k of them, which is quicker and less precise.

How near the file is to the published depends on what the run was calibrated to; how near it is to
the arithmetic does not. `--json` prints, for each change, `effect`, `by_hand`, `published_low` and
`published_high` in dollars, and the changes of poverty rate and Gini index; and the CPU seconds of
the baseline and of each reform with and without what it does not reach taken over.
"""

import argparse
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import parser, report, temporary_folder

from localcal.engine.policyengine import PolicyEngineUS
from localcal.engine.protocol import Common, ParameterChange, Simulation
from localcal.population.dataset import read_population, write_population
from localcal.population.population import Population, take_households
from localcal.sweeps.context import Context, Units, Values
from localcal.sweeps.outcomes import Result, evaluate, find_outcome

YEAR = 2024
ALL_YEAR = (f"{YEAR}-01-01", f"{YEAR}-12-31")
RATES = (0.10, 0.12, 0.22, 0.24, 0.32, 0.35, 0.37)
# USDA, SNAP cost-of-living adjustments of the fiscal years 2024 and 2025: what a household of one
# to eight may get a month in the contiguous states, and each further person.
ALLOTMENTS = {
    (f"{YEAR}-01-01", f"{YEAR}-09-30"): ((291, 535, 766, 973, 1155, 1386, 1532, 1751), 219),
    (f"{YEAR}-10-01", f"{YEAR}-12-31"): ((292, 536, 768, 975, 1158, 1390, 1536, 1756), 220),
}
SNAP = "gov.usda.snap.max_allotment"
CONTIGUOUS = "CONTIGUOUS_US"
ALASKA, HAWAII = 2, 15

OUTCOMES = ("cost", "revenue", "poverty_rate", "gini")
INPUTS_OF_HANDS = (
    "capital_gains_excluded_from_taxable_income",
    "eitc",
    "snap",
    "snap_max_allotment",
    "snap_min_allotment",
    "taxable_income",
)

logger = logging.getLogger(__name__)

Values_ = Mapping[str, np.ndarray]


def taxed_at_ordinary_rates(context: Context) -> float:
    """Return one percent of what is taxed at ordinary rates."""
    before = context.baseline
    taxed = before["taxable_income"] - before["capital_gains_excluded_from_taxable_income"]
    return 0.01 * weighted(context, "tax_unit", np.maximum(taxed, 0))


def paid_of_eitc(context: Context) -> float:
    """Return the credit that is paid without a reform."""
    return weighted(context, "tax_unit", context.baseline["eitc"])


def tenth_of_allotments(context: Context) -> float:
    """Return a tenth of the allotments of those who get benefits, or of the minimum of some."""
    before = context.baseline
    # Sums of twelve months, so the minimum of only some of them counts as more.
    on_minimum = before["snap"] <= before["snap_min_allotment"] * 1.001
    allotment = np.where(on_minimum, before["snap_min_allotment"], before["snap_max_allotment"])
    household = context.units.household_of["spm_unit"]
    contiguous = ~np.isin(context.state, [str(ALASKA), str(HAWAII)])[household]
    gains = 0.1 * allotment * (before["snap"] > 0) * contiguous
    return weighted(context, "spm_unit", gains)


def weighted(context: Context, entity: str, values: np.ndarray) -> float:
    return float(values @ context.unit_weights(entity)[:, 0])


@dataclass(frozen=True)
class Policy:
    """A change, which outcome it is known by, and what that comes to in dollars."""

    name: str
    changes: tuple[ParameterChange, ...]
    outcome: tuple[str, str]
    by_hand: Callable[[Context], float]
    published: tuple[float, float]


def _allotments(times: float) -> list[ParameterChange]:
    changes = []
    for dates, (amounts, further) in ALLOTMENTS.items():
        paths = [f"{SNAP}.main.{CONTIGUOUS}.{size}" for size in range(1, 9)]
        paths.append(f"{SNAP}.additional.{CONTIGUOUS}")
        for path, amount in zip(paths, (*amounts, further), strict=True):
            changes.append(ParameterChange(path, *dates, times * amount))
    return changes


POLICIES = (
    Policy(
        "ordinary rates + 1 point",
        tuple(
            ParameterChange(f"gov.irs.income.bracket.rates.{number}", *ALL_YEAR, rate + 0.01)
            for number, rate in enumerate(RATES, 1)
        ),
        ("revenue", "federal"),
        taxed_at_ordinary_rates,
        (90.3e9, 106.6e9),
    ),
    Policy(
        "no EITC",
        (ParameterChange("gov.abolitions.eitc", *ALL_YEAR, value=True),),
        ("revenue", "federal"),
        paid_of_eitc,
        (64e9, 64e9),
    ),
    Policy(
        "SNAP allotments + 10 %",
        tuple(_allotments(1.1)),
        ("cost", ""),
        tenth_of_allotments,
        (10.0e9, 10.0e9),
    ),
)


def main(arguments: argparse.Namespace) -> None:
    """Simulate the file without a reform, then under each policy, and print what they come to."""
    population = read_population(arguments.file)
    assert population.period == YEAR, f"the policies are those of {YEAR}"
    with temporary_folder() as folder:
        path = folder / "some.h5"
        some = every_kth(population, arguments.households)
        write_population(path, some)
        compare(arguments, path, some)


def every_kth(population: Population, most: int | None) -> Population:
    """Return at most so many households, evenly chosen, each standing for as many more."""
    count = population.count("household")
    step = -(-count // most) if most else 1
    some = take_households(population, np.arange(0, count, step))
    weight = some.values["household_weight"] * np.float32(step)
    return some.with_values("household", {"household_weight": weight})


def compare(arguments: argparse.Namespace, path: Path, population: Population) -> None:
    """Print what the policies come to for the households of a file."""
    engine = PolicyEngineUS()
    outcomes = [find_outcome(name, Path()) for name in OUTCOMES]
    read = sorted({name for outcome in outcomes for name in outcome.requires})
    paths = {change.path for policy in POLICIES for change in policy.changes}
    started = time.process_time()
    with engine.watching(paths), closing(engine.load(path, YEAR)) as simulation:
        baseline = calculated(simulation, [*read, *INPUTS_OF_HANDS])
        seconds = {"baseline": time.process_time() - started}
        common = simulation.unreached(paths)
    figures: dict[str, float] = {}
    rows = []
    for policy in POLICIES:
        context, seconds[policy.name] = under(
            policy, engine, path, population, read, baseline, common
        )
        found = {
            (outcome.name, result.group): result
            for outcome in outcomes
            for result in evaluate(outcome, context)
        }
        row = described(policy, context, found)
        figures |= {f"{policy.name}: {name}": value for name, value in row.items()}
        rows.append([policy.name, *cells(row), f"{seconds[policy.name]:.1f}"])
        logger.info("%s", rows[-1])
    if arguments.without_sharing:
        _, plain = under(POLICIES[0], engine, path, population, read, baseline, None)
        seconds["without sharing"] = plain
    figures |= {f"{name}: cpu_seconds": value for name, value in seconds.items()}
    notes = [f"{name}: {value:.1f} CPU s" for name, value in seconds.items()]
    report(arguments.json, figures, list(TITLES), rows, notes)


def under(
    policy: Policy,
    engine: PolicyEngineUS,
    path: Path,
    population: Population,
    read: Sequence[str],
    baseline: Values_,
    common: Common | None,
) -> tuple[Context, float]:
    """Return a policy's context, and the CPU seconds that its simulation took."""
    started = time.process_time()
    with (
        engine.reformed(policy.changes),
        closing(engine.load(path, YEAR, common)) as simulation,
    ):
        reformed = calculated(simulation, read)
    spent = time.process_time() - started
    weights = population.values["household_weight"].astype(np.float64)
    state = population.values["state_fips"].astype(str)
    units = Units.of(population, engine.variables())
    return Context(units, reformed, baseline, weights, state), spent


def calculated(simulation: Simulation, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return values of some variables, calculated now."""
    return dict(Values.calculated(simulation, names))


def described(
    policy: Policy, context: Context, found: Mapping[tuple[str, str], Result]
) -> dict[str, float]:
    """Return a policy's figures; a result without a value fails here."""
    low, high = policy.published
    wanted = {
        "effect": policy.outcome,
        "cost": ("cost", ""),
        "poverty_rate": ("poverty_rate", ""),
        "gini": ("gini", ""),
    }
    deltas = {name: found[key].delta for name, key in wanted.items()}
    assert None not in deltas.values(), found
    by_hand = {"by_hand": policy.by_hand(context), "published_low": low, "published_high": high}
    return {name: float(value) for name, value in deltas.items() if value is not None} | by_hand


TITLES = (
    "change",
    "effect, $bn",
    "by hand",
    "effect / by hand",
    "published",
    "net cost, $bn",
    "poverty, points",
    "Gini, points",
    "CPU s",
)


def cells(row: Mapping[str, float]) -> list[str]:
    low, high = row["published_low"] / 1e9, row["published_high"] / 1e9
    return [
        f"{row['effect'] / 1e9:.2f}",
        f"{row['by_hand'] / 1e9:.2f}",
        f"{row['effect'] / row['by_hand']:.3f}",
        f"{low:.0f}" if low == high else f"{low:.0f}-{high:.0f}",
        f"{row['cost'] / 1e9:.2f}",
        f"{100 * row['poverty_rate']:.3f}",
        f"{100 * row['gini']:.3f}",
    ]


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("file", type=Path, help="an area's file of 2024")
    options.add_argument("--households", type=int, help="at most so many (default: all)")
    options.add_argument(
        "--without-sharing", action="store_true", help="also time a reform that takes over nothing"
    )
    logging.basicConfig(level=logging.INFO)
    main(options.parse_args())
