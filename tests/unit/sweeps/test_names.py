"""What outcomes are called."""

import pytest

from localcal.errors import InputError
from localcal.sweeps import names


def test_outcomes_whose_files_would_be_one_are_refused():
    with pytest.raises(InputError, match="a/own.py:f and b/own.py:f would be one file, own.f.p"):
        names.refuse_alike(["cost", "a/own.py:f", "b/own.py:f"], "x.yaml")
    with pytest.raises(InputError, match="'a b' is no name of an outcome"):
        names.refuse_alike(["a b"], "x.yaml")
    names.refuse_alike(["cost", "a/own.py:f"], "x.yaml")
