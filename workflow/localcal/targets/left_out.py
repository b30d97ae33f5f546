"""Which targets of a database a run does not have, and why."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.database.reader import best_period, inactive_targets, read_targets_table
from localcal.targets.table import REASON, Rule, match_any, match_rule

SWITCHED_OFF = "switched off in the database (active is 0)"
COLUMNS = ["reason", "geo_level", "variable", "targets"]


def left_out(
    database: Path, period: int, include: Sequence[Rule], exclude: Sequence[Rule]
) -> pd.DataFrame:
    """Count the targets that `resolve_targets` leaves out.

    Args:
        database: a target database.
        period: the year of the run.
        include, exclude: the rules.

    Returns:
        Columns COLUMNS: one row per reason, level ('' where that was not looked at) and variable.
    """
    table = read_targets_table(database)
    reason = np.full(len(table), "", dtype=object)
    if include:
        reason[~match_any(table, include, "include")] = "matches no rule of targets.include"
    for rule in exclude:
        chosen = match_rule(table, rule, "targets.exclude") & (reason == "")
        reason[chosen] = _of_rule(rule)
    kept = table[reason == ""]
    older = kept.index.difference(best_period(kept, period).index)
    reason[older] = "the same total is known of a year nearer to the run's"
    counted = table.assign(reason=reason)[reason != ""]
    by_reason = counted.groupby(["reason", "geo_level", "variable"], sort=True).size()
    rows = [(*key, int(count)) for key, count in by_reason.items()]
    rows += [
        (f"{SWITCHED_OFF}: {note}" if note else SWITCHED_OFF, "", variable, count)
        for (variable, note), count in sorted(inactive_targets(database).items())
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_rule(rule: Rule) -> str:
    chosen = {key: value for key, value in rule.items() if key != REASON}
    why = f": {rule[REASON]}" if REASON in rule else ""
    return f"targets.exclude {json.dumps(chosen)}{why}"
