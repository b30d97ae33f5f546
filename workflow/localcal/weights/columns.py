"""What a fit knows about the columns of the matrix."""

from dataclasses import dataclass

import numpy as np

from localcal.geography.geography import Geography


@dataclass(frozen=True)
class Columns:
    """The columns of the matrix; arrays of (J,)."""

    design_weight: np.ndarray
    """float64, households; columns with 0 keep weight 0."""
    household: np.ndarray
    """int32, number of the column's household."""
    state: np.ndarray
    """int32, FIPS."""
    district: np.ndarray
    """int32, state * 100 + district."""

    @classmethod
    def at(cls, places: Geography) -> "Columns":
        """Return the columns that live at these places."""
        return cls(places.design_weight, places.household, places.state, places.district)
