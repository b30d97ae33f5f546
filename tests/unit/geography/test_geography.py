"""Drawing places, reading given ones, and the file of both."""

import gzip
import hashlib
import logging
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.geography import draw
from localcal.geography.draw import assign_geography
from localcal.geography.geography import DTYPES, Geography, read_geography, write_geography
from localcal.geography.given import load_geography
from localcal.geography.places import AreaIncome

# Alaska and DC under the census's numbers, which are to become 201 and 1101.
POPULATION = {
    101: 700_000,
    102: 400_000,
    200: 730_000,
    1198: 680_000,
    3601: 900_000,
    3602: 760_000,
    3603: 150_000,
    3604: 780_000,
}
DISTRICTS = [101, 102, 201, 1101, 3601, 3602, 3603, 3604]
SHARE = np.array(list(POPULATION.values())) / sum(POPULATION.values())
INCOME = dict(zip(DISTRICTS, [3e9, 1e9, 4e9, 9e9, 8e9, 2e9, 5e9, 6e9], strict=True))
PLACES = """district,county_fips,share
101,01001,0.25
101,01003,0.75
102,01003,1
200,02020,3
200,02090,1
1198,11001,1
3601,36005,1
3602,36005,0.5
3602,36061,0.5
3602,36047,0
3603,36061,1
3604,36081,1
"""


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Path]:
    population = tmp_path / "population.csv"
    rows = "".join(f"{district},{count}\n" for district, count in POPULATION.items())
    population.write_text("district,population\n" + rows)
    places = tmp_path / "places.csv"
    places.write_text(PLACES)
    return {"places": places, "district_population": population}


def make_households(count: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "household_id": np.arange(count) * 7 + 3,
            "household_weight": rng.gamma(2.0, 500.0, count),
            "adjusted_gross_income": rng.lognormal(11, 1, count),
        }
    )


def assign(households: pd.DataFrame, tables: dict[str, Path], **changes) -> Geography:
    settings = {
        "n_clones": 4,
        "income_percentile": None,
        "district_income": {},
        "state_income": {},
        "state_exponent": 0.0,
        "seed": 1,
    }
    settings |= changes
    income = AreaIncome(settings.pop("district_income"), settings.pop("state_income"))
    return assign_geography(households, **tables, income=income, **settings)


def inclusion(geography: Geography) -> np.ndarray:
    """Return the fraction of households that have a clone in each district."""
    return np.array([(geography.district == code).sum() for code in DISTRICTS]) / (
        geography.n_households
    )


def same(one: Geography, other: Geography) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in DTYPES)


# --- drawing ---------------------------------------------------------------------------------


def test_no_household_has_a_district_twice(tables):
    geography = assign(make_households(3_000), tables, n_clones=7, state_exponent=-0.3)
    districts = np.sort(geography.district.reshape(-1, 7), axis=1)
    assert (np.diff(districts, axis=1) > 0).all()


def test_as_many_clones_as_districts_reach_every_district(tables):
    geography = assign(make_households(50), tables, n_clones=8)
    assert (np.sort(geography.district.reshape(-1, 8), axis=1) == DISTRICTS).all()
    household_sums = geography.design_weight.reshape(-1, 8).sum(axis=1)
    np.testing.assert_allclose(household_sums, make_households(50)["household_weight"])


@pytest.mark.parametrize(("n_clones", "exponent"), [(1, 0.0), (3, -0.3), (5, 0.0), (6, -0.5)])
def test_inclusion_probabilities_are_those_of_the_formula(tables, n_clones, exponent):
    state_population = {1: 1_100_000, 2: 730_000, 11: 680_000, 36: 2_590_000}
    tilt = np.array([state_population[code // 100] ** exponent for code in DISTRICTS])
    # Bisection on c in sum(min(1, c q)) = n: a second way to the same numbers.
    low, high = 0.0, 1e12
    for _ in range(200):
        middle = (low + high) / 2
        too_many = np.minimum(1, middle * SHARE * tilt).sum() > n_clones
        low, high = (low, middle) if too_many else (middle, high)
    expected = np.minimum(1, low * SHARE * tilt)

    households = make_households(20_000)
    geography = assign(households, tables, n_clones=n_clones, state_exponent=exponent)
    # A frequency over 20,000 households has a standard error of at most 0.0036; five of them.
    np.testing.assert_allclose(inclusion(geography), expected, atol=0.018)
    position = np.searchsorted(DISTRICTS, geography.district)
    weight = np.repeat(households["household_weight"].to_numpy(), n_clones)
    np.testing.assert_allclose(
        geography.design_weight, weight * (SHARE / expected)[position], rtol=1e-9
    )


def test_inclusion_probabilities_sum_exactly_to_the_clones():
    rng = np.random.default_rng(3)
    for n_clones in (1, 10, 300, 430, 436):
        units = draw._inclusion_units(rng.lognormal(0, 0.5, 436), n_clones)
        assert int(units.sum()) == n_clones * draw.SCALE
        assert 0 < units.min() <= units.max() <= draw.SCALE


def test_every_pair_of_districts_meets_in_some_household(tables):
    geography = assign(make_households(5_000), tables, n_clones=2)
    pairs = {tuple(sorted(pair)) for pair in geography.district.reshape(-1, 2).tolist()}
    assert len(pairs) == 8 * 7 // 2


def test_a_clones_number_says_nothing_about_its_district(tables):
    # One district that every household gets: a systematic pass tends to meet it in the middle.
    path = tables["district_population"]
    path.write_text(path.read_text().replace("102,400000", "102,400000000"))
    geography = assign(make_households(20_000), tables, n_clones=3)
    of_all = inclusion(geography) / 3
    for clone in range(3):
        of_clone = [(geography.district[clone::3] == code).mean() for code in DISTRICTS]
        # Standard error at most 0.0035.
        np.testing.assert_allclose(of_clone, of_all, atol=0.0175)


@pytest.mark.parametrize("exponent", [0.0, -0.3])
def test_design_weights_represent_the_population_of_every_district(tables, exponent):
    households = make_households(20_000)
    geography = assign(households, tables, n_clones=5, state_exponent=exponent)
    total = households["household_weight"].sum()
    shares = [
        geography.design_weight[geography.district == code].sum() / total for code in DISTRICTS
    ]
    # The smallest district (3 %) is drawn by one household in six: standard error below 2.5 %.
    np.testing.assert_allclose(shares, SHARE, rtol=0.1)
    np.testing.assert_allclose(geography.design_weight.sum(), total, rtol=0.01)


def test_a_negative_exponent_gives_small_states_more_clones(tables):
    households = make_households(5_000)
    plain = assign(households, tables, n_clones=3)
    tilted = assign(households, tables, n_clones=3, state_exponent=-0.5)
    assert inclusion(tilted)[2] > inclusion(plain)[2] + 0.1
    assert inclusion(tilted)[4] < inclusion(plain)[4] - 0.05


def test_high_incomes_are_drawn_by_income_and_others_by_population(tables):
    households = make_households(20_000)
    geography = assign(households, tables, n_clones=2, income_percentile=50, district_income=INCOME)
    income = households["adjusted_gross_income"]
    weight = households["household_weight"]
    ordered = households.sort_values("adjusted_gross_income")
    passed = ordered["household_weight"].cumsum() > weight.sum() / 2
    is_high = (income >= ordered["adjusted_gross_income"][passed].iloc[0]).to_numpy()
    income_share = np.array(list(INCOME.values())) / sum(INCOME.values())
    district = geography.district.reshape(-1, 2)
    drawn_by = {True: 2 * income_share, False: 2 * SHARE}
    for group, expected in drawn_by.items():
        found = [(district[is_high == group] == code).sum() for code in DISTRICTS]
        # Some 10,000 households in a group: standard error at most 0.005.
        np.testing.assert_allclose(np.array(found) / (is_high == group).sum(), expected, atol=0.025)
    by_district = [
        geography.design_weight.reshape(-1, 2)[is_high][district[is_high] == code].sum()
        for code in DISTRICTS
    ]
    np.testing.assert_allclose(by_district / weight[is_high].sum(), income_share, rtol=0.15)


def test_the_income_percentile_counts_households_by_weight(tables, caplog):
    households = pd.DataFrame(
        {
            "household_weight": [80.0, 5.0, 5.0, 5.0, 5.0],
            "adjusted_gross_income": [10.0, 20.0, 30.0, 40.0, 50.0],
        }
    )
    with caplog.at_level(logging.INFO):
        assign(households, tables, income_percentile=90, district_income=INCOME)
    assert "2 of 5 households have 40 dollars or more" in caplog.text


def test_state_income_is_spread_over_districts_by_population(tables):
    state_income = {1: 1e9, 2: 2e9, 11: 3e9, 36: 4e9}
    geography = assign(
        make_households(20_000),
        tables,
        n_clones=1,
        income_percentile=0,
        district_income={101: 5.0},
        state_income=state_income,
    )
    new_york = np.array([900, 760, 150, 780]) / 2590
    expected = np.array([0.1 * 7 / 11, 0.1 * 4 / 11, 0.2, 0.3, *(0.4 * new_york)])
    np.testing.assert_allclose(inclusion(geography), expected, atol=0.017)


@pytest.mark.parametrize("percentile", [None, 100])
def test_without_a_percentile_no_incomes_are_needed(tables, percentile):
    households = make_households(20).drop(columns="adjusted_gross_income")
    assert len(assign(households, tables, income_percentile=percentile)) == 80


def test_the_same_seed_gives_the_same_places_and_another_seed_others(tables):
    households = make_households(200)
    assert same(assign(households, tables), assign(households, tables))
    assert not np.array_equal(
        assign(households, tables).district, assign(households, tables, seed=2).district
    )


@pytest.mark.parametrize("cells", [1, 8 * 7, 8 * 64])
def test_places_do_not_depend_on_how_many_households_are_drawn_at_once(tables, cells, monkeypatch):
    households = make_households(150)
    settings = {"income_percentile": 80, "district_income": INCOME, "state_exponent": -0.3}
    whole = assign(households, tables, **settings)
    monkeypatch.setattr(draw, "CELLS_AT_ONCE", cells)
    assert same(assign(households, tables, **settings), whole)


def test_the_order_of_rows_in_the_tables_does_not_matter(tables):
    expected = assign(make_households(100), tables)
    for path in tables.values():
        header, *rows = path.read_text().splitlines()
        path.write_text("\n".join([header, *rows[::-1]]) + "\n")
    assert same(assign(make_households(100), tables), expected)


def test_places_are_drawn_by_their_share_of_the_district(tables):
    geography = assign(make_households(10_000), tables, n_clones=6)
    counties = geography.county[geography.district == 101]
    # Some 9,000 draws: standard error 0.0046.
    assert (counties == b"01003").mean() == pytest.approx(0.75, abs=0.023)
    assert set(geography.county[geography.district == 3602]) == {b"36005", b"36061"}
    assert (geography.county[geography.district == 201] == b"02020").mean() == pytest.approx(
        0.75, abs=0.023
    )


def test_county_state_and_district_follow_from_the_block(tables):
    geography = assign(make_households(500), tables)
    assert all(block[5:] == b"0" * 10 for block in geography.block)
    assert all(
        county == block[:5] for county, block in zip(geography.county, geography.block, strict=True)
    )
    assert (geography.state == [int(block[:2]) for block in geography.block]).all()
    assert (geography.state == geography.district // 100).all()
    assert set(geography.district) <= set(DISTRICTS)
    assert (geography.household == np.repeat(np.arange(500), 4)).all()
    assert (geography.clone == np.tile(np.arange(4), 500)).all()
    for name, dtype in DTYPES.items():
        assert getattr(geography, name).dtype == dtype


def test_block_tables_with_other_column_names_and_compression_are_read(tables, tmp_path):
    blocks = {101: "010010201001000", 102: "010030101002001", 200: "020200001001003"}
    blocks |= {1198: "110010001011000"}
    blocks |= {code: f"36005{code:06d}1001" for code in (3601, 3602, 3603, 3604)}
    rows = "".join(f"{code},{block},0.5\n" for code, block in blocks.items())
    tables["places"] = tmp_path / "blocks.csv.gz"
    with gzip.open(tables["places"], "wt") as file:
        file.write("cd_geoid,block_geoid,probability\n" + rows)
    geography = assign(make_households(100), tables)
    expected = dict(zip(DISTRICTS, blocks.values(), strict=True))
    drawn = zip(geography.district, geography.block, strict=True)
    assert {(code, block.decode()) for code, block in drawn} == set(expected.items())


# --- bad tables ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("01001,0.25", "01001,-0.25", "line 2 has a share that is not 0 or more"),
        ("01001,0.25", "01001,nan", "line 2 has a share"),
        ("01001,0.25", "01001,", "line 2 has a share"),
        ("01001,0.25", "01001,a lot", "line 2 has a share"),
        ("102,01003", "102,1003", "line 4 has the county_fips '1003', which is not 5 digits"),
        ("102,01003", "1O2,01003", "line 4 has the district '1O2', which is not a whole number"),
        ("102,01003", "102,02003", "line 4 puts block 020030000000000 into district 102"),
        ("101,01003,0.75", "101,01001,0.75", "line 3 repeats a district and place"),
        ("102,01003,1\n", "102,01003,0\n", "every share of district 102 is zero"),
        ("102,01003,1\n", "", "places.csv: has no district 102, which"),
        ("3604,36081", "3605,36081", "population.csv: has no district 3605, which"),
        ("share", "part", "has no column 'share' or 'probability'"),
        ("county_fips", "county", "has no column 'county_fips' or 'block_geoid'"),
        ("102,01003,1\n", "\n", "line 4 has the district '', which is not a whole number"),
        ("102,01003,1\n", "102,01003\n", "cannot be read as a table"),
        (PLACES, "", "cannot be read as a table"),
        (PLACES, "district,county_fips,share\n", "holds no rows"),
    ],
)
def test_a_wrong_places_table_is_refused_with_its_line(tables, before, after, complaint):
    content = tables["places"].read_text()
    assert before in content
    tables["places"].write_text(content.replace(before, after, 1))
    with pytest.raises(InputError, match=complaint) as caught:
        assign(make_households(5), tables)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("101,700000", "101,0", "line 2 has a population that is not above 0"),
        ("101,700000", "101,", "line 2 has a population"),
        ("102,400000", "101,400000", "line 3 repeats a district"),
        ("1198,680000", "201,680000", "line 5 repeats a district"),
        ("population", "people", "has no column 'population'"),
    ],
)
def test_a_wrong_population_table_is_refused_with_its_line(tables, before, after, complaint):
    path = tables["district_population"]
    content = path.read_text()
    assert before in content
    path.write_text(content.replace(before, after, 1))
    with pytest.raises(InputError, match=complaint):
        assign(make_households(5), tables)


def test_a_missing_table_is_named(tables, tmp_path):
    tables["places"] = tmp_path / "nowhere.csv"
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file"):
        assign(make_households(5), tables)


def test_a_truncated_gzip_table_is_named(tables, tmp_path):
    whole = gzip.compress(PLACES.encode() * 50)
    tables["places"] = tmp_path / "places.csv.gz"
    tables["places"].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"places\.csv\.gz: cannot be read"):
        assign(make_households(5), tables)


@pytest.mark.parametrize("n_clones", [0, 9])
def test_more_clones_than_districts_are_refused(tables, n_clones):
    with pytest.raises(InputError, match=f"geography.clones: {n_clones} clones .* 8 districts"):
        assign(make_households(5), tables, n_clones=n_clones)


def test_an_exponent_that_excludes_a_district_is_refused(tables):
    with pytest.raises(InputError, match=r"geography\.state_exponent: so strong"):
        assign(make_households(5), tables, state_exponent=60)


def test_unknown_incomes_are_refused_unless_the_rule_is_off(tables):
    partly = {code: 1.0 for code in DISTRICTS if code != 3602}
    with pytest.raises(
        InputError, match=r"1 districts \(first 3602\) nor for 3 states \(first 2\)"
    ):
        assign(
            make_households(5),
            tables,
            income_percentile=90,
            district_income=partly,
            state_income={1: 1.0},
        )


def test_an_income_that_is_not_positive_is_refused(tables):
    with pytest.raises(InputError, match=r"district level: that of district 201 is -4\.0"):
        assign(
            make_households(5),
            tables,
            income_percentile=90,
            district_income=INCOME | {201: -4.0},
        )


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("household_weight", np.nan, "household 2 has the weight nan"),
        ("household_weight", -1.0, "household 2 has the weight -1.0"),
        ("adjusted_gross_income", np.inf, "household 2 has the adjusted gross income"),
    ],
)
def test_unusable_households_are_refused(tables, column, value, complaint):
    households = make_households(5)
    households.loc[2, column] = value
    with pytest.raises(InputError, match=complaint):
        assign(households, tables, income_percentile=90, district_income=INCOME)


def test_households_without_any_weight_are_refused(tables):
    households = make_households(5).assign(household_weight=0.0)
    with pytest.raises(InputError, match="no household has a weight above 0"):
        assign(households, tables)


# --- geography.h5 ----------------------------------------------------------------------------


def test_a_written_geography_reads_back_whole_and_in_slices(tables, tmp_path):
    geography = assign(make_households(50), tables)
    path = tmp_path / "geography.h5"
    write_geography(path, geography, {"source": "random", "path": None, "seed": 1})
    assert same(read_geography(path), geography)
    part = read_geography(path, 37, 90)
    assert (part.n_households, part.n_clones, len(part)) == (50, 4, 53)
    for name in DTYPES:
        assert np.array_equal(getattr(part, name), getattr(geography, name)[37:90])
    with h5py.File(path) as file:
        assert dict(file.attrs) == {
            "n_clones": 4,
            "n_households": 50,
            "path": "null",
            "seed": 1,
            "source": "random",
        }
        assert all(file[name].chunks is None for name in DTYPES)


def test_the_same_geography_gives_the_same_bytes(tables, tmp_path):
    digests = set()
    for name, attributes in (("a", {"b": 1, "c": "x"}), ("b", {"c": "x", "b": 1})):
        write_geography(tmp_path / name, assign(make_households(50), tables), attributes)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_slice_cannot_be_written_as_a_geography(tables, tmp_path):
    path = tmp_path / "geography.h5"
    write_geography(path, assign(make_households(5), tables), {})
    with pytest.raises(ValueError, match="not a slice"):
        write_geography(tmp_path / "part.h5", read_geography(path, 0, 4), {})


def test_a_slice_beyond_the_end_is_refused(tables, tmp_path):
    path = tmp_path / "geography.h5"
    write_geography(path, assign(make_households(5), tables), {})
    with pytest.raises(InputError, match="has columns 0 to 20, not 10 to 30"):
        read_geography(path, 10, 30)


def _drop(file: h5py.File) -> None:
    del file["county"]


def _drop_attribute(file: h5py.File) -> None:
    del file.attrs["n_clones"]


def _shorten(file: h5py.File) -> None:
    state = file["state"][:-1]
    del file["state"]
    file["state"] = state


def _widen(file: h5py.File) -> None:
    state = file["state"][:].astype(np.int64)
    del file["state"]
    file["state"] = state


def _swap(file: h5py.File) -> None:
    file["household"][3] = 4


def _move(file: h5py.File) -> None:
    file["county"][3] = b"06037"


def _redistrict(file: h5py.File) -> None:
    file["district"][3] = 5601


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (_drop, "has no dataset 'county'"),
        (_drop_attribute, "has no whole number 'n_clones'"),
        (_shorten, r"dataset 'state' is int32 \(19,\), not int32 \(20,\)"),
        (_widen, "dataset 'state' is int64"),
        (_swap, "column 3 has household 4, not 0"),
        (_move, "column 3 has county b'06037', not"),
        (_redistrict, "column 3 puts block .* into district 5601"),
    ],
)
def test_a_damaged_geography_is_refused(tables, tmp_path, damage, complaint):
    path = tmp_path / "geography.h5"
    write_geography(path, assign(make_households(5), tables), {})
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(InputError, match=complaint):
        read_geography(path)


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all", None])
def test_a_foreign_or_truncated_geography_is_refused(tables, tmp_path, content):
    path = tmp_path / "geography.h5"
    write_geography(path, assign(make_households(500), tables), {})
    path.write_bytes(path.read_bytes()[:20_000] if content is None else content)
    with pytest.raises(InputError, match=r"geography\.h5: cannot be read as HDF5"):
        read_geography(path)


def test_an_absent_geography_is_named(tmp_path):
    with pytest.raises(InputError, match=r"geography\.h5: cannot be read as HDF5"):
        read_geography(tmp_path / "geography.h5")


# --- given assignments -----------------------------------------------------------------------

# Three households with two clones each; rows by household, then clone.
GIVEN = [
    ("371830501001001", 3701),
    ("350130001001001", 3502),
    ("020200001001003", 201),
    ("110010001011000", 1101),
    ("360050001001000", 3601),
    ("010010201001000", 101),
]


def given_households() -> pd.DataFrame:
    return pd.DataFrame({"household_id": [50, 10, 30], "household_weight": [100.0, 40.0, 6.0]})


def is_given(geography: Geography) -> bool:
    return (
        geography.block.tolist() == [block.encode() for block, _ in GIVEN]
        and geography.district.tolist() == [district for _, district in GIVEN]
        and geography.county.tolist() == [block[:5].encode() for block, _ in GIVEN]
        and geography.state.tolist() == [37, 35, 2, 11, 36, 1]
        and geography.household.tolist() == [0, 0, 1, 1, 2, 2]
        and geography.clone.tolist() == [0, 1, 0, 1, 0, 1]
        and geography.design_weight.tolist() == [50.0, 50.0, 20.0, 20.0, 3.0, 3.0]
    )


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


def given_table() -> pd.DataFrame:
    ids = np.repeat([50, 10, 30], 2)
    table = pd.DataFrame({"household": ids, "clone": [0, 1] * 3})
    table["block"], table["district"] = zip(*GIVEN, strict=True)
    return table.sort_values("district", ignore_index=True)


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


def test_our_own_file_is_taken_with_its_design_weights(tables, tmp_path):
    households = make_households(200)
    geography = assign(households, tables, state_exponent=-0.3)
    write_geography(tmp_path / "geography.h5", geography, {})
    assert same(load_geography(tmp_path / "geography.h5", households, 4), geography)


def test_our_own_file_of_another_size_is_refused_with_both_numbers(tables, tmp_path):
    write_geography(tmp_path / "geography.h5", assign(make_households(20), tables), {})
    with pytest.raises(InputError, match=r"20 households x 4 clones = 80 .* has 20 x 5 = 100"):
        load_geography(tmp_path / "geography.h5", make_households(20), 5)


def test_our_own_file_of_another_population_is_noticed_by_its_weights(tables, tmp_path, caplog):
    households = make_households(200)
    write_geography(tmp_path / "geography.h5", assign(households, tables), {})
    heavier = households.assign(household_weight=households["household_weight"] * 2)
    load_geography(tmp_path / "geography.h5", heavier, 4)
    assert "design weights sum to 0.5" in caplog.text
    households.loc[3, "household_weight"] = 0.0
    with pytest.raises(InputError, match="column 12 has design weight .* its household 0.0"):
        load_geography(tmp_path / "geography.h5", households, 4)


def test_repeated_districts_in_a_given_file_are_counted(tmp_path, caplog):
    table = given_table().assign(block="010010201001000", district=101)
    table.to_csv(tmp_path / "a.csv", index=False)
    geography = load_geography(tmp_path / "a.csv", given_households(), 2)
    assert (geography.district == 101).all()
    assert "3 of 6 columns repeat a district of their household" in caplog.text
