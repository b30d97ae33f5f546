"""Assignments that others made, as a `geography_assignment.npz` or as a table."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.errors import InputError, one_line
from localcal.files.table import Table
from localcal.geography.blocks import (
    RowName,
    as_text,
    at_large_as_01,
    county_of,
    digit_codes,
    refuse_foreign_states,
    state_of,
    whole_numbers,
)
from localcal.geography.codes import BLOCK_DIGITS, COUNTY_DIGITS


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
    block = digit_codes(arrays["block_geoid"], BLOCK_DIGITS, row_name)
    district = at_large_as_01(whole_numbers(arrays["cd_geoid"], "cd_geoid", row_name))
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
            f"{path}: cannot be read as a geography_assignment.npz ({one_line(error)}); "
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
        county = digit_codes(arrays["county_fips"], COUNTY_DIGITS, row_name)
        _refuse_contradictions(county != county_of(block), county, block, "county", row_name)
    if "state_fips" in arrays:
        state = whole_numbers(arrays["state_fips"], "state_fips", row_name)
        _refuse_contradictions(state != state_of(block), state, block, "state", row_name)


def _refuse_contradictions(
    wrong: np.ndarray, values: np.ndarray, block: np.ndarray, what: str, row_name: RowName
) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{row_name(row)} has {what} {as_text(values[row])}, but its block is "
            f"{as_text(block[row])}; correct one of the two"
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
    table = Table(path)
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


def _wrong_length(
    path: str | Path, found: int, n_households: int, n_clones: int, detail: str = ""
) -> InputError:
    return InputError(
        f"{path}: holds {found} entries{detail}, but {n_households} households x {n_clones} "
        f"clones need {n_households * n_clones}; set population.households and "
        "geography.clones to those of the file, or give another file"
    )
