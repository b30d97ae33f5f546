"""Files that speak of the same place, beside each other.

A district's file holds records of its state's with the same weights, so its own simulation has to
come to the same. The national file has weights of its own, from another fit than those of states
and districts, so what it says of a state differs, and is shown instead of refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.geography.areas import Area
from localcal.validation.totals import Totals, read_totals, rows_of_area

# Both add up the same 32-bit values; what the model makes of a household may differ in the last
# bit with who else is there.
FLOAT_PRECISION = 1e-6

DISTRICT_COLUMNS = ("area", "name", "own_file", "state_file")
STATE_COLUMNS = (
    "area",
    "name",
    "target_value",
    "national_file",
    "state_file",
    "rel_difference",
)
HOUSEHOLDS, PERSONS = "households", "persons"


@dataclass(frozen=True)
class Comparisons:
    """Which simulations are compared with each other."""

    districts: Mapping[Area, tuple[Path, Path, Path]]
    """Sampled districts: the file, its own totals, and its state's totals."""
    nation: Path | None
    """Totals of the national file, where the run has one."""
    states: Mapping[Area, Path]
    """Totals of states' files."""
    targets: Path


def compare_districts(files: Comparisons, targets: pd.DataFrame) -> pd.DataFrame:
    """Return what each sampled district comes to by itself and inside its state.

    Its own targets and those of its state are looked at.

    Raises:
        InputError: a district comes to something else; names it and the first target.
    """
    tables = []
    for area, (file, own_path, state_path) in files.districts.items():
        own = read_totals(own_path, {"area": file, "targets": files.targets})
        state = read_totals(state_path, {"targets": files.targets})
        code = int(area.code)
        rows = rows_of_area(area, targets).tolist()
        inner = own.inside.index.get_level_values(0)
        pairs = [(int(row), code) for row in inner]
        expected = _chosen(state_path, state.of_row, rows)
        expected += _chosen(state_path, state.inside, pairs)
        found = _chosen(own_path, own.of_row, rows) + _chosen(own_path, own.inside, pairs)
        table = pd.DataFrame(
            {
                "area": area.area,
                "name": targets["name"].iloc[[*rows, *inner]].to_numpy(),
                "own_file": found,
                "state_file": expected,
            }
        )
        _refuse_differences(area, own_path, state_path, table)
        tables.append(table)
    empty = pd.DataFrame(columns=list(DISTRICT_COLUMNS))
    return pd.concat(tables, ignore_index=True) if tables else empty


def _refuse_differences(area: Area, own: Path, state: Path, table: pd.DataFrame) -> None:
    found, expected = table["own_file"].to_numpy(), table["state_file"].to_numpy()
    size = np.maximum(np.maximum(np.abs(found), np.abs(expected)), 1.0)
    off = ~(np.abs(found - expected) <= FLOAT_PRECISION * size)
    if off.any():
        row = int(np.argmax(off))
        raise InputError(
            f"{own}: {table['name'].iloc[row]} comes to {found[row]} when {area.area}'s file is "
            f"simulated by itself, but to {expected[row]} inside its state's, {state} "
            f"({np.count_nonzero(off)} of {off.size} differ); remove whichever is old or damaged "
            "and run the same command again; if it stays, the model looks at who else is there"
        )


def compare_states(files: Comparisons, targets: pd.DataFrame) -> pd.DataFrame:
    """Return what the national file and each state's own say of the state.

    The first two rows of a state are its households and persons.
    """
    tables = []
    if files.nation is not None:
        nation = read_totals(files.nation, {"targets": files.targets})
        for area, path in files.states.items():
            tables.append(_state(area, nation, path, files, targets))
    empty = pd.DataFrame(columns=list(STATE_COLUMNS))
    return pd.concat(tables, ignore_index=True) if tables else empty


def _state(
    area: Area, nation: Totals, path: Path, files: Comparisons, targets: pd.DataFrame
) -> pd.DataFrame:
    own = read_totals(path, {"targets": files.targets})
    rows = rows_of_area(area, targets).tolist()
    code = int(area.code)
    # The national file may hold nobody of a small state.
    there = nation.inside.reindex(pd.MultiIndex.from_product([rows, [code]]), fill_value=0.0)
    national = [nation.households.get(code, 0.0), nation.persons.get(code, 0.0), *there]
    local = [*_chosen(path, own.households, [code]), *_chosen(path, own.persons, [code])]
    local += _chosen(path, own.of_row, rows)
    first, second = np.array(national, dtype=float), np.array(local, dtype=float)
    return pd.DataFrame(
        {
            "area": area.area,
            "name": [HOUSEHOLDS, PERSONS, *targets["name"].iloc[rows]],
            "target_value": [np.nan, np.nan, *targets["value"].iloc[rows]],
            "national_file": first,
            "state_file": second,
            "rel_difference": np.divide(
                first - second, np.abs(second), out=np.full(first.size, np.nan), where=second != 0
            ),
        }
    )


def _chosen(path: Path, series: pd.Series, keys: list) -> list[float]:
    try:
        return [float(series.loc[key]) for key in keys]
    except KeyError as error:
        raise InputError(
            f"{path}: lacks a total that it should have ({error}); remove it and run the same "
            "command again"
        ) from error
