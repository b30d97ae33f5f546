"""The one error a user is meant to read."""

from localcal.errors import one_line


def test_what_an_error_says_fits_one_line():
    assert one_line(ValueError("a file\n  ended\tearly\n")) == "a file ended early"
