"""Tables of places, places drawn from them, and places that others gave."""

from pathlib import Path

import numpy as np
import pandas as pd

from localcal.geography.draw import assign_geography
from localcal.geography.geography import DTYPES, Geography
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


def same(one: Geography, other: Geography) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in DTYPES)


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


def given_table() -> pd.DataFrame:
    ids = np.repeat([50, 10, 30], 2)
    table = pd.DataFrame({"household": ids, "clone": [0, 1] * 3})
    table["block"], table["district"] = zip(*GIVEN, strict=True)
    return table.sort_values("district", ignore_index=True)
