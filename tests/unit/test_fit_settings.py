"""Settings of a fit and rules for groups of targets."""

import pytest

from localcal.errors import InputError
from localcal.fit_settings import Settings


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("records", 0, "whole number of at least 1"),
        ("records", "many", "whole number of at least 1 or 'all'"),
        ("records", 2.5, "whole number"),
        ("bounds", [1.1, 10.0], "design weight itself is excluded"),
        ("bounds", [0.1, 0.9], "design weight itself is excluded"),
        ("bounds", [0.0, 10.0], "above zero"),
        ("bounds", [0.5], "two factors"),
        ("levels", [], "must name each fitted level once"),
        ("levels", ["county"], "county"),
        ("levels", ["state", "state"], "once"),
        ("group_weight", "cubed", "choose one of sqrt, equal, group"),
        ("penalty", 0.0, "must be above zero"),
        ("tolerance", float("nan"), "must be above zero"),
        ("max_sweeps", 0, "at least 1"),
        ("minimum_columns", True, "whole number"),
        ("sweep", 3, "unknown key"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(key, value, message):
    with pytest.raises(InputError, match=message) as caught:
        Settings.from_config({key: value})
    assert str(caught.value).startswith(f"weights.{key}:")


def test_settings_read_the_config_as_it_is_written():
    settings = Settings.from_config(
        {"levels": ["state", "national"], "records": "all", "bounds": [0.5, 2], "harmonize": False}
    )
    assert settings.levels == ("state", "national") and settings.records is None
    assert settings.bounds == (0.5, 2) and not settings.harmonize
    assert Settings.from_config({"records": 12}).records == 12
