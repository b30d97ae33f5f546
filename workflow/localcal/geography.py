"""Give every clone of every household a place.

Each household has `n_clones` clones; each clone lives in one block of one congressional district.
Column `j = household * n_clones + clone` of the matrix is one clone.

How districts are drawn
-----------------------
A household's districts are drawn without replacement by systematic sampling with unequal
probabilities from a list put in random order anew for each household (Madow 1949; Hartley and Rao
1962; Tillé 2006, *Sampling Algorithms*, chapter 7). Over the districts d,

    q_d  = p_d * (population of d's state) ** state_exponent        what is drawn by
    pi_d = min(1, c * q_d),  c such that  sum_d pi_d = n_clones     inclusion probability

where p_d is the district's share of the population or, for households of high income, of total
adjusted gross income. A negative exponent gives small states more clones than their share. The
pi_d are exact, so the Horvitz-Thompson weight (Horvitz and Thompson 1952)

    design_weight = household_weight * p_d / pi_d

undoes both the tilt and the cap: over the draws, a household's design weights in a district have
the mean household_weight * p_d, and its design weights altogether the mean household_weight.

To be exact on every machine, probabilities and random points are whole multiples of 2**-48. The
random numbers are taken from streams in the order of the households, so a household's draws
depend on the seed and on its position only.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.geography_files import (
    BLOCK_DIGITS,
    COUNTY_DIGITS,
    Places,
    at_large_as_01,
    county_of,
    read_district_population,
    read_npz_assignment,
    read_places,
    read_table_assignment,
    refuse_foreign_states,
    state_of,
)
from localcal.hdf5 import create_h5

logger = logging.getLogger(__name__)

# Enters every random stream of this stage, so that no other stage shares its numbers.
STAGE = int.from_bytes(b"geo")

# 2**48 units make a probability of 1. Sums over a thousand districts still fit into int64, and the
# smallest district's probability is rounded by less than one part in 10**9.
SCALE_BITS = 48
SCALE = 1 << SCALE_BITS

# Bounds the memory of one round of draws to some 300 MB; has no effect on the result.
CELLS_AT_ONCE = 1 << 22

DTYPES = {
    "household": np.dtype("<i4"),
    "clone": np.dtype("<i4"),
    "state": np.dtype("<i4"),
    "district": np.dtype("<i4"),
    "county": np.dtype(f"S{COUNTY_DIGITS}"),
    "block": np.dtype(f"S{BLOCK_DIGITS}"),
    "design_weight": np.dtype("<f8"),
}


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
    try:
        with h5py.File(path, "r") as file:
            n_households, n_clones = _checked_layout(path, file)
            total = n_households * n_clones
            stop = total if stop is None else stop
            if not 0 <= start <= stop <= total:
                raise InputError(
                    f"{path}: has columns 0 to {total}, not {start} to {stop}; "
                    "remake the plan or the geography"
                )
            arrays = {name: file[name][start:stop] for name in DTYPES}
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read as HDF5 ({' '.join(str(error).split())}); make it again"
        ) from error
    geography = Geography(n_households, n_clones, **arrays)
    _check_content(path, geography, start)
    return geography


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


def _check_content(path: str | Path, geography: Geography, start: int) -> None:
    """Refuse columns out of order and derived codes that are not those of the block."""

    def row_name(row: int) -> str:
        return f"{path}: column {start + row}"

    household, clone = _column_order(geography.n_clones, start, start + len(geography))
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


def _column_order(n_clones: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Return household and clone (int32) of columns [start, stop)."""
    household, clone = np.divmod(np.arange(start, stop), n_clones)
    return household.astype(np.int32), clone.astype(np.int32)


def load_geography(path: str | Path, households: pd.DataFrame, n_clones: int) -> Geography:
    """Take the places of all columns from a given file.

    The file is a geography.h5, a geography_assignment.npz (`clone * n_records + record` order), or
    a csv or parquet table with the columns household (original id), clone, block, district. County
    and state follow from the block. A geography.h5 keeps its design weights, since they undo the
    way it was drawn; elsewhere a household's weight is split evenly over its clones.

    Raises:
        InputError: not such a file, one for other households or clones, or places that contradict
            each other.
    """
    if Path(path).suffix in (".h5", ".hdf5"):
        geography = _load_h5(path, households, n_clones)
    else:
        if Path(path).suffix == ".npz":
            block, district = read_npz_assignment(path, len(households), n_clones)
        else:
            identity = _column(households, "household_id").astype(np.int64)
            block, district = read_table_assignment(path, identity, n_clones)
        weight = np.repeat(_household_weight(households) / n_clones, n_clones)
        geography = _from_blocks(len(households), n_clones, block, district, weight)
    _warn_of_repeats(path, geography)
    return geography


def _load_h5(path: str | Path, households: pd.DataFrame, n_clones: int) -> Geography:
    geography = read_geography(path)
    if (geography.n_households, geography.n_clones) != (len(households), n_clones):
        raise InputError(
            f"{path}: is for {geography.n_households} households x {geography.n_clones} clones "
            f"= {len(geography)} columns, but the run has {len(households)} x {n_clones} = "
            f"{len(households) * n_clones}; set population.households and geography.clones to "
            "those of the file, or give another file"
        )
    weight = np.repeat(_household_weight(households), n_clones)
    wrong = ~np.isfinite(geography.design_weight) | ((geography.design_weight > 0) != (weight > 0))
    if wrong.any():
        column = int(np.argmax(wrong))
        raise InputError(
            f"{path}: column {column} has design weight {geography.design_weight[column]}, its "
            f"household {weight[column]}; give the file made for this population"
        )
    ratio = geography.design_weight.sum() / weight.sum() * n_clones
    if abs(ratio - 1) > 0.1:
        logger.warning(
            "%s: design weights sum to %.3f of the household weights; was it made for this "
            "population?",
            path,
            ratio,
        )
    return geography


def _from_blocks(
    n_households: int,
    n_clones: int,
    block: np.ndarray,
    district: np.ndarray,
    design_weight: np.ndarray,
) -> Geography:
    household, clone = _column_order(n_clones, 0, n_households * n_clones)
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


def _warn_of_repeats(path: str | Path, geography: Geography) -> None:
    by_household = np.sort(geography.district.reshape(-1, geography.n_clones), axis=1)
    repeats = int((by_household[:, 1:] == by_household[:, :-1]).sum())
    if repeats:
        logger.warning(
            "%s: %d of %d columns repeat a district of their household",
            path,
            repeats,
            len(geography),
        )


def assign_geography(
    households: pd.DataFrame,
    places: str | Path,
    district_population: str | Path,
    n_clones: int,
    income_percentile: float | None,
    district_income: Mapping[int, float],
    state_income: Mapping[int, float],
    state_exponent: float,
    seed: int,
) -> Geography:
    """Draw `n_clones` different districts for every household, and a place in each.

    Args:
        households: one row per household with household_weight and adjusted_gross_income.
        places: table of P(place | district); see `geography_files.read_places`.
        district_population: table of populations.
        n_clones: clones of each household; at most the number of districts.
        income_percentile: households whose adjusted gross income is at or above this percentile
            over households, counted by household_weight, are drawn by the districts' total
            adjusted gross income instead of their population; None or 100 switches this off.
        district_income: dollars of adjusted gross income by district.
        state_income: the same by state FIPS; used where not all districts are known, and spread
            over a state's districts by population.
        state_exponent: power of a state's population by which its districts' chances are tilted.
        seed: of the run.

    Raises:
        InputError: tables that are wrong or do not fit each other, or unusable households.
    """
    table = read_places(places)
    district, population = read_district_population(district_population)
    _check_same_districts(places, table.district, district_population, district)
    if not 1 <= n_clones <= len(district):
        raise InputError(
            f"geography.clones: {n_clones} clones in different districts are not possible with "
            f"the {len(district)} districts of {district_population}; set 1 to {len(district)}"
        )
    weight = _household_weight(households)
    group = np.zeros(len(households), dtype=np.int64)
    target = [population / population.sum()]
    if income_percentile is not None and income_percentile < 100:
        target.append(_income_share(district, population, district_income, state_income))
        group = _is_high_income(households, weight, income_percentile).astype(np.int64)
    tilt = (_state_population(district, population) / population.sum()) ** state_exponent
    units = np.stack([_inclusion_units(share * tilt, n_clones) for share in target])
    chosen, block = _draw_columns(units, group, n_clones, _Ladder(table, district), seed)
    factor = np.stack(target) / (units / SCALE)
    design_weight = np.repeat(weight, n_clones) * factor[np.repeat(group, n_clones), chosen]
    return _from_blocks(len(households), n_clones, block, district[chosen], design_weight)


def _draw_columns(
    units: np.ndarray, group: np.ndarray, n_clones: int, ladder: "_Ladder", seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the district position (J,) int64 and block (J,) S15 of every column."""
    chosen = np.empty(len(group) * n_clones, dtype=np.int64)
    block = np.empty(len(chosen), dtype=DTYPES["block"])
    streams = _Streams(seed)
    step = max(1, CELLS_AT_ONCE // units.shape[1])
    for start in range(0, len(group), step):
        drawn = _draw_districts(units, group[start : start + step], n_clones, streams).ravel()
        columns = slice(start * n_clones, start * n_clones + len(drawn))
        chosen[columns] = drawn
        block[columns] = ladder.draw(drawn, streams.place.random(len(drawn)))
    return chosen, block


class _Streams:
    """One stream of random numbers per purpose, each consumed in the order of the households."""

    def __init__(self, seed: int) -> None:
        self.order, self.start, self.clone, self.place = (
            np.random.default_rng(np.random.SeedSequence([seed, STAGE, purpose]))
            for purpose in range(4)
        )


def _draw_districts(
    units: np.ndarray, group: np.ndarray, n_clones: int, streams: _Streams
) -> np.ndarray:
    """Return the positions of the districts drawn for some households, (households, n_clones).

    `units` (groups, D) holds the inclusion probabilities, `group` (households,) says whose.
    """
    n_districts = units.shape[1]
    order = np.argsort(streams.order.random((len(group), n_districts)), axis=1, kind="stable")
    ends = np.cumsum(units[group[:, None], order], axis=1)
    start = _as_units(streams.start.random(len(group)))
    # The districts lie end to end on a line of n_clones units; one point in each unit, all at the
    # same offset, picks the district it falls on. No district is longer than a unit, so none is
    # picked twice.
    points_before_end = (ends - start[:, None] + (SCALE - 1)) >> SCALE_BITS
    picked = np.diff(points_before_end, axis=1, prepend=0) > 0
    districts = order[picked].reshape(len(group), n_clones)
    shuffle = np.argsort(streams.clone.random((len(group), n_clones)), axis=1, kind="stable")
    return np.take_along_axis(districts, shuffle, axis=1)


def _as_units(uniform: np.ndarray) -> np.ndarray:
    """Return numbers in [0, 1) as whole units (int64) in [0, SCALE)."""
    return (uniform * SCALE).astype(np.int64)


def _inclusion_units(draw_share: np.ndarray, n_clones: int) -> np.ndarray:
    """Return inclusion probabilities min(1, c * q) in units of 1 / SCALE (D,) int64.

    Their sum is exactly `n_clones * SCALE`.
    """
    certain = np.zeros(len(draw_share), dtype=bool)
    while True:
        left = n_clones - int(certain.sum())
        if left == 0 or certain.all():
            break
        probability = draw_share * (left / draw_share[~certain].sum())
        newly_certain = ~certain & (probability >= 1)
        if not newly_certain.any():
            break
        certain |= newly_certain
    units = np.full(len(draw_share), SCALE, dtype=np.int64)
    if not certain.all():
        units[~certain] = (probability[~certain] * SCALE).astype(np.int64) if left else 0
        # Rounding leaves the sum some units off; the district farthest from 0 and 1 takes them.
        middle = int(np.argmax(np.minimum(units, SCALE - units)))
        units[middle] += n_clones * SCALE - int(units.sum())
    if units.min() <= 0:
        raise InputError(
            "geography.state_exponent: so strong that some district would never be drawn; "
            "set it nearer to 0"
        )
    return units


class _Ladder:
    """Draws places by inverse distribution functions, those of all districts end to end.

    District k owns [k, k + 1) of one increasing sequence, so one search serves every district.
    """

    def __init__(self, places: Places, district: np.ndarray) -> None:
        position = np.searchsorted(district, places.district)
        mass = np.bincount(position, weights=places.share)
        running = np.cumsum(places.share / mass[position])
        last = np.searchsorted(position, np.arange(len(district)), side="right") - 1
        before = np.append(0.0, running[last[:-1]])
        # Numerator and denominator are the same at a district's last place, so that one ends at
        # exactly 1 and no point falls beyond it into the next district.
        within = (running - before[position]) / (running[last] - before)[position]
        self._ends = _as_units(within) + position * SCALE
        self._blocks = places.block

    def draw(self, district: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Return the block (S15) in each district position at each point of [0, 1)."""
        points = district * SCALE + _as_units(uniform)
        return self._blocks[np.searchsorted(self._ends, points, side="right")]


def _check_same_districts(
    places: str | Path, in_places: np.ndarray, population: str | Path, in_population: np.ndarray
) -> None:
    for codes, has, others, lacks in (
        (in_places, places, in_population, population),
        (in_population, population, in_places, places),
    ):
        alone = np.setdiff1d(codes, others)
        if len(alone):
            raise InputError(
                f"{lacks}: has no district {alone[0]}, which {has} has ({len(alone)} such); "
                "give two tables of the same districts"
            )


def _state_population(district: np.ndarray, population: np.ndarray) -> np.ndarray:
    """Return the population of each district's state, (D,)."""
    _, position = np.unique(district // 100, return_inverse=True)
    return np.bincount(position, weights=population)[position]


def _income_share(
    district: np.ndarray,
    population: np.ndarray,
    district_income: Mapping[int, float],
    state_income: Mapping[int, float],
) -> np.ndarray:
    """Return each district's share of adjusted gross income, (D,)."""
    by_district = {int(at_large_as_01(code)): value for code, value in district_income.items()}
    states = district // 100
    if all(code in by_district for code in district.tolist()):
        basis, income = "district", np.array([by_district[code] for code in district.tolist()])
    elif all(state in state_income for state in states.tolist()):
        of_state = np.array([state_income[state] for state in states.tolist()])
        basis, income = "state", of_state * population / _state_population(district, population)
    else:
        unknown = [code for code in district.tolist() if code not in by_district]
        without = sorted({state for state in states.tolist() if state not in state_income})
        raise InputError(
            f"geography.income_percentile: adjusted gross income is not known for {len(unknown)} "
            f"districts (first {unknown[0]}) nor for {len(without)} states (first {without[0]}); "
            "add such targets to the database, or set it to null"
        )
    wrong = ~(np.isfinite(income) & (income > 0))
    if wrong.any():
        raise InputError(
            f"adjusted_gross_income of {basis} level: that of district {district[wrong][0]} is "
            f"{income[wrong][0]}, not above 0; correct it, or set geography.income_percentile to "
            "null"
        )
    logger.info("high-income households are drawn by adjusted gross income of %s level", basis)
    return income / income.sum()


def _is_high_income(households: pd.DataFrame, weight: np.ndarray, percentile: float) -> np.ndarray:
    """Say which households reach the weighted percentile of adjusted gross income.

    The threshold is the lowest income up to which there is more than `percentile` of the weight.
    """
    income = _column(households, "adjusted_gross_income").astype(np.float64)
    if not np.isfinite(income).all():
        raise InputError(
            f"households: household {int(np.argmin(np.isfinite(income)))} has the adjusted gross "
            "income NaN or infinite; correct the population"
        )
    order = np.argsort(income, kind="stable")
    below = np.cumsum(weight[order])
    reached = np.searchsorted(below, percentile / 100 * below[-1], side="right")
    threshold = income[order[min(reached, len(order) - 1)]]
    is_high = income >= threshold
    logger.info(
        "%d of %d households have %.0f dollars or more and are drawn by income",
        is_high.sum(),
        len(is_high),
        threshold,
    )
    return is_high


def _household_weight(households: pd.DataFrame) -> np.ndarray:
    weight = _column(households, "household_weight").astype(np.float64)
    wrong = ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"households: household {row} has the weight {weight[row]}; correct the population"
        )
    if not weight.sum() > 0:
        raise InputError("households: no household has a weight above 0; correct the population")
    return weight


def _column(households: pd.DataFrame, name: str) -> np.ndarray:
    if name not in households:
        raise InputError(f"households: has no column {name!r}; make households.parquet again")
    return households[name].to_numpy()
