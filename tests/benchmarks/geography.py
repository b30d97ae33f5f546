"""Drawing a place for every clone, against drawing clone by clone.

    python tests/benchmarks/geography.py [--json]

Compared, each in processes of its own, with the project's tables of districts and counties:

- `ours`: `localcal.geography.draw.assign_geography` for all households and clones.
- `reference`: a plain loop, for a few households and clones only. Clone after clone, every
  household draws a place by its probability; those whose district equals that of one of their
  earlier clones, held against each of these in turn as text, draw again, up to 50 times.

The reference's time grows with the square of the number of clones, so per column it is too
favourable to the reference where it is given fewer clones than ours. What it would take at our
size is an EXTRAPOLATION: its seconds times the ratio of households times that of clones squared
(only the first where both have the same number of clones).

Figures (`--json`):

- `columns`, `reference_columns`: households x clones of each;
- `{way}_cpu_seconds`, `{way}_wall_seconds`: median over the repeats, with `_min` and `_max`;
- `{way}_peak_rss_over_start_mb`, `{way}_peak_private_over_start_mb`: see `common.Cost`;
- `{way}_cpu_microseconds_per_column`; `ratio_per_column`: ours / reference;
- `reference_cpu_seconds_extrapolated`: at our size; `ratio_extrapolated`: ours / that;
- `{way}_repeated_districts`: columns whose district their household already has.
"""

import numpy as np
import pandas as pd
from common import COST_TITLES, REPOSITORY, measure, parser, report

from localcal.geography.draw import assign_geography
from localcal.geography.places import AreaIncome, read_district_population, read_places

TABLES = REPOSITORY / "config/geography"
PLACES = TABLES / "county_district.csv"
POPULATION = TABLES / "district_population.csv"
TRIES = 50


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--households", type=int, default=12_000, help="ours (default: 12000)")
    options.add_argument("--clones", type=int, default=430, help="ours (default: 430)")
    options.add_argument(
        "--reference-households", type=int, default=200, help="of the reference (default: 200)"
    )
    options.add_argument(
        "--reference-clones", type=int, default=430, help="of the reference (default: 430)"
    )
    options.add_argument("--repeats", type=int, default=3, help="timed runs (default: 3)")
    given = options.parse_args()
    sizes = {
        "ours": (given.households, given.clones),
        "reference": (given.reference_households, given.reference_clones),
    }
    costs = {
        way: measure(work, *sizes[way], given.seed, repeats=given.repeats)
        for way, work in (("ours", ours), ("reference", reference))
    }
    columns = {way: households * clones for way, (households, clones) in sizes.items()}
    figures = {"columns": columns["ours"], "reference_columns": columns["reference"]}
    for way, cost in costs.items():
        figures |= cost.figures(way)
        seconds = figures[f"{way}_cpu_seconds"]
        figures[f"{way}_cpu_microseconds_per_column"] = seconds / columns[way] * 1e6
    growth = given.households / given.reference_households
    growth *= (given.clones / given.reference_clones) ** 2
    extrapolated = figures["reference_cpu_seconds"] * growth
    figures |= {
        "ratio_per_column": figures["ours_cpu_microseconds_per_column"]
        / figures["reference_cpu_microseconds_per_column"],
        "reference_cpu_seconds_extrapolated": extrapolated,
        "ratio_extrapolated": figures["ours_cpu_seconds"] / extrapolated,
        "ours_repeated_districts": costs["ours"].result,
        "reference_repeated_districts": costs["reference"].result,
    }
    rows = [
        [
            way,
            *sizes[way],
            *cost.cells(),
            f"{figures[f'{way}_cpu_microseconds_per_column']:.2f}",
            cost.result,
        ]
        for way, cost in costs.items()
    ]
    notes = [
        f"per column, ours / reference: {figures['ratio_per_column']:.4f}",
        f"the reference at our size, extrapolated: {extrapolated:.3g} CPU s; "
        f"ours / that: {figures['ratio_extrapolated']:.4f}",
    ]
    titles = ["way", "households", "clones", *COST_TITLES, "CPU us/column", "repeated"]
    report(given.json, figures, titles, rows, notes)


def random_households(n_households: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "household_weight": random.uniform(500, 20_000, n_households),
            "adjusted_gross_income": random.lognormal(10.8, 1, n_households),
        }
    )


def ours(n_households: int, n_clones: int, seed: int) -> int:
    """Assign places and return how many districts are repeated within a household."""
    district, _ = read_district_population(POPULATION)
    geography = assign_geography(
        households=random_households(n_households, seed),
        places=PLACES,
        district_population=POPULATION,
        n_clones=n_clones,
        income_percentile=90,
        income=AreaIncome(
            {}, {int(code): 1e11 + 1e9 * code for code in np.unique(district // 100)}
        ),
        state_exponent=-0.3,
        seed=seed,
    )
    # One household after the other, so that this check does not raise the peak of memory.
    by_household = np.split(geography.district.reshape(n_households, n_clones), n_households)
    return sum(n_clones - len(np.unique(one)) for one in by_household)


def reference(n_households: int, n_clones: int, seed: int) -> int:
    """Assign places clone by clone and return how many districts are repeated."""
    places = read_places(PLACES)
    codes, population = read_district_population(POPULATION)
    position = np.searchsorted(codes, places.district)
    chance = places.share / np.bincount(position, weights=places.share)[position]
    chance *= population[position]
    chance /= chance.sum()
    # Text, as geographic codes usually are in tables.
    district_of = places.district.astype(str).astype(object)
    random = np.random.default_rng(seed)
    drawn = np.empty((n_clones, n_households), dtype=np.int64)
    district = np.empty((n_clones, n_households), dtype=object)
    repeats = 0
    for clone in range(n_clones):
        drawn[clone] = random.choice(len(chance), n_households, p=chance)
        district[clone] = district_of[drawn[clone]]
        for _ in range(TRIES):
            again = _repeated(district, clone)
            if not again.any():
                break
            drawn[clone, again] = random.choice(len(chance), again.sum(), p=chance)
            district[clone] = district_of[drawn[clone]]
        repeats += int(_repeated(district, clone).sum())
    return repeats


def _repeated(district: np.ndarray, clone: int) -> np.ndarray:
    repeated = np.zeros(district.shape[1], dtype=bool)
    for earlier in range(clone):
        repeated |= district[earlier] == district[clone]
    return repeated


if __name__ == "__main__":
    main()
