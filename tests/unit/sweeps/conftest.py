"""A small run, made once per file of tests."""

import pytest

from tests.areas_case import make_run
from tests.served_work import own_folder

__all__ = ["own_folder", "run"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return its files."""
    return make_run(tmp_path_factory.mktemp("run"))
