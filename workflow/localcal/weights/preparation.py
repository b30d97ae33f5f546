"""What is decided before a fit: values that agree, the base weights, and which targets are fitted.

A target is left out, and listed with the reason, where no column carries it, where no weights
within the bounds reach it, where too few columns or households do, and where it is zero without
an absolute floor. Thin targets may instead be kept, or merged: the thin districts of one state
and family are fitted as one sum, thin states of the nation likewise; a sum that is still thin
takes in the family's target with the fewest columns there, until it is not.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from localcal.database.levels import FAMILY
from localcal.errors import InputError
from localcal.files.csr import CsrLike
from localcal.weights import verdicts
from localcal.weights.columns import Columns
from localcal.weights.culprits import Evidence
from localcal.weights.distance import distance_named
from localcal.weights.folds import HOLD_OUT, identities, uniform
from localcal.weights.harmonize import Harmonized, harmonize
from localcal.weights.problem import Problem, Records, build_problem
from localcal.weights.rows import RowSummary, summarize_households, summarize_rows
from localcal.weights.settings import GROUP_WEIGHTS, GroupRules, Settings, apply_rules

logger = logging.getLogger(__name__)

GROUP = ["geo_level", "variable", "domain_variable"]

# The weight of a target falls as if it had an error of this size beside its own tolerance: what
# a fit can be expected to achieve where nothing else is known.
USUAL_ERROR = 0.01

# A name or a few are enough to find the others in the table.
NAMED = 3


@dataclass(frozen=True)
class Equations:
    """The fitted equations, one per fitted target or merged sum; p of them."""

    slot: np.ndarray
    """int64 (m,): each target's equation, -1 if it is in none."""
    value: np.ndarray
    """float64 (p,), in the target's unit."""
    scale: np.ndarray
    """float64 (p,), in the target's unit: errors are divided by it."""
    rho: np.ndarray
    """float64 (p,): weight in the objective; its mean would be 1 without the rules' weights."""
    exact: np.ndarray
    """bool (p,): must hold."""
    identity: np.ndarray
    """uint64 (p,): a number that is the target's own, whatever its place in the table."""


@dataclass(frozen=True)
class Preparation:
    """What is decided before the fit; m targets, J columns, n records."""

    harmonized: Harmonized
    rules: GroupRules
    scale: np.ndarray
    """float64 (m,): |harmonized value|, or the floor of a zero target; NaN for other zeros."""
    base_factor: float
    """Scaled design weight / design weight."""
    base: np.ndarray
    """float64 (J,): scaled design weights."""
    summary: RowSummary
    """Each target's sums under `base`."""
    households: np.ndarray
    """int64 (m,): distinct households that contribute to each target."""
    verdict: np.ndarray
    """str (m,): FITTED, MERGED or the reason for being left out."""
    equations: Equations
    records: np.ndarray
    """int64 (n,): columns with a design weight, sorted by district."""


def prepare(
    matrix: CsrLike,
    targets: pd.DataFrame,
    columns: Columns,
    settings: Settings,
    seed: int,
) -> Preparation:
    """Settle the values, the base weights and which targets are fitted.

    Raises:
        InputError: no target is left, a rule matches none, a target is negative where no column
            is, the share to hold out is of too few, or, if the settings are strict, a target
            cannot be reached.
    """
    rules = apply_rules(targets, settings.groups, settings.levels)
    held_out = rules.hold_out | _drawn(targets, rules, settings, seed)
    summary = summarize_rows(matrix, columns.design_weight, check=True)
    carried_by = summarize_households(matrix, columns.design_weight, columns.household)
    households = carried_by.count
    harmonized = harmonize(
        targets,
        settings.levels,
        columns.state,
        columns.district,
        aside=rules.hold_out | _implausible(targets, rules, summary, settings),
        switched_off=~(rules.harmonize & settings.harmonize),
        evidence=Evidence(summary.estimate, carried_by.effective),
    )
    value = harmonized.values
    scale = np.where(value == 0.0, rules.zero_floor, np.abs(value))
    verdict = _supported(targets, scale, summary, households, settings, held_out)
    verdict[harmonized.suspect] = verdicts.SUSPECT
    _refuse_negative(targets, value, summary, verdict)
    factor = _base_factor(value, summary.estimate, verdict == verdicts.FITTED)
    summary = summary.scaled(factor)
    apart = held_out | rules.exact
    slot = _slots(matrix, targets, columns, settings, apart, summary, verdict)
    _leave_out_unreachable(slot, verdict, value, scale, summary, settings)
    _refuse_inexact(targets, rules, verdict)
    if settings.strict:
        _refuse_unreachable(targets, verdict)
    if not (slot >= 0).any():
        raise InputError(
            f"targets: none left to fit ({_count_text(verdict)}); look at the levels, the "
            "bounds and minimum_columns, or give targets the population can carry"
        )
    logger.info("targets: %s; base factor %.4g", _count_text(verdict), factor)
    records = np.flatnonzero(columns.design_weight > 0)
    return Preparation(
        harmonized=harmonized,
        rules=rules,
        scale=scale,
        base_factor=factor,
        base=columns.design_weight * factor,
        summary=summary,
        households=households,
        verdict=verdict,
        equations=_equations(
            targets, slot, value, scale, rules, settings.group_weight, identities(targets)
        ),
        records=records[np.argsort(columns.district[records], kind="stable")],
    )


def make_problem(
    matrix: CsrLike, prepared: Preparation, columns: Columns, settings: Settings
) -> Problem:
    """Return the fitted equations in record-major order."""
    equations = prepared.equations
    root = np.sqrt(equations.rho)
    # Entries that must add up exactly keep all the bits they have in the matrix.
    whole = np.exp2(np.round(np.log2(root / equations.scale)))
    root = np.where(equations.exact, whole * equations.scale, root)
    problem = build_problem(
        matrix,
        equations.slot,
        scale=np.where(equations.exact, whole, root / equations.scale),
        goal=root * equations.value / equations.scale,
        root=root,
        records=Records(
            prepared.records,
            prepared.base[prepared.records],
            columns.district[prepared.records],
        ),
        bounds=settings.bounds,
        exact=equations.exact,
    )
    return replace(problem, distance=distance_named(settings.distance, settings.bounds))


def _drawn(targets: pd.DataFrame, rules: GroupRules, settings: Settings, seed: int) -> np.ndarray:
    """Return as bool (m,) the random share of the targets that is held out.

    They take part in harmonizing, unlike groups that are held out: a level with a gap would not be
    harmonized at all, and what is wanted is the error of the weights, not that of levels which
    contradict each other.
    """
    of_levels = targets["geo_level"].isin(settings.levels).to_numpy()
    free = of_levels & ~rules.hold_out & ~rules.exact
    drawn = free & (uniform(identities(targets), seed, HOLD_OUT) < settings.hold_out)
    if settings.hold_out and not drawn.any():
        raise InputError(
            f"weights.hold_out: {settings.hold_out:g} holds out none of the {int(free.sum())} "
            "targets of the fitted levels; ask for a larger share, or for 0"
        )
    return drawn


def _implausible(
    targets: pd.DataFrame, rules: GroupRules, summary: RowSummary, settings: Settings
) -> np.ndarray:
    """Return as bool (m,) which published values must not scale others of their family.

    Beyond the reach of any weights, or zero where columns contribute: a unit error in one district
    would otherwise take the state's whole total from the others.
    """
    value = targets["value"].to_numpy(np.float64)
    usable = targets["geo_level"].isin(settings.levels).to_numpy() & (summary.columns > 0)
    factor = _base_factor(value, summary.estimate, usable)
    slack = np.where(value == 0.0, np.nan_to_num(rules.zero_floor), 0.0)
    scaled = summary.scaled(factor)
    return usable & _out_of_reach(
        value - slack, value + slack, scaled.positive, scaled.negative, settings.bounds
    )


def _out_of_reach(
    low: np.ndarray,
    high: np.ndarray,
    positive: np.ndarray,
    negative: np.ndarray,
    bounds: tuple[float, ...],
) -> np.ndarray:
    """Return as bool where no weights within the bounds add up to between `low` and `high`.

    `positive` and `negative` sum the contributions of either sign under the base weights.
    """
    smallest = bounds[0] * positive + bounds[1] * negative
    largest = bounds[1] * positive + bounds[0] * negative
    return (high < smallest) | (low > largest)


def _supported(
    targets: pd.DataFrame,
    scale: np.ndarray,
    summary: RowSummary,
    households: np.ndarray,
    settings: Settings,
    held_out: np.ndarray,
) -> np.ndarray:
    """Return each target's state as far as it does not depend on the size of the weights."""
    wanted = targets["geo_level"].isin(settings.levels).to_numpy()
    if wanted.any() and not summary.columns[wanted].any():
        raise InputError(
            f"matrix: no entry in any row of the levels {', '.join(settings.levels)}; check that "
            "matrix and targets belong together"
        )
    thin = (summary.columns < settings.minimum_columns) | (households < settings.minimum_households)
    thin &= settings.thin != "keep"
    state = np.select(
        [~wanted, np.isnan(scale), summary.columns == 0, thin, held_out],
        [
            verdicts.NOT_FITTED, verdicts.ZERO, verdicts.NO_SUPPORT, verdicts.THIN,
            verdicts.HELD_OUT,
        ],
        verdicts.FITTED,
    )  # fmt: skip
    # Room for any of the names, or a longer one would be cut when it is assigned.
    return state.astype(f"<U{max(map(len, verdicts.MEANING))}")


def _refuse_negative(
    targets: pd.DataFrame, value: np.ndarray, summary: RowSummary, verdict: np.ndarray
) -> None:
    wrong = (verdict == verdicts.FITTED) & (value < 0) & (summary.negative == 0.0)
    if wrong.any():
        raise InputError(
            f"target {targets['name'].to_numpy()[wrong][0]}: its value is negative but no column "
            f"contributes a negative amount ({int(wrong.sum())} such targets); correct the target "
            "database or exclude it"
        )


def _base_factor(value: np.ndarray, estimate: np.ndarray, usable: np.ndarray) -> float:
    """Return the factor on the design weights that makes the median value / estimate 1."""
    usable = usable & (value * estimate > 0)
    return float(np.median(value[usable] / estimate[usable])) if usable.any() else 1.0


def _slots(
    matrix: CsrLike,
    targets: pd.DataFrame,
    columns: Columns,
    settings: Settings,
    apart: np.ndarray,
    summary: RowSummary,
    verdict: np.ndarray,
) -> np.ndarray:
    """Give every fitted target an equation, merged ones a common one; int64 (m,), -1 for none.

    Those in `apart`, bool (m,), are in no sum.

    Marks the targets of merged sums in `verdict`.
    """
    groups = []
    if settings.thin == "merge":
        candidates = np.isin(verdict, [verdicts.FITTED, verdicts.THIN]) & ~apart
        for members in _siblings(targets, candidates):
            merged = _merge(matrix, columns, settings, members, summary, verdict)
            groups.append(merged)
            verdict[merged] = verdicts.MERGED
    slot = np.full(len(targets), -1, dtype=np.int64)
    single = np.flatnonzero(verdict == verdicts.FITTED)
    slot[single] = np.arange(len(single))
    for number, merged in enumerate(group for group in groups if len(group)):
        slot[merged] = len(single) + number
    return slot


def _siblings(targets: pd.DataFrame, candidates: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the row numbers of one family's candidates in one state, or of its states."""
    rows = targets.reset_index(drop=True)[candidates]
    rows = rows[rows["geo_level"] != "nation"]
    area = rows["geographic_id"].astype(int)
    parent = np.where(rows["geo_level"] == "district", area // 100, 0)
    keys = [*FAMILY, "geo_level"]
    for _, members in rows.assign(parent=parent).groupby([*keys, "parent"], dropna=False):
        yield members.index.to_numpy()


def _merge(
    matrix: CsrLike,
    columns: Columns,
    settings: Settings,
    members: np.ndarray,
    summary: RowSummary,
    verdict: np.ndarray,
) -> np.ndarray:
    """Return which of the `members` form a sum that is not thin; none if there is no such sum.

    All thin ones are in it, then those with the fewest columns, one after the other.
    """
    is_thin = verdict[members] == verdicts.THIN
    if not is_thin.any():
        return members[:0]
    order = np.lexsort((members, summary.columns[members], ~is_thin))
    members = members[order]
    n_columns, households = 0, set()
    for count, row in enumerate(members, start=1):
        entries = slice(int(matrix.indptr[row]), int(matrix.indptr[row + 1]))
        carrying = np.asarray(matrix.indices[entries])[np.asarray(matrix.data[entries]) != 0.0]
        carrying = carrying[columns.design_weight[carrying] > 0]
        n_columns += len(carrying)
        households.update(columns.household[carrying].tolist())
        if (
            count >= max(2, is_thin.sum())
            and n_columns >= settings.minimum_columns
            and len(households) >= settings.minimum_households
        ):
            return members[:count]
    return members[:0]


def _leave_out_unreachable(
    slot: np.ndarray,
    verdict: np.ndarray,
    value: np.ndarray,
    scale: np.ndarray,
    summary: RowSummary,
    settings: Settings,
) -> None:
    """Take out equations outside everything that weights within the bounds add up to, in place.

    A zero target with a floor may be missed by that floor. The remaining equations keep their
    order and are numbered anew.
    """
    slack = np.where(value == 0.0, scale, 0.0)
    used = slot >= 0
    if not used.any():
        return
    low, high, positive, negative = (
        np.bincount(slot[used], part[used])
        for part in (value - slack, value + slack, summary.positive, summary.negative)
    )
    # Values of a sum may cancel, and a relative error from zero has no meaning.
    outside = _out_of_reach(low, high, positive, negative, settings.bounds)
    outside |= (low == 0.0) & (high == 0.0)
    lost = used & outside[slot]
    verdict[lost] = verdicts.UNREACHABLE
    slot[lost] = -1
    number = np.cumsum(~outside) - 1
    slot[slot >= 0] = number[slot[slot >= 0]]


def _refuse_inexact(targets: pd.DataFrame, rules: GroupRules, verdict: np.ndarray) -> None:
    """Refuse to leave out a target that must be met."""
    wanted = rules.exact & (verdict != verdicts.NOT_FITTED)
    lost = np.flatnonzero(wanted & (verdict != verdicts.FITTED))
    if len(lost):
        reason = str(verdict[lost[0]])
        names = targets["name"].to_numpy()[lost]
        raise InputError(
            f"weights.groups: exact: target {names[0]} cannot be met, it is {reason} "
            f"({verdicts.MEANING[reason].removeprefix('left out; ')}); {len(lost)} such targets; "
            "take exact from them, or change what leaves them out"
        )


def _refuse_unreachable(targets: pd.DataFrame, verdict: np.ndarray) -> None:
    lost = np.isin(verdict, [verdicts.UNREACHABLE, verdicts.NO_SUPPORT])
    if lost.any():
        names = targets["name"].to_numpy()[lost]
        raise InputError(
            f"targets: no weights within the bounds reach {len(names)} of them "
            f"({', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''}); correct or "
            "exclude them, widen the bounds, or set strict: false to leave them out"
        )


def _equations(
    targets: pd.DataFrame,
    slot: np.ndarray,
    value: np.ndarray,
    scale: np.ndarray,
    rules: GroupRules,
    group_weight: str,
    identity: np.ndarray,
) -> Equations:
    used = np.flatnonzero(slot >= 0)
    # The first target of a sum speaks for it: its group is that of the others.
    first = used[np.unique(slot[used], return_index=True)[1]]
    total = np.bincount(slot[used], value[used])
    rows = targets.iloc[first][GROUP]
    size = rows.groupby(GROUP, dropna=False)[GROUP[0]].transform("size").to_numpy(np.float64)
    rho = GROUP_WEIGHTS[group_weight](size)
    rho = rho / (1.0 + (rules.tolerance[first] / USUAL_ERROR) ** 2)
    return Equations(
        slot=slot,
        value=total,
        scale=np.where(total == 0.0, scale[first], np.abs(total)),
        # The user's weights come after the mean: what one target gains no other one loses, and
        # the penalty means what it did.
        rho=rho / np.mean(rho) * rules.weight[first],
        exact=rules.exact[first],
        identity=_least(slot[used], identity[used]),
    )


def _least(slot: np.ndarray, identity: np.ndarray) -> np.ndarray:
    """Return the least identity in each slot, so that the order of a sum's targets is nothing."""
    least = np.full(slot.max() + 1, identity.max())
    np.minimum.at(least, slot, identity)
    return least


def count_verdicts(verdict: np.ndarray) -> dict[str, int]:
    """Return how many targets are in each state."""
    names, counts = np.unique(verdict, return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _count_text(verdict: np.ndarray) -> str:
    return ", ".join(f"{count} {name}" for name, count in count_verdicts(verdict).items())


def merged_sums(prepared: Preparation, names: np.ndarray) -> Iterator[tuple[int, list[str]]]:
    """Yield the equation and the names of the targets of every merged sum."""
    slot = prepared.equations.slot
    merged = prepared.verdict == verdicts.MERGED
    for number in np.unique(slot[merged]):
        yield int(number), [str(name) for name in names[slot == number]]
