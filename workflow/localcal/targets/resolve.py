"""From a target database to the rows of the matrix: chosen, uprated, named and in order."""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from localcal.database.constraints import OPERATIONS, check_constraints, meaning
from localcal.database.own import COMPARED, read_tables
from localcal.database.reader import TargetRow, best_period, read_targets_table, target_rows
from localcal.engine.protocol import Engine, Variable
from localcal.errors import InputError, near
from localcal.geography.codes import NATION_IN_DATABASES, TARGET_LEVELS
from localcal.targets.comparison import KINDS, check_comparison
from localcal.targets.measures import COUNTED, REFORM_MEASURE
from localcal.targets.table import SCHEMA, Rule, match_any

logger = logging.getLogger(__name__)

NAME_PREFIXES = {"state": "state_", "district": "cd_"}
OPERATION_RANK = {operation: rank for rank, operation in enumerate(OPERATIONS)}


class _Signature(NamedTuple):
    """What two targets must not share: they would ask one matrix row for two totals.

    Which reform it is does not matter, since each neutralises the target's own variable.
    """

    geographic_id: str
    variable: str
    is_reform: bool
    constraints: tuple


def resolve_targets(
    database: str | Path,
    period: int,
    include: Sequence[Rule],
    exclude: Sequence[Rule],
    engine: Engine,
    own: Path | None = None,
) -> pd.DataFrame:
    """Choose the targets of a run, check them against the model and bring them to its year.

    Of several years of one target, the last up to `period` counts, else the first. Counts grow
    with the population, everything else with prices. Rows are ordered by level (nation, states,
    districts), variable, reform, area and target_id; areas are compared as texts ('10' before
    '6'), because that is the row order in files users already have.

    Args:
        database: a target database.
        period: the year of the run.
        include: rules of which a target must match one, all targets if there is no rule; a rule
            gives variable, geo_level or domain_variable, or several, which must all match.
        exclude: rules of which an included target may match none.
        engine: knows the model's variables and how population and prices grew.
        own: the users' own targets (`localcal.database.own`), which need match no rule, and
            totals to compare with, which no other target may state already.

    Returns:
        One row per target in matrix order, columns as in `SCHEMA`.

    Raises:
        InputError: a rule is malformed or matches nothing; no target is left; a stratum
            contradicts itself; the model lacks a variable or cannot compare it as asked; two
            targets mean the same total; a growth ratio is not a positive number.
    """
    table = read_targets_table(database)
    first_id, first_stratum = (1 + int(table[name].max()) for name in ("target_id", "stratum_id"))
    table = best_period(choose_targets(table, include, exclude), period).assign(hold_out=False)
    for stratum in target_rows(table.drop_duplicates("stratum_id")):
        check_constraints(f"{database}: stratum {stratum.stratum_id}", stratum.constraints)
    if own is not None:
        added = best_period(read_tables(own, first_id, first_stratum), period)
        table = _with_own(table, added)
    _check_against_model(table, engine)
    table = _in_order(table)
    table["name"] = [_name(row) for row in target_rows(table)]
    _check_distinct(table)
    table = _uprated(table, period, engine)
    table["constraints"] = [
        json.dumps([list(constraint) for constraint in constraints])
        for constraints in table["constraints"]
    ]
    return table[SCHEMA.names].reset_index(drop=True)


def _with_own(table: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
    """Add the users' own targets, and the totals to compare with that no other target states."""
    given = pd.concat([table, added[~added[COMPARED]]], ignore_index=True)
    known = {_signature(row) for row in target_rows(given)}
    compared = added[added[COMPARED]]
    new = np.array([_signature(row) not in known for row in target_rows(compared)], dtype=bool)
    return pd.concat([given, compared[new]], ignore_index=True).drop(columns=COMPARED)


def choose_targets(
    table: pd.DataFrame, include: Sequence[Rule], exclude: Sequence[Rule]
) -> pd.DataFrame:
    """Keep the rows that match an include rule (all if there is none) and no exclude rule.

    Raises:
        InputError: a rule is malformed or matches nothing; nothing is left.
    """
    included = table[match_any(table, include, "include")] if include else table
    if not exclude:
        return included
    # Every exclude rule is tried on all that was included, so that their order does not matter.
    chosen = included[~match_any(included, exclude, "exclude")]
    if chosen.empty:
        raise InputError("targets.exclude: no target is left; remove a rule")
    return chosen


def _check_against_model(table: pd.DataFrame, engine: Engine) -> None:
    """Refuse, before anything expensive, what the model could not compute."""
    remedy = "correct it where it stands, or exclude it with targets.exclude"
    variables = engine.variables()
    looks = engine.looks_at_positions()
    if looks:
        _refuse_positions(table, looks, engine)
    ids = {name for name, how in engine.looks_at_ids().items() if how == "holds"}
    for row in target_rows(table):
        label = row.label
        _check_target_variable(row, variables, label, remedy)
        for name in (row.variable, *(constraint.variable for constraint in row.constraints)):
            if name in ids:
                raise InputError(
                    f"{label} ({row.variable}): {name} holds ids, which every run gives out anew; "
                    f"{remedy}"
                )
        for constraint in row.constraints:
            try:
                check_comparison(constraint, variables)
            except InputError as error:
                raise InputError(f"{label} ({row.variable}): {error}; {remedy}") from error


def _refuse_positions(table: pd.DataFrame, looks: Mapping[str, str], engine: Engine) -> None:
    """Refuse targets whose values might depend on who else is simulated."""
    for name, how in sorted(looks.items()):
        logger.warning(
            "%s may depend on who else is simulated (%s): it may differ between area files",
            name,
            how,
        )
    wanted: dict[str, str] = {}
    for row in target_rows(table):
        for name in (row.variable, *(constraint.variable for constraint in row.constraints)):
            wanted.setdefault(name, f"{row.label} ({row.variable})")
        if row.reform_id:
            wanted.setdefault(REFORM_MEASURE, row.label)
    for name, label in wanted.items():
        for found in sorted(engine.dependencies(name) & looks.keys()):
            raise InputError(
                f"{label}: '{name}' may be calculated from '{found}', and that may depend on who "
                f"else is simulated ({looks[found]} in version {engine.version} of the model); "
                "exclude it with targets.exclude, or use a version for which it is known"
            )


def _check_target_variable(
    row: TargetRow, variables: Mapping[str, Variable], label: str, remedy: str
) -> None:
    if row.reform_id < 0:
        raise InputError(f"{label} ({row.variable}): reform_id is {row.reform_id}; {remedy}")
    if row.variable in COUNTED:
        if row.reform_id:
            raise InputError(
                f"{label}: {row.variable} counts entities, which no reform (reform_id "
                f"{row.reform_id}) can neutralise; {remedy}"
            )
        return
    if row.variable not in variables:
        raise InputError(
            f"{label}: the model has no variable {row.variable}"
            f"{near(row.variable, variables)}; {remedy}"
        )
    if KINDS[variables[row.variable].kind] == "text":
        raise InputError(f"{label}: {row.variable} holds text, which has no total; {remedy}")


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    keys = [
        (TARGET_LEVELS.index(row.geo_level), row.variable, row.reform_id, row.geographic_id)
        for row in target_rows(table)
    ]
    # The sort is stable, so ties stay in the order of target_id, in which they were read.
    return table.iloc[sorted(range(len(keys)), key=keys.__getitem__)].copy()


def _name(row: TargetRow) -> str:
    place = (
        NAME_PREFIXES[row.geo_level] + row.geographic_id
        if row.geo_level in NAME_PREFIXES
        else NATION_IN_DATABASES
    )
    parts = [place, f"{row.variable}_expenditure" if row.reform_id else row.variable]
    if row.constraints:
        # Lower bounds before upper ones: age>4,age<10.
        ranked = sorted(row.constraints, key=lambda c: (c.variable, OPERATION_RANK[c.operation]))
        parts.append(f"[{','.join(map(str, ranked))}]")
    return "/".join(parts)


def _signature(row: TargetRow) -> _Signature:
    return _Signature(row.geographic_id, row.variable, row.reform_id > 0, meaning(row.constraints))


def _check_distinct(table: pd.DataFrame) -> None:
    known: dict[_Signature | str, str] = {}
    for row, name in zip(target_rows(table), table["name"], strict=True):
        for key in (_signature(row), name):
            if key in known:
                raise InputError(
                    f"{known[key]} and {row.label} are both {name}; remove one of them, or set its "
                    "active to 0 where it stands in a database"
                )
            known[key] = row.label


def _uprated(table: pd.DataFrame, period: int, engine: Engine) -> pd.DataFrame:
    known: dict[tuple[str, int], float] = {}
    factors = []
    for row in target_rows(table):
        series = "population" if row.variable.endswith("_count") else "prices"
        key = (series, row.period)
        if key not in known:
            known[key] = 1.0 if row.period == period else _growth(engine, *key, period)
        factors.append(known[key])
    table["original_value"] = table["value"]
    table["uprating_factor"] = np.array(factors, dtype=np.float64)
    table["value"] = table["original_value"] * table["uprating_factor"]
    return table


def _growth(engine: Engine, series: str, from_year: int, to_year: int) -> float:
    factor = float(engine.growth(series, from_year, to_year))
    if not (math.isfinite(factor) and factor > 0):
        raise InputError(
            f"targets of {from_year}: the model's growth of {series} to {to_year} is {factor}; "
            "exclude them with targets.exclude or add values of another year"
        )
    return factor
