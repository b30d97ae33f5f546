"""The real model, loaded once for all tests that need it."""

import pytest

import localcal.clones.follow
from localcal.engine.policyengine import PolicyEngineUS


@pytest.fixture(scope="session")
def engine():
    return PolicyEngineUS()


@pytest.fixture(autouse=True, scope="module")
def _one_later_year():
    """Follow what is frozen into one year: each takes seconds, and few tests are about them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(localcal.clones.follow, "FOLLOWED", (1,))
        yield
