"""Times, sizes and tables as people read them."""

import pytest

from localcal.status.words import ago, aligned, in_words, megabytes


@pytest.mark.parametrize(
    "seconds, words",
    [(0, "0 s"), (99.4, "99 s"), (100, "2 min"), (6000, "1.7 h"), (200_000, "2 days"), (-1, "0 s")],
)
def test_times_in_words(seconds, words):
    assert in_words(seconds) == words


def test_sizes_and_what_was_never_written():
    assert megabytes(1_234_567_890) == "1,234.6 MB"
    assert ago(None, 10.0) == ""
    assert ago(4.0, 10.0) == "6 s ago"


def test_columns_stand_below_each_other():
    assert aligned([("a", "b", ""), ("long", "c", "d")]) == "a     b\nlong  c  d"
