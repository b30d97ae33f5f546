"""Read the tables that geography is made from, and assignments that others made.

Everything here returns plain arrays whose codes are checked: a block has 15 digits (state 2,
county 3, tract 6, block 4), a county 5, a district is `state * 100 + number`. Tables are sorted on
reading, so the order of a file's rows never reaches a result.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from localcal.errors import InputError

BLOCK_DIGITS = 15
COUNTY_DIGITS = 5

# Stands for "somewhere in this county" where only counties are known. Census tracts are numbered
# from 000100 up, so no real block has these ten digits.
UNKNOWN_BLOCK = b"0000000000"

# The census writes 00 for a state's only district and 98 for the delegate's district of DC.
AT_LARGE_NUMBERS = (0, 98)

SHARE_COLUMNS = ("share", "probability")
DISTRICT_COLUMNS = ("district", "cd_geoid")

RowName = Callable[[int], str]
"""Says where in a file a row is."""


@dataclass(frozen=True, eq=False)
class Places:
    """The places of every district and the mass of each, sorted by district, then by place."""

    district: np.ndarray
    """(P,) int64, `state * 100 + number`."""
    block: np.ndarray
    """(P,) S15; a county's code and ten zeros where only counties are known."""
    share: np.ndarray
    """(P,) float64, not negative; sums to something positive within each district."""


def at_large_as_01(district: np.ndarray) -> np.ndarray:
    """Return district codes with the census's 00 and 98 (a state's only district) as 01."""
    district = np.asarray(district)
    return np.where(np.isin(district % 100, AT_LARGE_NUMBERS), district // 100 * 100 + 1, district)


def read_places(path: str | Path) -> Places:
    """Read P(place | district) from a csv, csv.gz or parquet file.

    Columns: `district` or `cd_geoid`; `block_geoid` (15 digits) or `county_fips` (5 digits);
    `share` or `probability`, in any unit, since only its proportions within a district count.

    Raises:
        InputError: the file or a column is missing, or a row cannot be right; names the row.
    """
    table = _Table(path)
    district = at_large_as_01(table.whole_numbers(DISTRICT_COLUMNS))
    block = _read_blocks(table)
    share = table.real_numbers(SHARE_COLUMNS)
    table.refuse_rows(~(np.isfinite(share) & (share >= 0)), "has a share that is not 0 or more")
    refuse_foreign_states(block, district, table.row_name)
    order = np.lexsort((block.astype(np.int64), district))
    district, block, share = district[order], block[order], share[order]
    repeated = np.zeros(len(order), dtype=bool)
    repeated[order[1:]] = (district[1:] == district[:-1]) & (block[1:] == block[:-1])
    table.refuse_rows(repeated, "repeats a district and place given before")
    _refuse_massless(path, district, share)
    return Places(district, block, share)


def _read_blocks(table: "_Table") -> np.ndarray:
    if table.has(("block_geoid",)):
        return table.codes(("block_geoid",), BLOCK_DIGITS)
    county = table.codes(("county_fips", "block_geoid"), COUNTY_DIGITS)
    return np.strings.add(county, UNKNOWN_BLOCK)


def _refuse_massless(path: str | Path, district: np.ndarray, share: np.ndarray) -> None:
    codes, position = np.unique(district, return_inverse=True)
    massless = codes[np.bincount(position, weights=share) <= 0]
    if len(massless):
        raise InputError(
            f"{path}: every share of district {massless[0]} is zero; "
            "give its places shares, or take it out of this and the population file"
        )


def read_district_population(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted districts (D,) int64 and their populations (D,) float64, all positive.

    Columns: `district` or `cd_geoid`; `population`.

    Raises:
        InputError: the file or a column is missing, or a row cannot be right; names the row.
    """
    table = _Table(path)
    district = at_large_as_01(table.whole_numbers(DISTRICT_COLUMNS))
    population = table.real_numbers(("population",))
    table.refuse_rows(
        ~(np.isfinite(population) & (population > 0)), "has a population that is not above 0"
    )
    order = np.argsort(district, kind="stable")
    repeated = np.zeros(len(order), dtype=bool)
    repeated[order[1:]] = district[order[1:]] == district[order[:-1]]
    table.refuse_rows(repeated, "repeats a district given before")
    return district[order], population[order]


def read_npz_assignment(
    path: str | Path, n_households: int, n_clones: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return block (J,) S15 and district (J,) int64 of a `geography_assignment.npz`.

    The file orders its entries `clone * n_records + record`; the result is in column order,
    `household * n_clones + clone`, taking the file's records to be the population's households
    in the population's order.

    Raises:
        InputError: not such a file, a wrong length, or codes that contradict each other.
    """
    arrays = _load_npz(path)

    def row_name(row: int) -> str:
        clone, record = divmod(row, n_households)
        return f"{path}: entry {row} (record {record}, clone {clone})"

    _check_npz_lengths(path, arrays, n_households, n_clones)
    block = _digits(arrays["block_geoid"], BLOCK_DIGITS, row_name)
    district = at_large_as_01(_integers(arrays["cd_geoid"], "cd_geoid", row_name))
    _check_npz_extras(arrays, block, row_name)
    refuse_foreign_states(block, district, row_name)

    def by_household(values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values.reshape(n_clones, n_households).T).reshape(-1)

    return by_household(block), by_household(district)


def _load_npz(path: str | Path) -> dict[str, np.ndarray]:
    wanted = ("block_geoid", "cd_geoid", "county_fips", "state_fips", "n_records", "n_clones")
    try:
        # Pickled arrays could run code on loading, and the real files hold none.
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in wanted if name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: cannot be read as a geography_assignment.npz ({_one_line(error)}); "
            "give geography.path another file"
        ) from error
    missing = [name for name in ("block_geoid", "cd_geoid") if name not in arrays]
    if missing:
        raise InputError(
            f"{path}: has no array {missing[0]!r}; a geography_assignment.npz needs "
            "block_geoid and cd_geoid"
        )
    return arrays


def _check_npz_lengths(
    path: str | Path, arrays: dict[str, np.ndarray], n_households: int, n_clones: int
) -> None:
    for name in ("block_geoid", "cd_geoid", "county_fips", "state_fips"):
        if name in arrays and arrays[name].shape != (n_households * n_clones,):
            raise _wrong_length(path, arrays[name].size, n_households, n_clones, f" in {name}")
    # The right product of the wrong two numbers would put every entry into the wrong column.
    for name, ours in (("n_records", n_households), ("n_clones", n_clones)):
        if name in arrays and arrays[name].ravel().tolist() != [ours]:
            says = f" and says {name} = {arrays[name].ravel().tolist()}"
            size = arrays["block_geoid"].size
            raise _wrong_length(path, size, n_households, n_clones, says)


def _check_npz_extras(arrays: dict[str, np.ndarray], block: np.ndarray, row_name: RowName) -> None:
    """Refuse a county or state in the file that its own block contradicts."""
    if "county_fips" in arrays:
        county = _digits(arrays["county_fips"], COUNTY_DIGITS, row_name)
        _refuse_contradictions(county != county_of(block), county, block, "county", row_name)
    if "state_fips" in arrays:
        state = _integers(arrays["state_fips"], "state_fips", row_name)
        _refuse_contradictions(state != state_of(block), state, block, "state", row_name)


def _refuse_contradictions(
    wrong: np.ndarray, values: np.ndarray, block: np.ndarray, what: str, row_name: RowName
) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{row_name(row)} has {what} {_text(values[row])}, but its block is "
            f"{_text(block[row])}; correct one of the two"
        )


def read_table_assignment(
    path: str | Path, household_id: np.ndarray, n_clones: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return block (J,) S15 and district (J,) int64, in column order, of a csv or parquet table.

    Columns: `household` (the population's original household id), `clone` (0 to n_clones - 1),
    `block` (15 digits) and `district`; one row per household and clone, in any order.

    Raises:
        InputError: a column or a (household, clone) pair is missing, unknown or repeated, or
            codes contradict each other; names the row.
    """
    table = _Table(path)
    if table.n_rows != len(household_id) * n_clones:
        raise _wrong_length(path, table.n_rows, len(household_id), n_clones)
    identity = table.whole_numbers(("household",))
    clone = table.whole_numbers(("clone",))
    ids = pd.Index(household_id)
    position = ids.get_indexer(identity)
    table.refuse_rows(position < 0, "has a household id that the population does not have")
    table.refuse_rows(clone >= n_clones, f"has a clone number above {n_clones - 1}")
    block = table.codes(("block",), BLOCK_DIGITS)
    district = at_large_as_01(table.whole_numbers(("district",)))
    refuse_foreign_states(block, district, table.row_name)
    column = position * n_clones + clone
    order = np.argsort(column, kind="stable")
    repeated = np.zeros(len(order), dtype=bool)
    repeated[order[1:]] = column[order[1:]] == column[order[:-1]]
    table.refuse_rows(repeated, "repeats a household and clone given before")
    return block[order], district[order]


def county_of(block: np.ndarray) -> np.ndarray:
    """Return the counties (S5) of blocks (S15)."""
    return block.astype(f"S{COUNTY_DIGITS}")


def state_of(block: np.ndarray) -> np.ndarray:
    """Return the state FIPS codes (int32) of blocks (S15)."""
    first, second = (_cells(block)[:, place].astype(np.int32) - ord("0") for place in (0, 1))
    return first * 10 + second


def refuse_foreign_states(block: np.ndarray, district: np.ndarray, row_name: RowName) -> None:
    """Raise InputError for the first row whose block and district lie in different states."""
    wrong = state_of(block) != district // 100
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{row_name(row)} puts block {_text(block[row])} into district {district[row]}, "
            "which is in another state; correct one of the two"
        )


def _wrong_length(
    path: str | Path, found: int, n_households: int, n_clones: int, detail: str = ""
) -> InputError:
    return InputError(
        f"{path}: holds {found} entries{detail}, but {n_households} households x {n_clones} "
        f"clones need {n_households * n_clones}; set population.households and "
        "geography.clones to those of the file, or give another file"
    )


def _cells(text: np.ndarray) -> np.ndarray:
    """Return the character codes of fixed-width text, one row per item; no copy."""
    width = np.uint32 if text.dtype.kind == "U" else np.uint8
    return np.ascontiguousarray(text).view(width).reshape(len(text), -1)


def _digits(values: np.ndarray, width: int, row_name: RowName) -> np.ndarray:
    """Return codes as bytes of exactly `width` digits."""
    if values.dtype.kind not in "US":
        raise InputError(f"{row_name(0)} is {values.dtype}, not text; give {width} digits")
    cells = _cells(values)
    code, rest = cells[:, :width], cells[:, width:]
    fits = ((code >= ord("0")) & (code <= ord("9"))).all(axis=1) & (rest == 0).all(axis=1)
    if cells.shape[1] < width:
        fits[:] = False
    if not fits.all():
        row = int(np.argmin(fits))
        raise InputError(
            f"{row_name(row)} has the code {_text(values[row])!r}, which is not {width} digits; "
            "keep leading zeros"
        )
    return values.astype(f"S{width}")


def _integers(values: np.ndarray, what: str, row_name: RowName) -> np.ndarray:
    """Return numbers, or text that is nothing but digits, as int64."""
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind not in "US":
        raise InputError(f"{row_name(0)} has a {what} of type {values.dtype}; give whole numbers")
    cells = _cells(values)
    digits = ((cells >= ord("0")) & (cells <= ord("9"))) | (cells == 0)
    fits = digits.all(axis=1) & (cells[:, 0] != 0)
    if not fits.all():
        row = int(np.argmin(fits))
        raise InputError(
            f"{row_name(row)} has the {what} {_text(values[row])!r}; give a whole number"
        )
    return values.astype(np.int64)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


class _Table:
    """A csv, csv.gz or parquet file whose complaints name the row."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self._is_parquet = Path(path).suffix == ".parquet"
        try:
            self._columns = pq.read_table(path) if self._is_parquet else self._read_csv()
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such file; correct the path in the config") from error
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}: cannot be read as a table ({_one_line(error)}); "
                "give csv, csv.gz or parquet"
            ) from error
        self.n_rows = self._columns.num_rows
        if self.n_rows == 0:
            raise InputError(f"{path}: holds no rows; give a file with content")

    def _read_csv(self) -> pa.Table:
        # Codes are text: a guessed number would lose leading zeros and hide a wrong length. Empty
        # lines are kept, so that a row's number is its line's.
        names = (
            *DISTRICT_COLUMNS, *SHARE_COLUMNS, "block_geoid", "county_fips", "population",
            "household", "clone", "block",
        )  # fmt: skip
        return pacsv.read_csv(
            self.path,
            parse_options=pacsv.ParseOptions(ignore_empty_lines=False),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )

    def row_name(self, row: int) -> str:
        """Name a row the way an editor counts it: a csv file's header is line 1."""
        return f"{self.path}: row {row}" if self._is_parquet else f"{self.path}: line {row + 2}"

    def refuse_rows(self, wrong: np.ndarray, complaint: str) -> None:
        """Raise InputError for the first row where `wrong` is true."""
        if wrong.any():
            raise InputError(f"{self.row_name(int(np.argmax(wrong)))} {complaint}; correct it")

    def has(self, names: tuple[str, ...]) -> bool:
        return any(name in self._columns.column_names for name in names)

    def _column(self, names: tuple[str, ...]) -> tuple[str, pa.ChunkedArray]:
        for name in names:
            if name in self._columns.column_names:
                return name, self._columns[name]
        raise InputError(
            f"{self.path}: has no column {' or '.join(map(repr, names))}, only "
            f"{', '.join(self._columns.column_names)}; rename or add it"
        )

    def _matching(self, names: tuple[str, ...], pattern: str, need: str) -> pa.ChunkedArray:
        name, column = self._column(names)
        text = column.cast(pa.string())
        fits = pc.fill_null(pc.match_substring_regex(text, pattern), False)
        row = pc.index(fits, False).as_py()
        if row >= 0:
            raise InputError(
                f"{self.row_name(row)} has the {name} {text[row].as_py()!r}, which is not {need}"
            )
        return text

    def whole_numbers(self, names: tuple[str, ...]) -> np.ndarray:
        """Return a column as int64, refusing anything but digits."""
        text = self._matching(names, "^[0-9]{1,18}$", "a whole number; correct it")
        return text.cast(pa.int64()).to_numpy()

    def codes(self, names: tuple[str, ...], width: int) -> np.ndarray:
        """Return a column of `width`-digit codes as bytes."""
        text = self._matching(names, f"^[0-9]{{{width}}}$", f"{width} digits; keep leading zeros")
        fixed = text.cast(pa.binary()).cast(pa.binary(width)).combine_chunks()
        content = np.frombuffer(fixed.buffers()[1], dtype=f"S{width}")
        return content[fixed.offset : fixed.offset + self.n_rows]

    def real_numbers(self, names: tuple[str, ...]) -> np.ndarray:
        """Return a column as float64; what is no number becomes NaN, for the caller to refuse."""
        _, column = self._column(names)
        return pd.to_numeric(column.to_pandas(), errors="coerce").to_numpy(np.float64)
