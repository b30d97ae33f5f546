"""What a refit says about l0-python's own weights."""

import pytest

from localcal.weights.fit import fit_weights
from localcal.weights.l0.exchange import L0Weights
from localcal.weights.l0.refit import describe_refit
from localcal.weights.settings import Settings
from tests.fit_case import make_case


def test_a_loss_counts_fitted_targets_only():
    case = make_case(3)
    result = fit_weights(**case.arguments(), settings=Settings(levels=("nation",)), seed=0)
    same = describe_refit(result, case.matrix, L0Weights(result.weights, {})).report["l0"]
    assert same["loss_before_refit"] == pytest.approx(same["loss_after_refit"], rel=1e-9)
