"""Files that chunks are made from."""

import pytest

from tests.matrix_case import make_inputs


@pytest.fixture
def inputs(tmp_path):
    """Return the files that chunks are made from: 30 households, 7 clones."""
    return make_inputs(tmp_path)
