"""Made-up calibration problems of production's shape, deterministic by seed.

`independent`: every record is a household of its own; targets are totals under tilted weights,
with noise, and one in a hundred is wrong by a factor of about e^0.5.

`clones`: the same few households all over the country, with the levels of the targets
contradicting each other, as published ones do.

Rows are written one variable after the other, so that memory is a few arrays of one number per
column, whatever the matrix.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from common import REPOSITORY

NATION, STATE, DISTRICT = LEVELS = ("nation", "state", "district")
US_HOUSEHOLDS = 131e6

# Share of people in each five-year band of age, about as in the United States.
AGE_SHARE = np.array(
    [55, 59, 63, 65, 66, 66, 69, 67, 66, 60, 62, 62, 64, 56, 46, 33, 20, 21], dtype=np.float64
)
AGE_SHARE /= AGE_SHARE.sum()
AGE_GROUPS = {"0-19": range(4), "20-34": range(4, 7), "35-64": range(7, 13), "65+": range(13, 18)}

# Share of households with each kind of income.
ITEMS = (0.8, 0.4, 0.3, 0.25, 0.2, 0.15, 0.12, *(0.1,) * 2, *(0.08,) * 2, *(0.05,) * 6)

# Relative standard deviation of the targets' noise.
NOISE = {NATION: 0.005, STATE: 0.01, DISTRICT: 0.03}
WRONG_SHARE, WRONG_BY = 0.01, 0.5

# Quantiles of income between the nine brackets of the clones' households.
BRACKETS = (0.08, 0.2, 0.4, 0.55, 0.67, 0.85, 0.95, 0.985)
# What the levels of a variable are published too low or too high by.
CONTRADICTIONS = {
    ("snap_households", DISTRICT): 0.7,
    ("agi", STATE): 0.96,
    ("bracket_count", DISTRICT): 1.015,
}
PUBLISHED_NOISE = 0.01
TRUTH_WITHIN = np.log(5.0)


@dataclass(frozen=True)
class Csr:
    """What `fit_weights` reads of a matrix; the arrays are memory maps."""

    shape: tuple[int, int]
    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray


@dataclass(frozen=True)
class _Random:
    """A generator of its own for each purpose, so that a draw can be repeated."""

    seed: int

    def __call__(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose])


class _Rows:
    """Writes the rows of one variable after the other into a folder."""

    def __init__(self, folder: Path, district: np.ndarray, truth: np.ndarray) -> None:
        self.folder, self.truth, self.n_columns = folder, truth, len(truth)
        # For each level: the columns area by area, and the area of every column.
        state = district // 100
        self.parts = {
            NATION: (np.arange(self.n_columns, dtype=np.int32), np.zeros_like(district), ["US"]),
            STATE: _by_area(state),
            DISTRICT: _by_area(district),
        }
        self.data = (folder / "data.bin").open("wb")
        self.indices = (folder / "indices.bin").open("wb")
        self.labels: list[tuple] = []
        self.lengths: list[np.ndarray] = []
        self.totals: list[np.ndarray] = []

    def add(self, variable: str, domain: str, values: np.ndarray, *levels: str) -> None:
        """Write a row for every area of `levels`; `values` is float32 or integer (J,)."""
        for level in levels:
            columns, area, names = self.parts[level]
            entry = values[columns]
            place = np.flatnonzero(entry)
            entry, chosen, area = entry[place].astype("<f4"), columns[place], area[place]
            entry.tofile(self.data)
            chosen.astype("<i4").tofile(self.indices)
            self.lengths.append(np.bincount(area, minlength=len(names)))
            self.totals.append(np.bincount(area, entry * self.truth[chosen], len(names)))
            self.labels += [(level, name, variable, domain) for name in names]

    def finish(self, value: Callable[[pd.DataFrame, np.ndarray], np.ndarray], **columns) -> None:
        """Write the rest: targets with the values of `value(targets, totals)`, and columns."""
        self.data.close()
        self.indices.close()
        indptr = np.concatenate([[0], np.cumsum(np.concatenate(self.lengths))])
        np.save(self.folder / "indptr.npy", indptr)
        names = ["geo_level", "geographic_id", "variable", "domain_variable"]
        targets = pd.DataFrame(self.labels, columns=names)
        targets["constraints"], targets["reform_id"] = targets["domain_variable"], 0
        targets["target_id"] = np.arange(len(targets))
        targets["name"] = [" ".join(label) for label in self.labels]
        targets["value"] = value(targets, np.concatenate(self.totals))
        targets["tolerance"] = np.nan
        targets.to_parquet(self.folder / "targets.parquet")
        np.savez(self.folder / "columns.npz", **columns)


def _by_area(area: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    names, number = np.unique(area, return_inverse=True)
    order = np.argsort(number, kind="stable").astype(np.int32)
    return order, number.astype(np.int32)[order], [str(name) for name in names]


def read_problem(folder: Path) -> dict[str, object]:
    """Return the arguments of `fit_weights` but settings and seed."""
    columns = dict(np.load(folder / "columns.npz"))
    indptr = np.load(folder / "indptr.npy")
    return {
        "matrix": Csr(
            shape=(len(indptr) - 1, len(columns["district"])),
            indptr=indptr,
            indices=np.memmap(folder / "indices.bin", dtype="<i4", mode="r"),
            data=np.memmap(folder / "data.bin", dtype="<f4", mode="r"),
        ),
        "targets": pd.read_parquet(folder / "targets.parquet"),
        "state": columns["district"] // 100,
        **columns,
    }


def independent(folder: Path, n_columns: int, is_large: bool, seed: int) -> None:
    """Write a problem of 3,727 targets and 18 entries a column, or of 12,725 and 24."""
    random = _Random(seed)
    table = pd.read_csv(REPOSITORY / "config/geography/district_population.csv")
    share = (table["population"] / table["population"].sum()).to_numpy()
    place = random(0).choice(len(share), n_columns, p=share)
    district = table["district"].to_numpy(np.int32)[place]
    income = random(1).standard_normal(n_columns, dtype=np.float32)
    design = random(2).uniform(0.6, 1.4, n_columns) * (US_HOUSEHOLDS / n_columns)
    tilt, slope = random(3).normal(0.0, [[0.15], [0.15]], (2, len(share)))
    noise = random(4).standard_normal(n_columns, dtype=np.float32)
    truth = design * np.exp(tilt[place] + slope[place] * income + 0.25 * noise)
    rows = _Rows(folder, district, truth)
    _add_people(rows, random, [NATION, DISTRICT] if is_large else [NATION], not is_large)
    most = [NATION, DISTRICT] + [STATE] * is_large
    rows.add("household_count", "", np.ones(n_columns, dtype=np.int8), *most)
    gain = np.exp(0.8 * income)
    rows.add("agi", "", np.where(random(5).random(n_columns) < 0.97, gain, 0.0), *LEVELS)
    poor = random(6).random(n_columns, dtype=np.float32) * gain < 0.09
    rows.add("household_count", "snap", poor, *LEVELS)
    snap = np.where(poor, random(7).uniform(0.2, 1.0, n_columns), 0.0)
    rows.add("snap", "snap", snap, NATION, STATE)
    for number, chance in enumerate(ITEMS if is_large else ITEMS[:6]):
        levels = [NATION]
        if is_large and number < 5:
            levels.append(DISTRICT if number < 3 else STATE)
        has = random(8, number).random(n_columns, dtype=np.float32) < chance
        size = random(9, number).standard_normal(n_columns, dtype=np.float32)
        rows.add("household_count", f"item {number}", has, *levels)
        rows.add(f"item {number}", "", np.where(has, gain * np.exp(0.6 * size), 0.0), *levels)

    def value(targets: pd.DataFrame, totals: np.ndarray) -> np.ndarray:
        draw = random(10)
        noise = targets["geo_level"].map(NOISE).to_numpy() * draw.standard_normal(len(targets))
        wrong = draw.random(len(targets)) < WRONG_SHARE
        sign = np.where(draw.random(len(targets)) < 0.5, -1.0, 1.0)
        return totals * np.exp(noise + np.where(wrong, sign * WRONG_BY, 0.0))

    household = np.arange(n_columns, dtype=np.int32)
    rows.finish(value, design_weight=design, household=household, district=district)


def _add_people(rows: _Rows, random: _Random, levels: list[str], with_groups: bool) -> None:
    """Write rows of people by age, and of all people for every level."""
    size = 2.0 + 2.0 * random(20).random(rows.n_columns, dtype=np.float32)
    people = np.zeros(rows.n_columns, dtype=np.int8)
    for name, bands in AGE_GROUPS.items():
        group = np.zeros(rows.n_columns, dtype=np.int8)
        for band in bands:
            draw = random(21, band).random(rows.n_columns, dtype=np.float32)
            chance = np.float32(AGE_SHARE[band]) * size
            count = (draw < chance).astype(np.int8) + (draw < chance * chance / 2)
            rows.add("person_count", f"age band {band}", count, *levels)
            group += count
        if with_groups:
            rows.add("person_count", f"age {name}", group, DISTRICT)
        elif name == "0-19":
            rows.add("person_count", f"age {name}", group, NATION)
        people += group
    rows.add("person_count", "", people, *LEVELS)


def clones(folder: Path, n_households: int, n_clones: int, seed: int) -> None:
    """Write a problem of 17,461 targets: 77 national, 816 of states, 16,568 of districts."""
    random = _Random(seed)
    table = pd.read_csv(REPOSITORY / "config/geography/district_population.csv")
    share = (table["population"] / table["population"].sum()).to_numpy()
    n_columns = n_households * n_clones
    household = np.repeat(np.arange(n_households, dtype=np.int32), n_clones)
    place = random(0).choice(len(share), n_columns, p=share)
    district = table["district"].to_numpy(np.int32)[place]

    # High incomes are sampled more often than they are, as where tax records were added.
    income = np.sort(random(1).standard_normal(n_households * 20))
    chance = np.where(np.arange(income.size) > 0.95 * income.size, 4.0, 1.0)
    chosen = random(2).choice(income.size, n_households, replace=False, p=chance / chance.sum())
    income, weight = income[chosen], 1.0 / chance[chosen]
    design = (weight * (US_HOUSEHOLDS / weight.sum() / n_clones))[household]

    ages = random(3).poisson(AGE_SHARE * 2.5, (n_households, len(AGE_SHARE))).astype(np.int8)
    ages[np.arange(n_households), random(4).integers(4, 18, n_households)] += 1
    young, old = ages[:, :4].sum(1), ages[:, 13:].sum(1)
    grown = ages[:, 7:13].sum(1)
    traits = np.stack(
        [np.clip(income, -1.5, 1.5), *(count - count.mean() for count in (young, grown, old))]
    )
    poor = income < -0.6
    take_up = random(5).random(n_columns, dtype=np.float32) < 0.7
    snap = poor[household] & take_up
    # Districts differ in how rich, young and old they are, and in who takes benefits up.
    slopes = np.array([[0.6], [0.35], [0.35], [0.6]]) * random(6).uniform(-1, 1, (4, len(share)))
    tilt = 0.8 * random(7).uniform(-1, 1, len(share))[place] * snap
    tilt += 0.1 * random(8).standard_normal(n_columns)
    for slope, trait in zip(slopes, traits, strict=True):
        tilt += slope[place] * trait[household]
    # Well inside the bounds of the fit, so that every target can be met.
    truth = design * np.exp(np.clip(tilt, -TRUTH_WITHIN, TRUTH_WITHIN))
    truth *= (US_HOUSEHOLDS * share / np.bincount(place, truth))[place]
    rows = _Rows(folder, district, truth)

    def spread(values: np.ndarray) -> np.ndarray:
        return values[household]

    for band, count in enumerate(ages.T):
        rows.add("person_count", f"age band {band}", spread(count), NATION, DISTRICT)
    rows.add("person_count", "", spread(ages.sum(1).astype(np.int8)), STATE)
    rows.add("household_count", "", np.ones(n_columns, dtype=np.int8), *LEVELS)
    rows.add("snap_households", "", snap, *LEVELS)
    benefit = np.where(snap, spread(random(9).uniform(0.5, 1.5, n_households)), 0.0)
    rows.add("snap", "", benefit, NATION, STATE)
    agi = np.exp(0.9 * income)
    rows.add("agi", "", spread(agi), NATION, STATE)
    rows.add("returns", "", spread(1 + (random(10).random(n_households) < 0.2)), NATION)
    eitc = (income < 0.0) & (random(11).random(n_households) < 0.4)
    rows.add("household_count", "eitc", spread(eitc), NATION, STATE)
    rows.add("eitc", "", spread(eitc * random(12).uniform(0.2, 2.0, n_households)), NATION, STATE)
    edges = random(1).standard_normal(n_households * 20)
    bracket = np.searchsorted(np.quantile(edges, BRACKETS), income)
    for number in range(len(BRACKETS) + 1):
        inside = bracket == number
        rows.add("bracket_count", f"bracket {number}", spread(inside), *LEVELS)
        rows.add("bracket_amount", f"bracket {number}", spread(inside * agi), NATION, DISTRICT)
    for number, chance in enumerate(ITEMS):
        has = random(13, number).random(n_households) < chance
        amount = agi * np.exp(0.6 * random(14, number).standard_normal(n_households))
        rows.add("household_count", f"item {number}", spread(has), NATION)
        rows.add(f"item {number}", "", spread(has * amount), NATION)

    def value(targets: pd.DataFrame, totals: np.ndarray) -> np.ndarray:
        keys = zip(targets["variable"], targets["geo_level"], strict=True)
        factor = np.array([CONTRADICTIONS.get(key, 1.0) for key in keys])
        noise = PUBLISHED_NOISE * random(15).standard_normal(len(targets))
        return totals * factor * np.exp(noise)

    rows.finish(value, design_weight=design, household=household, district=district)
