"""Targets drawn by what they are."""

import numpy as np
import pandas as pd

from localcal.weights.folds import FOLDS, HOLD_OUT, deal, identities, uniform

TARGETS = pd.DataFrame({"target_id": range(1000), "name": [f"target {i}" for i in range(1000)]})


def test_order_and_company_of_the_targets_change_no_draw():
    numbers = uniform(identities(TARGETS), 3, HOLD_OUT)
    some = np.random.default_rng(0).permutation(1000)[:300]
    np.testing.assert_array_equal(
        uniform(identities(TARGETS.iloc[some]), 3, HOLD_OUT), numbers[some]
    )
    fold = deal(identities(TARGETS), 3, 5)
    mixed = np.random.default_rng(1).permutation(1000)
    np.testing.assert_array_equal(deal(identities(TARGETS.iloc[mixed]), 3, 5), fold[mixed])


def test_draws_are_even_and_those_of_another_seed_or_purpose_are_others():
    identity = identities(TARGETS)
    numbers = uniform(identity, 0, HOLD_OUT)
    assert (np.bincount((numbers * 5).astype(int), minlength=5) > 150).all()
    for other in (uniform(identity, 1, HOLD_OUT), uniform(identity, 0, FOLDS)):
        assert abs(np.corrcoef(numbers, other)[0, 1]) < 0.1
    assert np.bincount(deal(identity[:998], 0, 5)).tolist() == [200, 200, 200, 199, 199]
