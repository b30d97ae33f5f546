"""The file of replicate weights, written one replicate at a time."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from localcal.errors import REMAKE, InputError
from localcal.files.hdf5 import create_h5, open_h5
from localcal.timing import WRITE, phase

# Values in a block of the file: 4 MB.
CHUNK = 1 << 20


@phase(WRITE)
def write_replicates(
    columns: np.ndarray,
    made: Iterable[tuple[np.ndarray, int, float]],
    count: int,
    attributes: Mapping[str, object],
    path: Path,
) -> None:
    """Write replicates as they come.

    The file holds `weights`, float32 (K, n) in households, one replicate after the other; `columns`
    (n,), where the n kept columns are in the matrix, ascending; and of each replicate `sweeps` and
    `rms_gap`.

    Args:
        columns: int64 (n,), in any order.
        made: of each replicate its weights (float32 (n,), in the order of `columns`), sweeps and
            rms gap.
        count: how many there will be, K.
        attributes: what the file is to say of itself.
        path: the file to write.
    """
    order = np.argsort(columns)
    n_kept = len(order)
    with create_h5(path, 4 * count * n_kept + 8 * n_kept) as file:
        file.attrs.update(attributes)
        file["columns"] = columns[order]
        weights = file.create_dataset(
            "weights", (count, n_kept), np.float32, chunks=(1, min(n_kept, CHUNK))
        )
        sweeps, gaps = [], []
        for number, (found, made_sweeps, rms_gap) in enumerate(made):
            weights[number] = found[order]
            sweeps.append(made_sweeps)
            gaps.append(rms_gap)
        file["sweeps"], file["rms_gap"] = np.array(sweeps, dtype=np.int64), np.array(gaps)


def read_about(path: Path, needed: Collection[str]) -> dict[str, Any]:
    """Return what a file of replicates says of itself.

    Raises:
        InputError: the file is damaged or lacks one of the `needed`.
    """
    with open_h5(path) as file:
        about = dict(file.attrs)
    if lacking := sorted(set(needed) - about.keys()):
        raise InputError(f"{path}: lacks the attribute {lacking[0]}; {REMAKE}")
    return about


def read_replicates(path: Path, columns: np.ndarray) -> np.ndarray:
    """Return the replicate weights of some columns, float32 (K, n).

    Args:
        path: a replicates.h5.
        columns: int64 (n,), all of them kept by the fit.

    Raises:
        InputError: the file is damaged, or of a fit that keeps other columns.
    """
    with open_h5(path) as file:
        kept = file["columns"][:]
        place = np.searchsorted(kept, columns)
        if (place >= len(kept)).any() or (kept[np.minimum(place, len(kept) - 1)] != columns).any():
            raise InputError(f"{path}: of a fit that keeps other columns; {REMAKE}")
        rows = [file["weights"][number][place] for number in range(file["weights"].shape[0])]
    return np.stack(rows)
