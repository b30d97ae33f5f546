"""Spreads of what jobs took."""

import numpy as np
import pytest

from localcal.evidence.figures import (
    Spread,
    away_from_data,
    by_phase,
    by_rule,
    payloads,
    quantile,
    spread,
)
from localcal.evidence.lines import read_lines
from tests.perf_case import files, used


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_quantiles_are_numpys(n):
    values = sorted(np.random.default_rng(n).gamma(2.0, size=n).tolist())
    for share in (0.0, 0.5, 0.95, 1.0):
        assert quantile(values, share) == pytest.approx(np.quantile(values, share), rel=1e-12)


def test_what_is_not_known_is_counted_and_never_zero():
    assert spread([("a", None), ("b", None)]) == Spread(0, 2, None, None, None, None, None)
    assert spread([("a", None), ("b", 3.0), ("c", 1.0)]) == Spread(2, 1, 2.0, 2.9, 4.0, 3.0, "b")


def test_a_phase_counts_where_it_happened():
    found = by_phase(
        read_lines(
            [
                used("a", phases={"write": 2.0}),
                used("b", phases={"load": 1.0}),
                used("c", phases=None),
            ]
        ).attempts
    )
    assert (found["write"].jobs, found["write"].unknown, found["write"].total) == (1, 1, 2.0)
    assert (found["aggregate"].jobs, found["aggregate"].total) == (0, None)


def test_memory_is_compared_job_by_job():
    # The largest job of all is a second attempt, and asked for more than it used.
    lines = [used("r/1", peak_mb=900, asked_mb=1000), used("r/2", peak_mb=1200, asked_mb=2000)]
    [found] = by_rule(read_lines([*lines, used("r/3", asked_mb=None)]).attempts)
    assert (found.used_of_asked.largest, found.used_of_asked.unknown) == (0.9, 1)
    assert found.used_of_asked.largest_job == "r/1"


def test_a_job_that_handed_nothing_over_is_not_unknown():
    found = payloads(read_lines([used("a"), used("b", handed_bytes=None)]))["handed over"]
    assert (found.jobs, found.unknown) == (1, 0)
    found = payloads(read_lines([used("b", handed_bytes=None, phases=None)]))["handed over"]
    assert (found.jobs, found.unknown) == (0, 1)


def test_work_is_away_from_its_data_where_most_of_it_was_made_elsewhere():
    lines = [
        files("a", {}, {"small": 10, "large": 90}),
        used("a", worker="one"),
        files("b", {"small": 10}, {"b": 90}),
        used("b", worker="two", wall_seconds=30.0),
        files("c", {"small": 10, "b": 90}, {}),
        used("c", worker="two", wall_seconds=10.0),
        # Nobody says who made this.
        files("d", {"given": 10}, {}),
        used("d", worker="two"),
        used("e", worker="two"),
    ]
    found = away_from_data(read_lines(lines).attempts)
    assert (found.jobs, found.away, found.unknown) == (2, 1, 2)
    # 30 s of 40 s, and 10 + 10 bytes of 110.
    assert found.seconds_share == 0.75
    assert (found.bytes_away, found.bytes_share) == (20, pytest.approx(20 / 110))
