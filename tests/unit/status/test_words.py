"""Times, sizes and tables as people read them."""

import pytest

from localcal.status.words import ago, aligned, bar, in_words, megabytes, per_time
from snakemake_logger_plugin_stages import words as shown_by_snakemake


@pytest.mark.parametrize(
    "seconds, words",
    [(0, "0 s"), (99.4, "99 s"), (100, "2 min"), (6000, "1.7 h"), (200_000, "2 days"), (-1, "0 s")],
)
def test_times_in_words(seconds, words):
    assert in_words(seconds) == words


@pytest.mark.parametrize("done, expected", [(0, 207), (1, 207), (104, 207), (206, 207), (5, 5)])
def test_bars_and_rates_are_what_snakemake_shows_of_a_run_here(done, expected):
    assert bar(done, expected) == shown_by_snakemake.bar(done, expected)
    for per_second in (done, done / 60, done / 3600):
        assert per_time(per_second * 3600) == shown_by_snakemake.rate(per_second)
    assert in_words(done * expected) == shown_by_snakemake.in_words(done * expected)


def test_sizes_and_what_was_never_written():
    assert megabytes(1_234_567_890) == "1,234.6 MB"
    assert ago(None, 10.0) == ""
    assert ago(4.0, 10.0) == "6 s ago"


def test_columns_stand_below_each_other():
    assert aligned([("a", "b", ""), ("long", "c", "d")]) == "a     b\nlong  c  d"
