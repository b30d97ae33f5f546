"""How every weight came about: base weight, selection probability and factor.

    weight = float32(base / probability * factor)

holds to the last bit, in 64-bit arithmetic in this order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from localcal.errors import REMAKE, InputError
from localcal.files.hdf5 import create_h5, open_h5
from localcal.timing import WRITE, phase

ARRAYS = ("base", "probability", "dense_factor", "factor")


@dataclass(frozen=True)
class Trace:
    """The parts of the weights of J columns."""

    base: np.ndarray
    """float64 (J,), households: design weight times the fit's base factor; a given weight itself
    where there is no design weight."""
    probability: np.ndarray
    """float64 (J,): of being kept; 1 where all columns are, and without design weight."""
    dense_factor: np.ndarray
    """float64 (J,): weight in the fit of all columns / base; as `factor` of given weights."""
    factor: np.ndarray
    """float64 (J,): weight * probability / base; 0 for columns not kept."""

    def weights(self) -> np.ndarray:
        """Return the final weights, float32 (J,)."""
        return (self.base / self.probability * self.factor).astype(np.float32)


@phase(WRITE)
def write_trace(trace: Trace, origins: Mapping[str, object], path: str | Path) -> None:
    """Write the trace with the digests of what it was made from."""
    arrays = {name: getattr(trace, name) for name in ARRAYS}
    with create_h5(path, sum(array.nbytes for array in arrays.values())) as file:
        file.attrs.update(origins)
        for name, array in arrays.items():
            file.create_dataset(name, data=array)


def read_trace(path: str | Path) -> tuple[Trace, dict[str, object]]:
    """Return a trace and the digests of what it was made from.

    Raises:
        InputError: the file is missing, damaged or not a trace.
    """
    with open_h5(path) as file:
        missing = [name for name in ARRAYS if name not in file]
        if missing:
            raise InputError(
                f"{path}: not the trace.h5 of a fit, it lacks {', '.join(missing)}; {REMAKE}"
            )
        arrays = [file[name][:] for name in ARRAYS]
        origins = dict(file.attrs)
    if len({array.shape for array in arrays}) > 1:
        raise InputError(f"{path}: damaged, its arrays differ in length; {REMAKE}")
    return Trace(*arrays), origins
