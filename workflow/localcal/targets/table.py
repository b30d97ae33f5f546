"""The resolved targets, one per row of the matrix: their file, and rules that choose some."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from localcal.database.constraints import Constraint, constraints_in, meaning
from localcal.errors import InputError
from localcal.files.atomic import atomic_path
from localcal.geography.codes import NATION_IN_DATABASES, TARGET_LEVELS, level_named
from localcal.timing import WRITE, phase

SCHEMA = pa.schema(
    [
        ("target_id", pa.int64()),
        ("stratum_id", pa.int64()),
        ("variable", pa.string()),
        ("reform_id", pa.int64()),
        ("period", pa.int64()),
        ("geo_level", pa.string()),
        ("geographic_id", pa.string()),
        ("domain_variable", pa.string()),
        ("constraints", pa.string()),
        ("original_value", pa.float64()),
        ("uprating_factor", pa.float64()),
        ("value", pa.float64()),
        ("tolerance", pa.float64()),
        ("name", pa.string()),
        ("source", pa.string()),
        ("hold_out", pa.bool_()),
    ]
)
# A table may lack it; then all targets are to be fitted.
HOLD_OUT = "hold_out"
WITHOUT = SCHEMA.remove(SCHEMA.get_field_index(HOLD_OUT))
RULE_KEYS = ("variable", "geo_level", "domain_variable", "constraints")
REASON = "reason"

Rule = Mapping[str, str]


@phase(WRITE)
def write_targets(frame: pd.DataFrame, path: str | Path) -> None:
    """Write resolved targets as Parquet; the same rows give the same bytes.

    Args:
        frame: columns as in `SCHEMA`, none missing but `HOLD_OUT`.
        path: the file to write.

    Raises:
        InputError: the disk is full.
    """
    frame = as_databases_spell(frame)
    if HOLD_OUT not in frame:
        frame = frame.assign(**{HOLD_OUT: False})
    # from_pandas=False keeps a tolerance of NaN a number instead of a null.
    columns = [
        pa.array(frame[field.name].to_numpy(), type=field.type, from_pandas=False)
        for field in SCHEMA
    ]
    with atomic_path(path) as part:
        pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), part)


def as_databases_spell(frame: pd.DataFrame) -> pd.DataFrame:
    """Return targets with their levels as target databases, and who reads those, spell them."""
    return frame.assign(geo_level=frame["geo_level"].replace("nation", NATION_IN_DATABASES))


def read_targets(path: str | Path) -> pd.DataFrame:
    """Read resolved targets in matrix order.

    Raises:
        InputError: the file is missing, truncated, or not written by `write_targets`.
    """
    path = Path(path)
    remedy = "delete it and run the same command again"
    if not path.is_file():
        raise InputError(f"{path}: no such file; run the workflow to resolve the targets")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable Parquet file; {remedy}") from error
    if table.schema.equals(WITHOUT):
        table = table.append_column(
            SCHEMA.field(HOLD_OUT), pa.array([False] * len(table), pa.bool_())
        )
    if not table.schema.equals(SCHEMA):
        raise InputError(f"{path}: its columns are not those of resolved targets; {remedy}")
    for name in SCHEMA.names:
        if table.column(name).null_count:
            raise InputError(f"{path}: column {name} has empty cells; {remedy}")
    frame = table.to_pandas(ignore_metadata=True)
    return frame.assign(geo_level=frame["geo_level"].map(level_named))


def match_rule(table: pd.DataFrame, rule: Rule, label: str) -> np.ndarray:
    """Return as bool (rows,) which targets a rule chooses; `label` begins every complaint.

    Raises:
        InputError: the rule is malformed or matches nothing.
    """
    if not isinstance(rule, Mapping) or not rule.keys() - {REASON}:
        raise InputError(f"{label} is empty; give it one of {', '.join(RULE_KEYS)}")
    mask = np.ones(len(table), dtype=bool)
    for key, wanted in rule.items():
        if key == REASON:
            continue
        if key not in RULE_KEYS:
            raise InputError(f"{label} has the unknown key {key!r}; use {', '.join(RULE_KEYS)}")
        if not isinstance(wanted, str):
            raise InputError(f"{label}: {key} is {wanted!r}; give a text, '' for no domain")
        if key == "geo_level":
            wanted = level_named(wanted)
            if wanted not in TARGET_LEVELS:
                raise InputError(f"{label}: no such geo_level; use {', '.join(TARGET_LEVELS)}")
        if key == "constraints":
            mask &= _has_constraints(table, constraints_in(label, wanted))
        else:
            mask &= (table[key] == wanted).to_numpy(dtype=bool)
    if not mask.any():
        raise InputError(f"{label} matches no target; correct it or remove it")
    return mask


def match_any(table: pd.DataFrame, rules: Sequence[Rule], key: str) -> np.ndarray:
    """Return as bool (rows,) which targets one of the rules of a key of `targets` chooses.

    Every rule is tried on all of the table, so that their order does not matter.

    Raises:
        InputError: a rule is malformed or matches nothing.
    """
    mask = np.zeros(len(table), dtype=bool)
    for rule in rules:
        mask |= match_rule(table, rule, f"targets.{key}: rule {json.dumps(rule, default=str)}")
    return mask


def _has_constraints(table: pd.DataFrame, wanted: Sequence[Constraint]) -> np.ndarray:
    """Say which targets have all of some constraints among their own, (rows,) bool."""
    sought = set(meaning(wanted))
    has: dict[object, bool] = {}
    for own in set(table["constraints"]):
        items = json.loads(own) if isinstance(own, str) else own
        has[own] = sought <= set(meaning(Constraint(*item) for item in items))
    return table["constraints"].map(has).to_numpy(dtype=bool)
