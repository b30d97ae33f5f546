"""Households whose places can be drawn, and those whose cannot."""

import numpy as np
import pytest

from localcal.errors import InputError
from tests.places_case import INCOME, assign, make_households


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
