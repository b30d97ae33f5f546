"""What an area's validation looks at, for who does not do it itself."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ValidationInputs:
    """The files that an area's validation looks at."""

    area: Path
    """The area's dataset."""
    parent: Path
    """That of the area whose simulation contains it: a district's state, else itself."""
    totals: Path
    """What the parent's dataset comes to in the model."""
    estimates: Path
    """What the rows of the matrix come to with the weights."""
    weights: Path
    targets: Path
    population: Path
    geography: Path
