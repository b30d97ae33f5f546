"""Make the targets of nation, states and districts agree before anything is fitted.

Published levels contradict each other (another year, another survey), and no weighting of the
targets repairs that. Within one family, i.e. the same variable, reform and constraints, the
upper level is believed: states are scaled to sum to the nation, then the districts of a state
to sum to that state. A level is only scaled where it covers all parts of its parent.

Some targets may stand aside: they neither scale others nor are scaled. Held-out ones, or what they
say would leak into the fit, and what the fit knows into their error; and implausible ones.
"""

import logging
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from localcal.database.levels import FAMILY

logger = logging.getLogger(__name__)

# Above this, levels do not merely differ by rounding or timing: the report names the family.
CONTRADICTION = 0.02
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


@dataclass
class _Step:
    """What one step did within one family."""

    name: str
    factors: dict[str, float] = field(default_factory=dict)
    parts: int = 0
    left_alone: dict[str, str] = field(default_factory=dict)


def harmonize(
    targets: pd.DataFrame,
    levels: tuple[str, ...],
    states: np.ndarray,
    districts: np.ndarray,
    aside: np.ndarray | None = None,
    switched_off: np.ndarray | None = None,
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
    """
    all_states = {int(area) for area in np.unique(states)}
    all_districts = {int(area) for area in np.unique(districts)}
    factors = np.ones(len(targets))
    published = targets["value"].to_numpy(np.float64)
    rows = targets.reset_index(drop=True)
    takes_part = rows["geo_level"].isin(levels).to_numpy()
    rows = rows[takes_part if aside is None else takes_part & ~aside]
    families, contradictions = [], []
    for key, family in rows.groupby(FAMILY, sort=True, dropna=False):
        is_applied = switched_off is None or not switched_off[family.index].any()
        filled = factors if is_applied else np.ones(len(targets))
        for step in _scale_family(family, published, filled, all_states, all_districts):
            row = _describe(key, step) | {"applied": is_applied}
            families.append(row)
            if row["contradiction"]:
                contradictions.append(_contradiction_line(row))
    for line in contradictions:
        logger.info("contradicting levels: %s", line)
    return Harmonized(published, published * factors, factors, families, contradictions)


def _scale_family(
    family: pd.DataFrame,
    published: np.ndarray,
    factors: np.ndarray,
    states: set[int],
    districts: set[int],
) -> list[_Step]:
    """Fill `factors` of one family's rows, nation first; return the steps that applied."""
    nation = family.index[family["geo_level"] == "nation"].to_numpy()
    state = _by_area(family, "state")
    district = _by_area(family, "district")
    steps = []
    if len(nation) and state:
        steps.append(_Step(STATES_TO_NATION))
        _scale(steps[-1], NATION, nation, state, states, published, factors)
    if state and district:
        steps.append(_Step(DISTRICTS_TO_STATES))
        for area, parent in state.items():
            parts = {part: row for part, row in district.items() if part // 100 == area}
            whole = {part for part in districts if part // 100 == area}
            _scale(steps[-1], str(area), parent, parts, whole, published, factors)
    elif len(nation) and district:
        steps.append(_Step(DISTRICTS_TO_NATION))
        _scale(steps[-1], NATION, nation, district, districts, published, factors)
    return steps


def _by_area(family: pd.DataFrame, level: str) -> dict[int, np.ndarray]:
    """Return the row numbers of each area of one level."""
    rows = family.index[family["geo_level"] == level].to_numpy()
    areas = family.loc[rows, "geographic_id"].astype(int).to_numpy()
    rows = rows[np.argsort(areas, kind="stable")]
    names, starts = np.unique(np.sort(areas), return_index=True)
    return dict(zip(names.tolist(), np.split(rows, starts[1:]), strict=False))


def _scale(
    step: _Step,
    area: str,
    parent: np.ndarray,
    parts: dict[int, np.ndarray],
    whole: set[int],
    published: np.ndarray,
    factors: np.ndarray,
) -> None:
    """Scale the rows of `parts` to sum to their parent, or note why that cannot be done."""
    reason = _obstacle(parent, parts, whole, published)
    if reason:
        step.left_alone[area] = reason
        return
    rows = np.concatenate(list(parts.values()))
    factor = float(published[parent[0]] * factors[parent[0]] / np.sum(published[rows]))
    factors[rows] = factor
    step.factors[area] = factor
    step.parts += len(rows)


def _obstacle(
    parent: np.ndarray, parts: dict[int, np.ndarray], whole: set[int], published: np.ndarray
) -> str | None:
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
