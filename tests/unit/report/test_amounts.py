"""Amounts in words."""

import math

import pandas as pd
import pytest

from localcal.report.amounts import (
    OUTCOMES,
    amount_in_words,
    change_in_words,
    margin_in_words,
    scale_of,
    told_of,
    value_in_words,
)
from localcal.report.words import NO_BREAK
from localcal.sweeps.outcomes import BUILT_IN


def test_every_outcome_there_is_has_its_words_and_a_user_s_own_its_name():
    assert set(OUTCOMES) == set(BUILT_IN)
    assert told_of("cost").title == "Net cost"
    assert told_of("mine/own.py:top") == ("own.top", "From mine/own.py:top.", "number", True)


@pytest.mark.parametrize(
    ("value", "unit", "words", "change"),
    [
        (15.84e9, "dollars", "$15.8 billion", "+$15.8 billion"),
        (-3.1e6, "dollars", "-$3.10 million", "-$3.10 million"),
        (12.3, "dollars", "$12.30", "+$12.30"),
        (-0.001, "dollars", "$0.00", "$0.00"),
        (0.0, "dollars", "$0", "$0"),
        (0.1125, "share", "11.25 %", "+11.25 points"),
        (-0.00001, "share", "0.00 %", "0.00 points"),
        (0.00001, "share", "0.00 %", "0.00 points"),
        (0.48321, "number", "0.4832", "+0.4832"),
        (math.nan, "dollars", "", ""),
    ],
)
def test_amounts_in_words(value, unit, words, change):
    assert amount_in_words(value, unit).replace(NO_BREAK, " ") == words
    assert change_in_words(value, unit).replace(NO_BREAK, " ") == change


def test_margins_have_a_sign_of_their_own_and_none_is_nothing():
    assert margin_in_words(0.012, "share").replace(NO_BREAK, " ") == "± 1.20 points"
    assert margin_in_words(math.nan, "share") == ""


def test_an_axis_is_in_the_size_of_its_largest_value():
    assert scale_of(pd.Series([1.0, -2.5e9]), "dollars") == (1e9, "billion dollars")
    assert scale_of(pd.Series([20.0]), "dollars") == (1.0, "dollars")
    assert scale_of(pd.Series([0.2]), "share") == (0.01, "percentage points")
    assert scale_of(pd.Series([0.2]), "number") == (1.0, "")


def test_values_of_parameters_in_words():
    words = [value_in_words(value) for value in (True, False, 2000.0, 0.035, 1234567.0)]
    assert words == ["true", "false", "2,000", "0.035", "1,234,567"]
