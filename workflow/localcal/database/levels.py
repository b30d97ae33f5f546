"""What the nation, its states and its districts say of one total."""

import numpy as np
import pandas as pd

from localcal.geography.codes import DISTRICTS, STATES, TARGET_LEVELS

# Targets that are one total of several areas.
FAMILY = ["variable", "reform_id", "constraints"]

# Relative differences between a level and the sum of its parts, graded as PolicyEngine does.
GRADES = ((0.01, "ok"), (0.05, "flag"), (0.15, "significant"), (np.inf, "critical"))


def compare_levels(targets: pd.DataFrame) -> pd.DataFrame:
    """Compare each family's levels with the sums of their parts, where all parts are there.

    Returns:
        One row per comparison: variable, reform_id, constraints, upper, lower, area, value, parts
        (their sum), difference (relative to the value), grade.
    """
    rows = []
    for family, table in targets.groupby(FAMILY, sort=True):
        nation, states, districts = (
            table[table["geo_level"] == level].set_index("geographic_id")["value"]
            for level in TARGET_LEVELS
        )
        if len(nation) and len(states) == len(STATES):
            rows.append((*family, "nation", "state", "US", nation.iloc[0], states.sum()))
        if len(nation) and len(districts) == DISTRICTS:
            rows.append((*family, "nation", "district", "US", nation.iloc[0], districts.sum()))
        if len(states) and len(districts) == DISTRICTS:
            sums = districts.groupby(districts.index.astype(int) // 100).sum()
            rows += [
                (*family, "state", "district", state, value, sums.get(int(str(state)), 0.0))
                for state, value in states.items()
            ]
    names = [*FAMILY, "upper", "lower", "area", "value", "parts"]
    found = pd.DataFrame(rows, columns=names)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = (found["parts"] - found["value"]) / found["value"].abs()
    found["difference"] = np.where(found["parts"] == found["value"], 0.0, apart)
    bounds = [bound for bound, _ in GRADES[:-1]]
    grade = np.searchsorted(bounds, found["difference"].abs().to_numpy(float), side="right")
    found["grade"] = np.array([name for _, name in GRADES])[grade]
    return found
