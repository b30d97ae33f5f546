"""The real model, loaded once for all tests that need it."""

import os

import pytest

import localcal.clones.follow
from localcal.engine.policyengine import PolicyEngineUS


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Fails where another worker has loaded it: all tests of this folder belong to one.
        (tmp_path_factory.getbasetemp().parent / "model_is_loaded").touch(exist_ok=False)
    return PolicyEngineUS()


@pytest.fixture(autouse=True, scope="module")
def _one_later_year():
    """Follow what is frozen into one year: each takes seconds, and few tests are about them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(localcal.clones.follow, "FOLLOWED", (1,))
        yield
