"""What a fit knows about the columns of the matrix."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Columns:
    """The columns of the matrix; arrays of (J,)."""

    design_weight: np.ndarray
    """float64, households."""
    household: np.ndarray
    """int32."""
    state: np.ndarray
    """int32, FIPS."""
    district: np.ndarray
    """int32, state * 100 + district."""
