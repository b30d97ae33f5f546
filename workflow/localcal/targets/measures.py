"""What is added up: targets without their places and official values."""

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from localcal.database.constraints import Constraint
from localcal.population.population import ENTITIES

COUNTED = {f"{entity}_count": entity for entity in ENTITIES}

# What a reform target measures, as the Joint Committee on Taxation's expenditures do.
REFORM_MEASURE = "income_tax"


class Measure(NamedTuple):
    """What is added up: a target without its place and its official value."""

    variable: str
    reform_id: int
    constraints: tuple[Constraint, ...]

    def __str__(self) -> str:
        conditions = ",".join(map(str, self.constraints))
        reform = f" (reform {self.reform_id})" if self.reform_id else ""
        return f"{self.variable}[{conditions}]{reform}" if conditions else self.variable + reform


def distinct_measures(targets: pd.DataFrame) -> tuple[list[Measure], np.ndarray]:
    """Return the measures that targets share, and each target's position among them."""
    positions: dict[Measure, int] = {}
    columns = zip(targets["variable"], targets["reform_id"], targets["constraints"], strict=True)
    of_target = [
        positions.setdefault(
            Measure(variable, int(reform), tuple(Constraint(*item) for item in json.loads(text))),
            len(positions),
        )
        for variable, reform, text in columns
    ]
    return list(positions), np.array(of_target, dtype=np.int64)


def needed_variables(measures: Sequence[Measure]) -> set[str]:
    """Return every model variable that the measures read."""
    read = {constraint.variable for measure in measures for constraint in measure.constraints}
    read |= {measure.variable for measure in measures if measure.variable not in COUNTED}
    if any(measure.reform_id for measure in measures):
        read.add(REFORM_MEASURE)
    return read
