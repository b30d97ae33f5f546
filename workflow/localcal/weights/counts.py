"""How many there are in the area of each target, as far as that is published.

Values of one family differ between areas mostly because the areas differ in size. Divided by a
published count of the same area (persons, households, returns, recipients) they are rates, which
can be compared without any sample.
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from localcal.database.levels import FAMILY
from localcal.database.schema import COUNTS

NATION = 0
"""The nation among the codes of states (FIPS) and of districts (state * 100 + number)."""


@dataclass(frozen=True)
class Counts:
    """Published counts; c families of counts, a areas, m targets."""

    families: tuple[tuple[str, int, str], ...]
    """(c): variable, reform and constraints of each, as in the targets."""
    values: np.ndarray
    """float64 (c, a), units; NaN where it is not published for an area."""
    area: np.ndarray
    """int64 (m,): the area of each target, a column of `values`."""

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the counts in the areas of these targets: float64 (c, len(rows))."""
        return self.values[:, self.area[rows]]

    def beside(self, family: tuple[Hashable, ...]) -> "Counts":
        """Return the counts without those of one family: nothing speaks for itself."""
        kept = [number for number, name in enumerate(self.families) if name != family]
        families = tuple(self.families[number] for number in kept)
        return replace(self, families=families, values=self.values[kept])

    def name(self, number: int) -> str:
        """Return what a family of counts is called in messages."""
        variable, _, constraints = self.families[number]
        return f"{variable} {constraints}"


def published_counts(
    targets: pd.DataFrame, usable: np.ndarray, states: set[int], districts: set[int]
) -> Counts:
    """Collect the counts that are published for the areas of the targets.

    A state without a count of its own has the sum of its districts', the nation that of its states
    or districts, where none of them is missing.

    Args:
        targets: columns of targets.parquet; m rows.
        usable: bool (m,), targets whose values may be used.
        states: all parts of the nation (FIPS).
        districts: all districts (state * 100 + number).
    """
    codes = targets["geographic_id"].where(targets["geo_level"] != "nation", NATION).astype(int)
    whole = {state: {part for part in districts if part // 100 == state} for state in states}
    areas = np.unique([NATION, *states, *districts, *codes])
    is_count = targets["variable"].isin(COUNTS) & (targets["reform_id"] == 0) & usable
    table = pd.DataFrame({name: targets[name] for name in FAMILY}).assign(
        code=codes, value=targets["value"].to_numpy(np.float64)
    )[is_count.to_numpy()]
    families, values = [], []
    for key, family in table.groupby(FAMILY, sort=True):
        # Of two values for one area neither is the one.
        family = family.drop_duplicates("code", keep=False)
        known = dict(zip(family["code"].tolist(), family["value"].tolist(), strict=True))
        for parent, parts in (*whole.items(), (NATION, states), (NATION, districts)):
            if parent not in known and parts and parts <= known.keys():
                known[parent] = float(sum(known[part] for part in sorted(parts)))
        variable, reform_id, constraints = key
        families.append((str(variable), int(str(reform_id)), str(constraints)))
        values.append([known.get(area, np.nan) for area in areas.tolist()])
    # What is not above zero is no size.
    found = np.array(values).reshape(len(values), len(areas))
    return Counts(
        tuple(families),
        np.where(found > 0.0, found, np.nan),
        np.searchsorted(areas, codes.to_numpy(np.int64)),
    )
