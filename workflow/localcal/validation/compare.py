"""Do the written files say what the matrix and the weights promised?

A light comparison per area sets the totals of its simulation (`localcal.validation.totals`) against
the official targets and against matrix x weights, with which they have to agree to float precision.
Ids, places and weights of every file are compared with its columns (`localcal.validation.records`),
and a district's file record by record with its state's.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from localcal.errors import REMAKE, InputError
from localcal.files.arrays import read_weights
from localcal.files.atomic import atomic_path
from localcal.geography.areas import Area
from localcal.geography.geography import find_columns, read_columns
from localcal.population.dataset import read_population
from localcal.population.population import ENTITIES, GROUPS, take_households
from localcal.targets.table import read_targets
from localcal.validation.estimates import read_estimates
from localcal.validation.inputs import ValidationInputs
from localcal.validation.records import RecordInputs, compare_with_run
from localcal.validation.totals import read_totals, rows_of_area

# Matrix entries and household weights are float32, so a total is good to about one part in 10^7
# of the absolute contributions it sums.
FLOAT_PRECISION = 1e-6

# Totals beyond these are wrong whatever the target says: (dollars, persons, households and other
# units), from the reference pipeline's checks before staging.
CEILINGS = {
    "nation": (30e12, 340e6 * 1.1, 200e6),
    "state": (5e12, 40e6 * 1.1, 25e6),
    "city": (5e12, 40e6 * 1.1, 25e6),
    "district": (500e9, 1.2e6, 0.8e6),
}

COLUMNS = [
    "level",
    "area",
    "target_id",
    "name",
    "variable",
    "domain_variable",
    "target_value",
    "simulated",
    "estimate",
    "error",
    "rel_error",
    "sane",
]


def validate_area(area: Area, inputs: ValidationInputs, path: Path) -> None:
    """Write one row per target of an area: simulated against target and matrix.

    Args:
        area: any area.
        inputs: what is looked at.
        path: the table to write.

    Raises:
        InputError: simulated and matrix totals disagree, a total is missing, a record is not its
            column's, or a district's records are not its state's.
    """
    targets = read_targets(inputs.targets)
    rows = rows_of_area(area, targets)
    simulated = _simulated(inputs, rows)
    weight = read_weights(inputs.weights)
    made_from = {"targets": inputs.targets, "weights": inputs.weights}
    estimates = read_estimates(inputs.estimates, area, rows, made_from)
    # Against what the places say, so that nobody need take the digest of all of them per area.
    active = find_columns(inputs.geography, area, weight > 0)
    followed = RecordInputs(inputs.population, inputs.geography, inputs.weights)
    places = read_columns(inputs.geography, active)
    compare_with_run(inputs.area, followed, places, weight[active])
    if area.level == "district":
        compare_records(area, inputs.area, inputs.parent)
    # A NaN is off, too.
    estimate, precision = estimates.estimate, FLOAT_PRECISION * np.maximum(estimates.mass, 1.0)
    off = ~(np.abs(simulated - estimate) <= precision)
    if off.any():
        first = int(np.flatnonzero(off)[0])
        raise InputError(
            f"{inputs.area}: {targets['name'].iloc[rows[first]]} comes to {simulated[first]} in "
            f"the model but to {estimate[first]} as matrix x weights ({np.count_nonzero(off)} of "
            f"{rows.size} targets disagree); the file and the matrix do not belong together; "
            f"{REMAKE}"
        )
    table = _table(area, targets.iloc[rows], simulated, estimate)
    with atomic_path(path) as part:
        table.to_csv(part, index=False)


def _simulated(inputs: ValidationInputs, rows: np.ndarray) -> np.ndarray:
    totals = read_totals(inputs.totals, {"area": inputs.parent, "targets": inputs.targets}).of_row
    missing = np.setdiff1d(rows, totals.index)
    if missing.size:
        raise InputError(f"{inputs.totals}: lacks {missing.size} of {rows.size} targets; {REMAKE}")
    return totals.loc[rows].to_numpy()


def _table(
    area: Area, targets: pd.DataFrame, simulated: np.ndarray, estimate: np.ndarray
) -> pd.DataFrame:
    official = targets["value"].to_numpy()
    if area.level == "city":
        official = np.full(len(targets), np.nan)
    error = simulated - official
    rel_error = np.divide(error, official, out=np.full(error.size, np.nan), where=official != 0)
    columns = {
        "level": area.level,
        "area": area.area,
        "target_id": targets["target_id"].to_numpy(),
        "name": targets["name"].to_numpy(),
        "variable": targets["variable"].to_numpy(),
        "domain_variable": targets["domain_variable"].to_numpy(),
        "target_value": official,
        "simulated": simulated,
        "estimate": estimate,
        "error": error,
        "rel_error": rel_error,
        "sane": is_sane(area.level, targets["variable"].to_numpy(), simulated),
    }
    return pd.DataFrame(columns)[COLUMNS]


def ceiling_of(level: str, variable: str) -> float:
    """Return the largest total of a variable that there can be in an area of a level."""
    dollars, persons, units = CEILINGS[level]
    if variable == "person_count":
        return persons
    return units if variable.endswith("_count") else dollars


def is_sane(level: str, variable: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Say of each total whether it is finite and below the level's ceiling, (n,) bool."""
    ceiling = np.array([ceiling_of(level, str(name)) for name in variable])
    return np.isfinite(total) & (np.abs(total) <= ceiling)


def compare_records(area: Area, path: Path, parent_path: Path) -> None:
    """Make sure that a district's file holds exactly its state's records of the district.

    Raises:
        InputError: names the first variable that differs.
    """
    district, state = read_population(path), read_population(parent_path)
    inside = state.values["congressional_district_geoid"] == int(area.code)
    names = set(district.values) ^ set(state.values)
    part = take_households(state, np.flatnonzero(inside))
    differing = sorted(names) or [
        name
        for name, values in district.values.items()
        if not np.array_equal(values, part.values[name])
    ]
    differing += [
        f"{entity}_id"
        for entity in ENTITIES
        if not np.array_equal(district.ids[entity], part.ids[entity])
    ]
    differing += [
        f"person_{group}_id"
        for group in GROUPS
        if not np.array_equal(district.membership[group], part.membership[group])
    ]
    if differing:
        raise InputError(
            f"{path}: '{differing[0]}' differs from the records in {parent_path}; {REMAKE}"
        )
