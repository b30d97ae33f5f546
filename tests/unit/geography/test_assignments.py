"""Assignments that others made, as arrays and as tables."""

from pathlib import Path

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.geography.given import load_geography
from tests.places_case import GIVEN, given_households, given_table, is_given


def npz_arrays() -> dict[str, np.ndarray]:
    # index = clone * 3 + record
    rows = [GIVEN[record * 2 + clone] for clone in range(2) for record in range(3)]
    census = {201: "200", 1101: "1198"}
    return {
        "block_geoid": np.array([block for block, _ in rows]),
        "cd_geoid": np.array([census.get(district, str(district)) for _, district in rows]),
        "county_fips": np.array([block[:5] for block, _ in rows]),
        "state_fips": np.array([int(block[:2]) for block, _ in rows], dtype=np.int32),
        "n_records": np.array([3]),
        "n_clones": np.array([2]),
    }


def save_npz(path: Path, **changes) -> Path:
    arrays = {name: value for name, value in (npz_arrays() | changes).items() if value is not None}
    np.savez_compressed(path, **arrays)
    return path


def test_a_reference_assignment_is_permuted_to_column_order(tmp_path):
    path = save_npz(tmp_path / "geography_assignment.npz")
    assert is_given(load_geography(path, given_households(), 2))


def test_a_reference_assignment_needs_only_blocks_and_districts(tmp_path):
    path = save_npz(
        tmp_path / "a.npz", county_fips=None, state_fips=None, n_records=None, n_clones=None
    )
    assert is_given(load_geography(path, given_households(), 2))


def with_entry(name: str, index: int, value: object) -> dict[str, np.ndarray]:
    array = npz_arrays()[name].copy()
    array[index] = value
    return {name: array}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"block_geoid": None}, "has no array 'block_geoid'"),
        ({"cd_geoid": None}, "has no array 'cd_geoid'"),
        ({"n_clones": np.array([430])}, r"says n_clones = \[430\], but 3 households x 2 clones"),
        ({"n_records": np.array([6])}, r"says n_records = \[6\]"),
        ({"cd_geoid": np.array(["3701"] * 4)}, "holds 4 entries in cd_geoid, but 3 .* need 6"),
        ({"block_geoid": np.array([{}] * 6)}, "cannot be read as a geography_assignment.npz"),
        (with_entry("block_geoid", 4, "11001"), r"entry 4 \(record 1, clone 1\) has the code"),
        ({"block_geoid": np.array(["0" * 16] * 6)}, "entry 0 .* is not 15 digits"),
        ({"block_geoid": np.arange(6)}, "is int64, not text"),
        (with_entry("cd_geoid", 2, "x"), "entry 2 .* has the cd_geoid 'x'"),
        (with_entry("cd_geoid", 2, ""), "entry 2 .* has the cd_geoid ''"),
        ({"cd_geoid": np.ones(6)}, "has a cd_geoid of type float64"),
        (with_entry("cd_geoid", 3, "3702"), "entry 3 .* puts block 350130001001001 into .* 3702"),
        (with_entry("county_fips", 1, "02090"), "entry 1 .* has county 02090, but its block is"),
        (with_entry("state_fips", 5, 2), "entry 5 .* has state 2, but its block is 01001"),
    ],
)
def test_a_wrong_reference_assignment_is_refused(tmp_path, changes, complaint):
    path = save_npz(tmp_path / "a.npz", **changes)
    with pytest.raises(InputError, match=complaint):
        load_geography(path, given_households(), 2)


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    path = save_npz(tmp_path / "a.npz")
    path.write_bytes(path.read_bytes()[:-300] if content is None else content)
    with pytest.raises(InputError, match=r"a\.npz: cannot be read as a geography_assignment"):
        load_geography(path, given_households(), 2)


def test_an_absent_npz_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.npz: cannot be read"):
        load_geography(tmp_path / "a.npz", given_households(), 2)


def test_an_assignment_for_other_households_or_clones_is_refused_with_both_numbers(tmp_path):
    path = save_npz(tmp_path / "a.npz")
    with pytest.raises(
        InputError, match=r"holds 6 entries.*3 households x 4 clones need 12.*geography\.clones"
    ):
        load_geography(path, given_households(), 4)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_a_table_by_original_household_id_is_put_in_column_order(tmp_path, name):
    path = tmp_path / name
    table = given_table()
    if name == "a.parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    assert is_given(load_geography(path, given_households(), 2))


@pytest.mark.parametrize(
    ("row", "column", "value", "complaint"),
    [
        (0, "household", 11, "line 2 has a household id that the population does not have"),
        (0, "household", 10, "line .* repeats a household and clone"),
        (1, "clone", 2, "line 3 has a clone number above 1"),
        (1, "clone", -1, "line 3 has the clone '-1', which is not a whole number"),
        (2, "block", "11001", "line 4 has the block '11001', which is not 15 digits"),
        (2, "district", 101, "line 4 puts block 110010001011000 into district 101"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path, row, column, value, complaint):
    table = given_table()
    table.loc[row, column] = value
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match=complaint):
        load_geography(tmp_path / "a.csv", given_households(), 2)


def test_a_table_of_the_wrong_length_is_refused_with_both_numbers(tmp_path):
    given_table().iloc[:-1].to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match="holds 5 entries, but 3 households x 2 clones need 6"):
        load_geography(tmp_path / "a.csv", given_households(), 2)
