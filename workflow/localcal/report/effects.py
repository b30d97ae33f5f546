"""What a sweep's outcomes come to by parameter set: means over draws, with their margins.

An outcome's table may have millions of rows; of it only one number per parameter set, area and
group lives on, and of groups only those that are shown.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.stats import t

from localcal.errors import REMAKE, InputError, one_line
from localcal.sweeps.bench import CALIBRATED
from localcal.sweeps.cells import OK, is_undefined

# Of each parameter set's groups so many are shown, and so many more of a few sets.
MOST_GROUPS = 6
MOST_PARTS = 60
# What a group's part is set apart by, as in `decile 1/gain more than 5%`.
PART = "/"

CELL = ["set_idx", "area", "group"]
BY_DRAW = [*CELL, "seed_idx"]
NUMBERS = ["value", "baseline", "delta"]


@dataclass(frozen=True)
class Effects:
    """What one outcome comes to.

    Attributes:
        groups: the groups that are shown of every set, in the outcome's order.
        parts: those that are shown of few sets: deciles, states.
        left_out: how many more there are.
        table: a row per set, area and group: `set_idx`, `area`, `group`, `value` and `baseline`
            with and without the reform, their difference `delta`, and `margin`, its 90 % margin,
            NaN where nothing says how sure it is. A set without a value for every draw has no row.
    """

    groups: tuple[str, ...]
    parts: tuple[str, ...]
    left_out: int
    table: pd.DataFrame


class Reason(NamedTuple):
    """Why there is no value."""

    status: str
    error_type: str
    error_message: str


class Concerned(NamedTuple):
    """What has no value for one reason.

    Attributes:
        sets: how many sets.
        first: the number of the first of them.
        outcomes: in the order of the table.
    """

    sets: int
    first: int
    outcomes: tuple[str, ...]


@dataclass(frozen=True)
class Failures:
    """What has no value.

    Attributes:
        sets: the numbers of the sets that failed.
        reasons: whom each concerns, those of most sets first.
        undefined: rows of groups of nobody, which are no failures.
    """

    sets: frozenset[int]
    reasons: tuple[tuple[Reason, Concerned], ...]
    undefined: int


def read_effects(
    path: Path, draws: int, factors: Mapping[str, float], few: Collection[int]
) -> Effects:
    """Return what an outcome comes to.

    With S draws, and replicates whose differences d_r from the estimate d of a draw have the
    variance W = factor * sum (d_r - d)^2 (their mean over the draws), and draws with the variance
    B, an estimate has the variance W + (1 + 1/S) B, and its margin is that times the quantile of
    Student's t with (S - 1) (1 + W / ((1 + 1/S) B))^2 degrees of freedom: Rubin, Multiple
    Imputation for Nonresponse in Surveys (1987), 3.1, the draws being imputations of who takes up
    what. The baseline has the same draws and weights, so margins are of the difference.

    Args:
        path: the outcome's table.
        draws: how many there are, S.
        factors: of each area that has replicates, what the sum of squares is multiplied by.
        few: the sets of which all parts are shown.

    Raises:
        InputError: the table is damaged.
    """
    names = _groups(path)
    whole = [name for name in names if PART not in name]
    shown = tuple([""] if "" in names else whole[:MOST_GROUPS])
    parts = tuple(name for name in whole if name not in shown)[:MOST_PARTS]
    chosen = pc.field("group").isin(pa.array(shown, pa.string()))
    of_few = pc.field("set_idx").isin(pa.array(sorted(few), pa.int64()))
    chosen |= pc.field("group").isin(pa.array(parts, pa.string())) & of_few
    rows = (group.filter((pc.field("status") == OK) & chosen) for group in _read(path, COLUMNS))
    found = [_estimates(own, draws, factors) for own in _whole_sets(rows)]
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=TABLE)
    return Effects(shown, parts, len(names) - len(shown) - len(parts), table)


TABLE = [*CELL, *NUMBERS, "margin"]
COLUMNS = [*CELL, "seed_idx", "weight", *NUMBERS, "status"]


def _read(path: Path, columns: Collection[str]) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(path) as file:
            lacking = [name for name in columns if name not in file.schema_arrow.names]
            if lacking:
                raise InputError(f"{path}: damaged, lacks the column {lacking[0]}; {REMAKE}")
            for number in range(file.num_row_groups):
                yield file.read_row_group(number, columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: damaged ({one_line(error)}); {REMAKE}") from error


def _groups(path: Path) -> list[str]:
    """Return the groups that have values, in the order in which they come."""
    found: dict[str, None] = {}
    for rows in _read(path, ("group", "status")):
        groups = rows.filter(pc.field("status") == OK)["group"]
        found |= dict.fromkeys(pc.unique(groups).to_pylist())
    return list(found)


def _whole_sets(tables: Iterator[pa.Table]) -> Iterator[pd.DataFrame]:
    """Yield the rows of whole sets, which come after one another."""
    held = pd.DataFrame()
    for table in tables:
        if not table.num_rows:
            continue
        rows = pd.concat([held, table.to_pandas()], ignore_index=True)
        last = rows["set_idx"] == rows["set_idx"].iloc[-1]
        if not last.all():
            yield rows[~last]
        held = rows[last]
    if len(held):
        yield held


def _estimates(rows: pd.DataFrame, draws: int, factors: Mapping[str, float]) -> pd.DataFrame:
    """Return the rows of `Effects.table` for the rows of some sets."""
    own = rows[rows["weight"] == CALIBRATED].set_index(BY_DRAW)[NUMBERS]
    within = _within(rows[rows["weight"] != CALIBRATED], own["delta"], factors)
    own = own.join(within)
    # In the order of the table, which is that of sets and areas.
    grouped = own.groupby(level=CELL, sort=False)
    found = grouped[NUMBERS].mean()
    found["margin"] = margins(draws, grouped["delta"].var(), grouped["within"].mean())
    return found[grouped.size() == draws].reset_index()


def _within(
    replicates: pd.DataFrame, estimates: pd.Series, factors: Mapping[str, float]
) -> pd.Series:
    """Return the variance by the replicates of each estimate that has them."""
    joined = replicates.join(estimates.rename("estimate"), on=BY_DRAW)
    squares = (joined["delta"] - joined["estimate"]) ** 2
    sums = squares.groupby([joined[name] for name in BY_DRAW]).sum()
    factor = sums.index.get_level_values("area").map(factors).astype(np.float64)
    return (sums * factor).rename("within")


def margins(draws: int, between: pd.Series, within: pd.Series) -> pd.Series:
    """Return 90 % margins from variances between draws and within them; see `read_effects`."""
    if draws == 1:
        freedom = pd.Series(np.inf, between.index)
        variance = within
    else:
        spread = (1 + 1 / draws) * between
        variance = within.fillna(0.0) + spread
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(spread > 0, within.fillna(0.0) / spread, np.inf)
        freedom = pd.Series((draws - 1) * (1 + ratio) ** 2, between.index)
    return pd.Series(t.ppf(0.95, freedom) * np.sqrt(variance), between.index)


def read_failures(path: Path) -> Failures:
    """Return what has no value, and why.

    Raises:
        InputError: the table is damaged.
    """
    sets: dict[Reason, dict[int, None]] = {}
    outcomes: dict[Reason, dict[str, None]] = {}
    undefined = 0
    for rows in _read(path, ("set_idx", "outcome", "group", *Reason._fields)):
        for row in rows.to_pylist():
            if is_undefined(row["group"], row["error_type"]):
                undefined += 1
                continue
            reason = Reason(*(row[name] for name in Reason._fields))
            sets.setdefault(reason, {})[row["set_idx"]] = None
            outcomes.setdefault(reason, {})[row["outcome"]] = None
    found = [
        (reason, Concerned(len(own), min(own), tuple(outcomes[reason])))
        for reason, own in sets.items()
    ]
    # Those of as many sets stay in the order of the table.
    found.sort(key=lambda one: -one[1].sets)
    failed = frozenset(number for own in sets.values() for number in own)
    return Failures(failed, tuple(found), undefined)
