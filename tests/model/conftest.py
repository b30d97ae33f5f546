"""The real model, loaded once for all tests that need it."""

import pytest

from localcal.engine.policyengine import PolicyEngineUS


@pytest.fixture(scope="session")
def engine():
    return PolicyEngineUS()
