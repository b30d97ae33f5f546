"""What a block says about what it lies in."""

import numpy as np

from localcal.geography.geography import DTYPES
from tests.places_case import DISTRICTS, assign, make_households


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
