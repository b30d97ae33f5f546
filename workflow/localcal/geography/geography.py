"""The places of the columns of the matrix.

Each household has `n_clones` clones; each clone lives in one block of one congressional district.
Column `j = household * n_clones + clone` of the matrix is one clone.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import h5py
import numpy as np

from localcal.errors import REMAKE, InputError
from localcal.files.hdf5 import create_h5, open_h5
from localcal.geography.areas import Area
from localcal.geography.blocks import county_of, refuse_foreign_states, state_of
from localcal.geography.codes import BLOCK_DIGITS, COUNTY_DIGITS
from localcal.timing import WRITE, phase

DTYPES = {
    "household": np.dtype("<i4"),
    "clone": np.dtype("<i4"),
    "state": np.dtype("<i4"),
    "district": np.dtype("<i4"),
    "county": np.dtype(f"S{COUNTY_DIGITS}"),
    "block": np.dtype(f"S{BLOCK_DIGITS}"),
    "design_weight": np.dtype("<f8"),
}

# What says whether a column lies in an area of a level.
PLACE_OF_LEVEL = {"state": "state", "district": "district", "city": "county"}

# Columns read at a time where few of them are wanted: 15 MB of blocks.
READ_COLUMNS = 2**20


@dataclass(frozen=True, eq=False)
class Geography:
    """The places of some or all columns of a run; every array has one entry per column."""

    n_households: int
    """Households of the whole run, also where the arrays hold a slice of its columns."""
    n_clones: int
    household: np.ndarray
    """int32, position of the household in the population."""
    clone: np.ndarray
    """int32, 0 to n_clones - 1."""
    state: np.ndarray
    """int32, FIPS code."""
    district: np.ndarray
    """int32, `state * 100 + number`; a state's only district has the number 1."""
    county: np.ndarray
    """S5."""
    block: np.ndarray
    """S15; the last ten digits are zeros where only the county is known."""
    design_weight: np.ndarray
    """float64; a household's columns sum to its household_weight, exactly or in expectation."""

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, name)) for name in DTYPES}
        if len(lengths) != 1:
            raise ValueError(f"arrays of a geography differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.household)


@phase(WRITE)
def write_geography(
    path: str | Path, geography: Geography, attributes: Mapping[str, object]
) -> None:
    """Write a whole geography; the same geography and attributes give the same bytes.

    `attributes` (where it came from, the settings used) become attributes of the file's root;
    what is no text or number is written as JSON.
    """
    if len(geography) != geography.n_households * geography.n_clones:
        raise ValueError("only a whole geography can be written, not a slice")
    everything = {
        **attributes,
        "n_households": geography.n_households,
        "n_clones": geography.n_clones,
    }
    n_bytes = sum(dtype.itemsize for dtype in DTYPES.values()) * len(geography)
    with create_h5(path, n_bytes) as file:
        for name, value in sorted(everything.items()):
            is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
            file.attrs[name] = value if is_plain else json.dumps(value, sort_keys=True)
        for name, dtype in DTYPES.items():
            file.create_dataset(name, data=getattr(geography, name).astype(dtype, copy=False))


def read_geography(path: str | Path, start: int = 0, stop: int | None = None) -> Geography:
    """Read columns [start, stop) of a geography.h5; nothing else is read from the disk.

    Raises:
        InputError: not such a file, a truncated one, or places that contradict each other.
    """
    with open_h5(path, "make it again, or give another") as file:
        n_households, n_clones = _checked_layout(path, file)
        total = n_households * n_clones
        stop = total if stop is None else stop
        if not 0 <= start <= stop <= total:
            raise InputError(
                f"{path}: has columns 0 to {total}, not {start} to {stop}; "
                "remake the plan or the geography"
            )
        arrays = {name: file[name][start:stop] for name in DTYPES}
    geography = Geography(n_households, n_clones, **arrays)
    _check_content(path, geography, np.arange(start, stop))
    return geography


def read_columns(path: str | Path, columns: np.ndarray) -> Geography:
    """Read some columns of a geography.h5, (n,) in ascending order.

    Raises:
        InputError: not such a file, a truncated one, or places that contradict each other.
    """
    with open_h5(path, "make it again, or give another") as file:
        n_households, n_clones = _checked_layout(path, file)
        arrays = {name: _read_some(file[name], columns) for name in DTYPES}
    geography = Geography(n_households, n_clones, **arrays)
    _check_content(path, geography, columns)
    return geography


def _read_some(dataset: h5py.Dataset, columns: np.ndarray) -> np.ndarray:
    values = np.empty(columns.size, dtype=dataset.dtype)
    for start in range(0, dataset.shape[0], READ_COLUMNS):
        first, last = np.searchsorted(columns, [start, start + READ_COLUMNS])
        if first < last:
            part = dataset[start : start + READ_COLUMNS]
            values[first:last] = part[columns[first:last] - start]
    return values


def find_columns(path: str | Path, area: Area, among: np.ndarray) -> np.ndarray:
    """Return the columns of a geography.h5 that lie in an area and of which `among` is true.

    Args:
        path: the geography.
        area: the area.
        among: (columns,) bool, whether a column has a weight.

    Raises:
        InputError: not such a file, or one with another number of columns.
    """
    with open_h5(path, "make it again, or give another") as file:
        n_households, n_clones = _checked_layout(path, file)
        if n_households * n_clones != among.size:
            raise InputError(
                f"{path}: has {n_households * n_clones} columns, but the weights are "
                f"{among.size}; {REMAKE}"
            )
        found = [np.empty(0, dtype=np.int64)]
        for start in range(0, among.size, READ_COLUMNS):
            inside = among[start : start + READ_COLUMNS]
            if area.level != "nation":
                values = file[PLACE_OF_LEVEL[area.level]][start : start + READ_COLUMNS]
                inside = inside & lies_in(area, values)
            found.append(start + np.flatnonzero(inside))
    return np.concatenate(found)


def _checked_layout(path: str | Path, file: h5py.File) -> tuple[int, int]:
    for name in ("n_households", "n_clones"):
        if not isinstance(file.attrs.get(name), np.integer):
            raise InputError(f"{path}: has no whole number {name!r}; give a geography.h5")
    n_households, n_clones = int(file.attrs["n_households"]), int(file.attrs["n_clones"])
    for name, dtype in DTYPES.items():
        if not isinstance(file.get(name), h5py.Dataset):
            raise InputError(f"{path}: has no dataset {name!r}; give a geography.h5")
        dataset = file[name]
        if dataset.shape != (n_households * n_clones,) or dataset.dtype != dtype:
            raise InputError(
                f"{path}: dataset {name!r} is {dataset.dtype} {dataset.shape}, not {dtype} "
                f"({n_households * n_clones},) as for {n_households} households x {n_clones} "
                "clones; make it again"
            )
    return n_households, n_clones


def _check_content(path: str | Path, geography: Geography, columns: np.ndarray) -> None:
    """Refuse columns out of order and derived codes that are not those of the block."""

    def row_name(row: int) -> str:
        return f"{path}: column {columns[row]}"

    household, clone = _column_order(geography.n_clones, columns)
    expected = {
        "household": household,
        "clone": clone,
        "county": county_of(geography.block),
        "state": state_of(geography.block),
    }
    for name, values in expected.items():
        wrong = getattr(geography, name) != values
        if wrong.any():
            row = int(np.argmax(wrong))
            found = getattr(geography, name)[row]
            raise InputError(
                f"{row_name(row)} has {name} {found!s}, not {values[row]!s}; make it again"
            )
    refuse_foreign_states(geography.block, geography.district, row_name)


def _column_order(n_clones: int, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return household and clone (int32) of columns."""
    household, clone = np.divmod(columns, n_clones)
    return household.astype(np.int32), clone.astype(np.int32)


def clone_order(places: Geography) -> np.ndarray:
    """Return the column at each position of PolicyEngine's order, int64 (columns,).

    Its tools have clone after clone, `clone * n_households + household`.
    """
    columns = np.arange(len(places)).reshape(places.n_households, places.n_clones)
    return columns.T.reshape(-1)


def from_blocks(
    n_households: int,
    n_clones: int,
    block: np.ndarray,
    district: np.ndarray,
    design_weight: np.ndarray,
) -> Geography:
    household, clone = _column_order(n_clones, np.arange(n_households * n_clones))
    return Geography(
        n_households=n_households,
        n_clones=n_clones,
        household=household,
        clone=clone,
        state=state_of(block),
        district=district.astype(np.int32),
        county=county_of(block),
        block=block,
        design_weight=design_weight,
    )


def take_columns(places: Geography, rows: np.ndarray) -> Geography:
    """Return some of the columns, in the order of `rows`."""
    arrays = {field.name: getattr(places, field.name) for field in fields(places)}
    return replace(
        places, **{name: array[rows] for name, array in arrays.items() if np.ndim(array)}
    )


def lies_in(area: Area, values: np.ndarray) -> np.ndarray:
    """Say of each column whether it lies in an area, given what PLACE_OF_LEVEL names of it.

    A city is the sum of its counties.
    """
    if area.level == "city":
        return np.isin(values, np.array(area.counties, dtype="S5"))
    return values == (area.state if area.level == "state" else int(area.code))


def few_states_at_a_time(state: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Cut columns or households into parts of equal size, each of as few states as there can be.

    Args:
        state: the state of each, (n,).
        most: how many there may be in a part.

    Yields:
        Positions in ascending order.
    """
    by_state = np.argsort(state, kind="stable")
    for part in np.array_split(by_state, -(-state.size // most)):
        yield np.sort(part)
