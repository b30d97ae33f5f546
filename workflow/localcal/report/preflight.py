"""What can be said of a run's targets before anything is computed.

A wrong unit or a contradiction costs a run of hours if it is found at its end. Nothing here stops a
run: what cannot be meant is refused where targets are resolved.
"""

import html
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from localcal.database.constraints import Constraint, holds
from localcal.database.levels import FAMILY, compare_levels
from localcal.database.own import COMPARED, read_tables
from localcal.files.atomic import atomic_path
from localcal.geography.geography import Geography, read_geography
from localcal.population.dataset import entity_of_column, read_population
from localcal.population.population import PERSON, Population
from localcal.report.parts import PAGE, table_of
from localcal.targets.left_out import left_out
from localcal.targets.table import Rule, read_targets
from localcal.validation.compare import ceiling_of

FINDINGS = ["finding", "geo_level", "geographic_id", "name", "value", "what"]

# Districts have about as many people, so what is so much larger or smaller in one of them than in
# the middle one has the wrong unit, or is something rare.
FAR = 20.0


@dataclass(frozen=True)
class PreflightInputs:
    """The files that are looked at."""

    database: Path
    tables: Path
    targets: Path
    population: Path
    geography: Path


def write_preflight(
    inputs: PreflightInputs,
    period: int,
    include: Sequence[Rule],
    exclude: Sequence[Rule],
    findings_path: Path,
    page_path: Path,
) -> None:
    """Write a page and the table of what was found.

    Args:
        inputs: what is looked at.
        period: the year of the run.
        include, exclude: the rules that chose the targets.
        findings_path: one row per finding, columns FINDINGS.
        page_path: the page, renamed last.

    Raises:
        InputError: a file is damaged.
    """
    targets = read_targets(inputs.targets)
    population, places = read_population(inputs.population), read_geography(inputs.geography)
    levels = compare_levels(targets)
    found = [
        *unreachable(targets, population, places),
        *suspicious(targets),
        *disagreeing(levels),
    ]
    findings = pd.DataFrame(found, columns=FINDINGS)
    left = left_out(inputs.database, period, include, exclude)
    own = read_tables(inputs.tables, 0, 0)
    own = own[~own[COMPARED]]
    with atomic_path(findings_path) as part:
        findings.to_csv(part, index=False)
    with atomic_path(page_path) as part:
        part.write_text(_page(targets, findings, levels, left, own), encoding="utf-8")


def unreachable(
    targets: pd.DataFrame, population: Population, places: Geography
) -> Iterator[tuple]:
    """Yield the targets that no column can add to: nobody lives there, or is who counts.

    Of conditions, those on what the households store are looked at; what the model calculates is
    only known later.
    """
    # Columns are looked at once: there are millions, and few households and districts.
    district, of_column = np.unique(places.district, return_inverse=True)
    lives = np.zeros((population.count("household"), district.size), dtype=bool)
    lives[places.household, of_column] = True

    def areas(households: np.ndarray) -> set[str]:
        here = district[lives[households].any(axis=0)]
        return {"US" for _ in here[:1]} | set(map(str, here)) | set(map(str, here // 100))

    reached = {
        text: areas(_satisfying(population, json.loads(text)))
        for text in set(targets["constraints"])
    }
    present = areas(np.ones(len(lives), dtype=bool))
    for row in _rows(targets):
        if row.geographic_id in reached[row.constraints]:
            continue
        nobody = row.geographic_id not in present
        what = "no column lies there" if nobody else "nobody there is who counts"
        yield "unreachable", row.geo_level, row.geographic_id, row.name, row.value, what


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    # A data frame does not know its columns' types.
    return iter(table.itertuples())


def _satisfying(population: Population, constraints: Sequence[Sequence[str]]) -> np.ndarray:
    """Say of each household whether somebody may satisfy all constraints, (households,) bool."""
    persons = np.ones(population.count(PERSON), dtype=bool)
    for constraint in (Constraint(*item) for item in constraints):
        if constraint.variable not in population.values:
            continue
        satisfied = holds(constraint, population.values[constraint.variable])
        entity = entity_of_column(population, constraint.variable)
        persons &= population.of_members(entity, satisfied)
    return population.with_any("household", persons)


def suspicious(targets: pd.DataFrame) -> Iterator[tuple]:
    """Yield the targets whose value can hardly be meant."""
    middle = targets["value"].abs().groupby([targets[key] for key in ["geo_level", *FAMILY]])
    ratio = targets["value"].abs() / middle.transform("median")
    for row, times in zip(_rows(targets), ratio, strict=True):
        ceiling = ceiling_of(row.geo_level, row.variable)
        if row.value == 0:
            what = "is zero"
        elif row.value < 0 and str(row.variable).endswith("_count"):
            what = "is a negative number of units"
        elif abs(row.value) > ceiling:
            what = f"is more than the {ceiling:,.0f} that there can be"
        elif row.geo_level == "district" and not 1 / FAR < times < FAR:
            what = f"is {times:.3g} times the middle district's"
        else:
            continue
        yield "suspicious", row.geo_level, row.geographic_id, row.name, row.value, what


def disagreeing(levels: pd.DataFrame) -> Iterator[tuple]:
    """Yield the levels that differ from the sums of their parts by more than rounding."""
    for row in _rows(levels[levels["grade"] != "ok"]):
        conditions = ",".join("".join(item) for item in json.loads(row.constraints))
        name = f"{row.variable}[{conditions}]" if conditions else row.variable
        what = f"{row.grade}: its {row.lower}s sum to {row.parts:.6g} ({row.difference:+.1%})"
        yield "levels disagree", row.upper, row.area, name, row.value, what


def _page(
    targets: pd.DataFrame,
    findings: pd.DataFrame,
    levels: pd.DataFrame,
    left: pd.DataFrame,
    own: pd.DataFrame,
) -> str:
    counted = targets.groupby(["geo_level", "source"], sort=False).agg(
        targets=("value", "size"), variables=("variable", "nunique"), years=("period", _years)
    )
    counts = findings["finding"].value_counts()
    told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items()) or "nothing found"
    uprated = targets[targets["uprating_factor"] != 1.0]
    grades = levels.groupby(["upper", "lower", "grade"]).size().rename("comparisons").reset_index()
    parts = [
        f"<p>{len(targets):,} targets. Before anything is computed: {html.escape(told)}.</p>",
        "<h2>Where they come from</h2>",
        table_of(counted.reset_index()),
        f"<p>{len(own):,} of them from tables of your own.</p>" if len(own) else "",
        "<h2>Findings</h2>",
        *(_of_kind(kind, findings) for kind in counts.index),
        "<h2>Levels</h2>",
        "<p>Each family's nation and states against the sums of what they consist of: below "
        "1 % ok, below 5 % flag, below 15 % significant, else critical.</p>",
        table_of(grades),
        "<h2>Brought to the run's year</h2>",
        table_of(_factors(uprated)),
        "<h2>Left out</h2>",
        table_of(left),
    ]
    return PAGE.format(title="Before the run", body="\n".join(parts))


# A page is read by people; the rest is in the table beside it.
_SHOWN = 40


def _of_kind(kind: str, findings: pd.DataFrame) -> str:
    table = findings[findings["finding"] == kind].drop(columns="finding")
    more = f"<p>The first {_SHOWN} of {len(table):,}.</p>" if len(table) > _SHOWN else ""
    return f"<h3>{html.escape(kind.capitalize())}</h3>{more}{table_of(table.head(_SHOWN))}"


def _years(period: pd.Series) -> str:
    return ", ".join(map(str, sorted(set(period))))


def _factors(uprated: pd.DataFrame) -> pd.DataFrame:
    series = np.where(uprated["variable"].str.endswith("_count"), "population", "prices")
    grouped = uprated.assign(series=series).groupby(["series", "period"])
    return grouped.agg(targets=("value", "size"), factor=("uprating_factor", "first")).reset_index()
