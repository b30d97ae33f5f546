"""Make the targets of nation, states and districts agree before anything is fitted.

Published levels contradict each other (another year, another survey), and no weighting of the
targets repairs that. Within one family, i.e. the same variable, reform and constraints, the
upper level is believed: states are scaled to sum to the nation, then the districts of a state
to sum to that state. A level is only scaled where it covers all parts of its parent.

Where one value alone explains why a level disagrees (`localcal.weights.culprits`), it is named and
left out, and the others stay as they were published.

Some targets may stand aside: they neither scale others nor are scaled. Held-out ones, or what they
say would leak into the fit, and what the fit knows into their error; and implausible ones.
"""

import logging
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from localcal.database.levels import FAMILY
from localcal.weights.counts import published_counts
from localcal.weights.culprits import CONTRADICTION, Culprit, Evidence, find_culprit

logger = logging.getLogger(__name__)
NATION = "US"
STATES_TO_NATION = "states to nation"
DISTRICTS_TO_STATES = "districts to states"
DISTRICTS_TO_NATION = "districts to nation"


@dataclass(frozen=True)
class Harmonized:
    """Values that agree across levels, and what was done to them; m targets."""

    published: np.ndarray
    """float64 (m,), in the target's unit."""
    values: np.ndarray
    """float64 (m,), in the target's unit."""
    factors: np.ndarray
    """float64 (m,): value / published value; 1 where nothing was done."""
    families: list[dict]
    """One JSON-ready row per family and step."""
    contradictions: list[str]
    """One line per family and step whose levels differ by more than 2 %."""
    suspect: np.ndarray
    """bool (m,): explains alone why its level disagrees, and must not be fitted."""
    suspects: list[dict]
    """One JSON-ready row per value that explains a disagreement, also where nothing is applied."""


@dataclass(frozen=True)
class _Level:
    """An area and what it consists of, in one family; rows are numbers in the targets."""

    area: str
    parent: np.ndarray
    parts: dict[int, np.ndarray]
    whole: set[int]
    rows: tuple[np.ndarray, np.ndarray]
    """All rows of the parent's and of the parts' level."""


@dataclass
class _Step:
    """What one step did within one family."""

    name: str
    levels: list[_Level]
    factors: dict[str, float] = field(default_factory=dict)
    parts: int = 0
    left_alone: dict[str, str] = field(default_factory=dict)
    culprits: dict[str, Culprit] = field(default_factory=dict)


def harmonize(
    targets: pd.DataFrame,
    levels: tuple[str, ...],
    states: np.ndarray,
    districts: np.ndarray,
    aside: np.ndarray | None = None,
    switched_off: np.ndarray | None = None,
    evidence: Evidence | None = None,
) -> Harmonized:
    """Scale each family's lower levels to its upper ones.

    Args:
        targets: columns of targets.parquet; m rows.
        levels: levels that take part; rows of others keep their value.
        states: the states (FIPS) that have columns, i.e. all parts of the nation.
        districts: the districts (state * 100 + district) that have columns.
        aside: bool (m,), rows that take no part; none by default.
        switched_off: bool (m,), a family with such a row is looked at, but its values stay; none
            by default.
        evidence: what the base weights say of every row; without it no value is named.
    """
    all_states = {int(area) for area in np.unique(states)}
    all_districts = {int(area) for area in np.unique(districts)}
    factors = np.ones(len(targets))
    published = targets["value"].to_numpy(np.float64)
    rows = targets.reset_index(drop=True)
    takes_part = rows["geo_level"].isin(levels).to_numpy()
    takes_part = takes_part if aside is None else takes_part & ~aside
    if evidence is not None:
        counts = published_counts(rows, takes_part, all_states, all_districts)
    rows = rows[takes_part]
    families, contradictions, suspects = [], [], []
    suspect = np.zeros(len(targets), dtype=bool)
    for key, family in rows.groupby(FAMILY, sort=True, dropna=False):
        is_applied = switched_off is None or not switched_off[family.index].any()
        filled = factors if is_applied else np.ones(len(targets))
        known = evidence and replace(evidence, counts=counts.beside(key))
        values = _Values(published, filled, known)
        for step in _scale_family(family, values, all_states, all_districts):
            row = _describe(key, step) | {"applied": is_applied}
            families.append(row)
            if row["contradiction"]:
                contradictions.append(_contradiction_line(row))
            for parent, culprit in step.culprits.items():
                about = {key: row[key] for key in (*FAMILY, "step", "applied")} | {"of": parent}
                suspects.append(about | _describe_culprit(culprit, targets, published))
                suspect[culprit.row] |= is_applied
    for line in contradictions:
        logger.info("contradicting levels: %s", line)
    return Harmonized(
        published, published * factors, factors, families, contradictions, suspect, suspects
    )


@dataclass(frozen=True)
class _Values:
    """The values of all targets; arrays of (m,)."""

    published: np.ndarray
    factors: np.ndarray
    """Filled in."""
    evidence: Evidence | None


def _scale_family(
    family: pd.DataFrame, values: _Values, states: set[int], districts: set[int]
) -> list[_Step]:
    """Fill the factors of one family's rows, nation first; return the steps that applied."""
    nation = family.index[family["geo_level"] == "nation"].to_numpy()
    state = _by_area(family, "state")
    district = _by_area(family, "district")
    steps = []
    if len(nation) and state:
        levels = nation, _rows_of(state)
        steps.append(_Step(STATES_TO_NATION, [_Level(NATION, nation, state, states, levels)]))
    if state and district:
        levels = _rows_of(state), _rows_of(district)
        of_states = []
        for area, parent in state.items():
            parts = {part: row for part, row in district.items() if part // 100 == area}
            whole = {part for part in districts if part // 100 == area}
            of_states.append(_Level(str(area), parent, parts, whole, levels))
        steps.append(_Step(DISTRICTS_TO_STATES, of_states))
    elif len(nation) and district:
        levels = nation, _rows_of(district)
        steps.append(
            _Step(DISTRICTS_TO_NATION, [_Level(NATION, nation, district, districts, levels)])
        )
    # What is wrong is found from below, and nothing is scaled before all of it is: a state that
    # its districts know to be wrong must not move the others.
    wrong: set[int] = set()
    for step in reversed(steps):
        for level in step.levels:
            wrong |= _find_culprit(step, level, values, wrong)
    for step in steps:
        for level in step.levels:
            _scale(step, level, values, wrong)
    return steps


def _rows_of(areas: dict[int, np.ndarray]) -> np.ndarray:
    return np.concatenate(list(areas.values()))


def _by_area(family: pd.DataFrame, level: str) -> dict[int, np.ndarray]:
    """Return the row numbers of each area of one level."""
    rows = family.index[family["geo_level"] == level].to_numpy()
    areas = family.loc[rows, "geographic_id"].astype(int).to_numpy()
    rows = rows[np.argsort(areas, kind="stable")]
    names, starts = np.unique(np.sort(areas), return_index=True)
    return dict(zip(names.tolist(), np.split(rows, starts[1:]), strict=False))


def _find_culprit(step: _Step, level: _Level, values: _Values, wrong: set[int]) -> set[int]:
    """Return the row of the one value that explains a disagreement, if there is one, and note it.

    Where a value is known to be wrong already, none is looked for.
    """
    if values.evidence is None or _obstacle(level, values.published):
        return set()
    rows, parent = _rows_of(level.parts), int(level.parent[0])
    if wrong.intersection([parent, *rows.tolist()]):
        return set()
    culprit = find_culprit(parent, rows, level.rows, values.published, values.evidence)
    if culprit is None:
        return set()
    step.culprits[level.area] = culprit
    return {culprit.row}


def _scale(step: _Step, level: _Level, values: _Values, wrong: set[int]) -> None:
    """Scale the rows of the parts to sum to their parent, or note why that is not done."""
    published, factors = values.published, values.factors
    reason = _obstacle(level, published)
    if reason:
        step.left_alone[level.area] = reason
        return
    rows, parent = _rows_of(level.parts), int(level.parent[0])
    suspects = wrong.intersection([parent, *rows.tolist()])
    if suspects:
        step.left_alone[level.area] = "a value of it is left out, see suspects"
        # But for that one the levels agree: the others go where their parent went.
        factors[rows] = factors[parent]
        return
    factor = float(published[parent] * factors[parent] / np.sum(published[rows]))
    factors[rows] = factor
    step.factors[level.area] = factor
    step.parts += len(rows)


def _obstacle(level: _Level, published: np.ndarray) -> str | None:
    parent, parts, whole = level.parent, level.parts, level.whole
    missing = sorted(whole - set(parts))
    if missing:
        return f"{len(missing)} of {len(whole)} parts have no usable target, first {missing[0]}"
    if not parts:
        return "no part of it has columns or targets"
    if len(parent) > 1 or any(len(rows) > 1 for rows in parts.values()):
        return "an area has two targets of this family"
    values = published[np.concatenate(list(parts.values()))]
    if published[parent[0]] <= 0 or not np.sum(values) > 0:
        return "the parent or the sum of its parts is not above zero"
    if (values < 0).any():
        return "a part is negative"
    return None


def _describe(key: tuple, step: _Step) -> dict:
    factors = np.array(list(step.factors.values()))
    variable, reform_id, constraints = key
    return {
        "variable": str(variable),
        "reform_id": int(reform_id),
        "constraints": str(constraints),
        "step": step.name,
        "parents": len(factors),
        "parts": step.parts,
        "factor_min": float(factors.min()) if len(factors) else None,
        "factor_median": float(np.median(factors)) if len(factors) else None,
        "factor_max": float(factors.max()) if len(factors) else None,
        "contradiction": bool(len(factors) and np.abs(factors - 1.0).max() > CONTRADICTION),
        "left_alone": step.left_alone,
    }


def _contradiction_line(row: dict) -> str:
    reform = f" reform {row['reform_id']}" if row["reform_id"] else ""
    return (
        f"{row['variable']}{reform} {row['constraints']}: {row['step']} by factors "
        f"{row['factor_min']:.3f} to {row['factor_max']:.3f}"
    )


def _describe_culprit(culprit: Culprit, targets: pd.DataFrame, published: np.ndarray) -> dict:
    row = targets.iloc[culprit.row]
    return {
        "geo_level": str(row["geo_level"]),
        "geographic_id": str(row["geographic_id"]),
        "value": float(published[culprit.row]),
        "implied_value": culprit.implied,
        "expected_value": culprit.expected,
        "score": culprit.score,
        "compared_by": list(culprit.witnesses),
    }
