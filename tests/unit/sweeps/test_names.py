"""What outcomes are called."""

import pytest

from localcal.errors import InputError
from localcal.sweeps import names
from localcal.sweeps.outcomes import BUILT_IN


def test_outcomes_whose_files_would_be_one_are_refused():
    for pair in (["a/own.py:f", "b/own.py:f"], ["own.py:f", "./own.py:f"]):
        with pytest.raises(InputError, match=f"{' and '.join(pair)} would be one file, own.f.p"):
            names.refuse_bad_names(["cost", *pair], "x.yaml")
    names.refuse_bad_names([*BUILT_IN, "a/own.py:f"], "x.yaml")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a b", "'a b' is no outcome"),
        ("povertyrate", r"'povertyrate' is no outcome \(did you mean poverty_rate\?\)"),
        ("own.py", "'own.py' is no outcome"),
        # What no rule of the workflow knows as a file's name.
        ("own.py:größe", "in plain letters"),
        ("mine and yours.py:f", "in plain letters"),
    ],
)
def test_what_is_no_outcome_is_refused_before_any_job(name, words):
    with pytest.raises(InputError, match=f"x.yaml: outcomes: .*{words}"):
        names.refuse_bad_names(["cost", name], "x.yaml")


def test_the_built_in_outcomes_are_known_by_name():
    assert sorted(BUILT_IN) == list(names.BUILT_IN_NAMES)
